"""Find the tags nearest to some tags: print them as a table or as JSON, and plot them.

Reads index/dictionary.npz, or with --factors index/implicit_tag_factors.safetensors, and the tags
beside it; writes a plot on request. A TAG may be an alias, have spaces for underscores, and a
category before it, as in species:fox.

Tags are filtered in this order: those of fewer posts than -f and the tags asked for are left out;
then those of other categories than -c; then each tag asked for keeps the -k tags of largest cosine
with it; of all that are kept by any, the -N of largest score stay. A score is the mean of the
cosines with all tags asked for.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from e6graph import cli
from e6graph.embedding.dictionary import Dictionary
from e6graph.embedding.nearest_tags import Near, TagSpace, as_records, as_text
from e6graph.errors import BadInput
from e6graph.store import Store
from e6graph.tags.categories import CATEGORIES


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("tags", nargs="+", metavar="TAG", help="tags asked for")
    add("--data_dir", dest="index", default=argparse.SUPPRESS, metavar="DIR", help="as --index")
    add("--factors", action="store_true", help="use ALS factors instead of dictionary.npz")
    add(
        "-f",
        "--min-frequency",
        **number(cli.natural, 10, "first: take tags of N posts or more"),
    )
    add(
        "-c",
        "--category",
        action="append",
        choices=CATEGORIES,
        metavar="NAME",
        help=f"second: only of this category: {', '.join(CATEGORIES)}; repeatable; without it, all",
    )
    add("-k", "--topk", **number(cli.positive, 20, "third: keep the N nearest of each TAG"))
    add("-N", "--total", **number(cli.positive, 20, "fourth: keep the N of largest score"))
    add(
        "-n", "--each", **number(cli.natural, 0, "list N nearest of each TAG too, by -f and -c")
    )
    add("-o", "--output", metavar="FILE", help="plot to a .png, .svg or .pdf; -: in a window")
    add("-d", "--dims", type=dims, default="1,2", metavar="X,Y", help="components to plot by")
    add("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)

    store = Store(args.index)
    space = TagSpace(store, vectors(store, args.factors))
    query = space.rows(args.tags)
    limits = args.min_frequency, args.category or ()
    near = space.near(query, *limits, args.topk, args.total)
    if not len(near.rows):
        which = f" of category {' or '.join(args.category)}" if args.category else ""
        raise BadInput(
            f"no other tag{which} has {args.min_frequency:,} posts or more: lower -f"
        )
    each = [space.near(query[[i]], *limits, args.each) for i in range(len(query)) if args.each]
    if args.json:
        print(cli.as_json(as_records(space, near, each)))
    else:
        print(as_text(space, near, each))
    if args.output:
        plot(space, near, args)


def number(kind: Callable[[str], float], default: int, said: str) -> dict[str, Any]:
    return {"type": kind, "default": default, "metavar": "N", "help": said}


def vectors(store: Store, factors: bool) -> Dictionary:
    if not factors:
        return Dictionary.open(store)
    from e6graph.embedding.als import load_tag_factors  # only --factors needs it

    if store.find("tags.parquet") is None:
        print("there is no tags.parquet: posts are estimated from ranks", file=sys.stderr)
    return load_tag_factors(store)


def plot(space: TagSpace, near: Near, args: argparse.Namespace) -> None:
    from e6graph.embedding.plot import draw_tags, save_plot, show_plot  # matplotlib is slow

    if args.output == "-":
        show_plot(space, near, args.dims)
    else:
        save_plot(draw_tags(space, near, args.dims), args.output)
        said = sys.stderr if args.json else sys.stdout  # so that the JSON can be piped on
        print(f"{args.output}  plot of {len(near.query) + len(near.rows)} tags", file=said)


def dims(text: str) -> tuple[int, int]:
    """Parse two different components, as 1,2."""
    found = tuple(int(cli.positive(part)) for part in text.split(","))
    if len(found) != 2 or found[0] == found[1]:
        raise argparse.ArgumentTypeError(f"{text}: expected two of them, as 1,2")
    return found


if __name__ == "__main__":
    sys.exit(cli.run(main))
