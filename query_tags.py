"""Tags near to some tags, as a table, as JSON or as a plot.

Reads index/dictionary.npz (or with --factors index/implicit_tag_factors.safetensors) and its tags;
writes a plot on request. Tags may be aliases, and spaces may stand for underscores.

What is near is filtered in this order: tags of fewer posts than -f go; then those of other
categories than -c; then each tag asked for keeps its -k nearest; then all that any of them kept are
put in order of their mean cosine with all tags asked for, and the first -N are the answer.
"""

import argparse
import json
import sys

from e6graph import cli
from e6graph.embedding import Dictionary
from e6graph.errors import BadInput
from e6graph.store import Store
from e6graph.tagquery import TagSpace
from e6graph.tags import CATEGORIES

COLUMNS = 4  # of cosines in the table; JSON has all


def main(argv=None):
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("tags", nargs="+", metavar="TAG", help="tags asked for")
    add("--data_dir", dest="index", default=argparse.SUPPRESS, metavar="DIR", help="the same")
    add("--factors", action="store_true", help="by ALS factors instead of dictionary.npz")
    add("-f", "--min-frequency", type=cli.natural, default=10, metavar="N",
        help="first: only tags of N posts or more")  # fmt: skip
    add("-c", "--category", action="append", choices=CATEGORIES, default=[], metavar="NAME",
        help=f"then: only this category; repeatable ({', '.join(CATEGORIES)})")  # fmt: skip
    add("-k", "--topk", type=cli.positive, default=20, metavar="N",
        help="then: the N nearest of each tag asked for")  # fmt: skip
    add("-N", "--total", type=cli.positive, default=20, metavar="N",
        help="then: the N of all these of largest mean cosine")  # fmt: skip
    add("-n", "--each", type=cli.natural, default=0, metavar="N",
        help="list apart the N nearest of each tag asked for, at most -k")  # fmt: skip
    add("-o", "--output", metavar="FILE", help="plot to a .png, .svg or .pdf, or to a window (-)")
    add("-d", "--dims", type=dims, default="1,2", metavar="X,Y", help="components to plot")
    add("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    if args.output not in (None, "-") and not Path(args.output).suffix:
        parser.error(f"argument -o: {args.output}: expected a name with a suffix, as tags.png")

    store = Store(args.index)
    space = TagSpace(store, als.tags_near(store) if args.factors else Dictionary.open(store))
    query = space.rows(args.tags)
    near = space.near(query, args.min_frequency, args.category, args.topk, args.total)
    if not len(near.rows):
        which = f" of category {' or '.join(args.category)}" if args.category else ""
        raise BadInput(f"no tag{which} has {args.min_frequency:,} posts or more: lower -f")
    print(as_json(space, near, args.each) if args.json else as_text(space, near, args.each))
    if args.output == "-":
        tagplot.show(space, near, args.dims)
    elif args.output:
        tagplot.save(tagplot.draw(space, near, args.dims), args.output)


if __name__ == "__main__":
    sys.exit(cli.run(main))
