"""Tags near to some tags, as a table, as JSON and as a plot.

Reads index/dictionary.npz, or with --factors index/implicit_tag_factors.safetensors, and the tags
beside it; writes a plot on request. A TAG may be an alias, and have spaces for underscores.

What is near is filtered in this order: tags of fewer posts than -f go, and the tags asked for
themselves; then those of other categories than -c; then each tag asked for keeps the -k of largest
cosine with it; then of all that any of them keeps, the -N of largest score: the mean of its cosines
with all tags asked for. They are printed and plotted.
"""

import argparse
import json
import sys

from e6graph import cli
from e6graph.embedding.dictionary import Dictionary
from e6graph.embedding.nearest_tags import TagSpace, as_records, as_text
from e6graph.errors import BadInput
from e6graph.store import Store
from e6graph.tags.categories import CATEGORIES


def main(argv=None):
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("tags", nargs="+", metavar="TAG", help="tags asked for")
    add("--data_dir", dest="index", default=argparse.SUPPRESS, metavar="DIR", help="as --index")
    add("--factors", action="store_true", help="by ALS factors instead of dictionary.npz")
    add(
        "-f",
        "--min-frequency",
        type=cli.natural,
        default=10,
        metavar="N",
        help="first: tags of N posts or more",
    )
    add(
        "-c",
        "--category",
        action="append",
        choices=CATEGORIES,
        default=[],
        metavar="NAME",
        help=f"second: tags of this category, all without it; repeatable: {' '.join(CATEGORIES)}",
    )
    add(
        "-k",
        "--topk",
        type=cli.positive,
        default=20,
        metavar="N",
        help="third: the N nearest of each tag asked for",
    )
    add(
        "-N",
        "--total",
        type=cli.positive,
        default=20,
        metavar="N",
        help="fourth: of all these, the N of largest mean cosine",
    )
    add(
        "-n",
        "--each",
        type=cli.natural,
        default=0,
        metavar="N",
        help="also list the N nearest of each tag asked for, by -f and -c alone",
    )
    add(
        "-o",
        "--output",
        metavar="FILE",
        help="plot to a file (.png, .svg, .pdf), or in a window if it is -",
    )
    add(
        "-d",
        "--dims",
        type=dims,
        default="1,2",
        metavar="X,Y",
        help="the principal components that are the plot's axes",
    )
    add("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)

    store = Store(args.index)
    space = TagSpace(store, vectors(store, args.factors))
    query = space.rows(args.tags)
    limits = args.min_frequency, args.category
    near = space.near(query, *limits, args.topk, args.total)
    if not len(near.rows):
        which = f" of category {' or '.join(args.category)}" if args.category else ""
        raise BadInput(
            f"no other tag{which} has {args.min_frequency:,} posts or more: lower -f"
        )
    each = [space.near(query[[i]], *limits, args.each) for i in range(len(query)) if args.each]
    if args.json:
        print(json.dumps(as_records(space, near, each), ensure_ascii=False, indent=1))
    else:
        print(as_text(space, near, each))
    if args.output:
        plot(space, near, args.dims, args.output)


def vectors(store, factors):
    if not factors:
        return Dictionary.open(store)
    from e6graph.embedding.als import tags_near  # what only --factors needs

    if store.find("tags.parquet") is None:
        print("there is no tags.parquet: posts are estimated from ranks", file=sys.stderr)
    return tags_near(store)


def plot(space, near, dims, output):
    from e6graph.embedding import plot as tagplot  # matplotlib takes longer than all else

    if output == "-":
        tagplot.show(space, near, dims)
    else:
        tagplot.save(tagplot.draw(space, near, dims), output)


def dims(text):
    """Two components, as 1,2."""
    found = tuple(cli.positive(part) for part in text.split(","))
    if len(set(found)) != 2 or len(found) != 2:
        raise argparse.ArgumentTypeError(f"{text}: expected two of them, as 1,2")
    return found


if __name__ == "__main__":
    sys.exit(cli.run(main))
