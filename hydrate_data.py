"""Bring the board's export here and import it into the index.

Downloads posts, tags, tag_aliases, tag_implications and pools to db_export/, or takes them
--from a directory, or draws a --demo board. Writes tags*, tag2idx*, implications*, posts.parquet
and pools.parquet to the index. The site wants to know who asks: set E6GRAPH_CONTACT or give
--user-agent.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from e6graph import cli
from e6graph.errors import BadInput, BadTable
from e6graph.hydrate.exports import EXPORT_NAMES, fetch_exports, reject_export
from e6graph.hydrate.importdb import import_export
from e6graph.store import Store

SITE = "https://e621.net"
DEMO_POSTS = 2000


def make_parser() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__)
    add = parser.add_argument
    origin = parser.add_mutually_exclusive_group()
    origin.add_argument(
        "--source", default=SITE, metavar="URL", help="the site to download the export from"
    )
    origin.add_argument(
        "--from",
        dest="directory",
        metavar="DIR",
        help="import the export in DIR; without it, the export is downloaded",
    )
    origin.add_argument(
        "--demo",
        nargs="?",
        type=cli.positive,
        const=DEMO_POSTS,
        metavar="N",
        help=f"draw a board of N posts with pictures ({DEMO_POSTS:,} if N is left out) and "
        "import it; without it, no board is drawn",
    )
    add("--exports", default="db_export", metavar="DIR", help="the directory for downloads")
    add("--demo-dir", default="demo", metavar="DIR", help="the directory for the demo board")
    add(
        "--user-agent",
        metavar="TEXT",
        help="program, version and contact to send to the site; without it, they are made "
        "from E6GRAPH_CONTACT",
    )
    add("--force", action="store_true", help="download files that are up to date as well")
    add(
        "--file-types",
        nargs="+",
        metavar="EXT",
        help="keep only posts of these types, as in: jpg png; without it, all are kept",
    )
    add(
        "--site",
        metavar="URL",
        help="the site where posts can be looked at; without it, that is the --source of a "
        "download, and none of other boards",
    )
    add("--seed", type=cli.natural, default=0, metavar="N", help="seed of the demo board")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    args = make_parser().parse_args(argv)
    report, store = cli.Report(), Store(args.index)
    site, files = args.site or "", None
    if args.demo:
        from e6graph.demo import make_board

        directory = Path(args.demo_dir)
        make_board(directory, args.demo, args.seed)
        print(f"{directory}  {args.demo:,} posts drawn")
    elif args.directory is not None:
        directory = Path(args.directory)
        if not args.directory or not directory.is_dir():
            raise BadInput(
                f"{args.directory!r} is no directory: give the one that holds posts.csv.gz"
            )
    else:
        directory = Path(args.exports)
        print(f"{directory}  being brought up to date from {args.source}", flush=True)
        paths = fetch_exports(args.source, directory, EXPORT_NAMES, args.user_agent, args.force)
        files = dict(zip(EXPORT_NAMES, paths, strict=True))
        site = args.site or args.source

    site = site.rstrip("/")
    try:
        counts = import_export(directory, store, args.file_types, site=site, files=files)
    except BadTable as error:
        if files and reject_export(error.path):
            raise BadInput(f"{error}; the next run downloads this file again") from None
        raise
    print(cli.table(((count, name) for name, count in counts.items()), ("count", "of")))
    for artifact in ("tags", "posts", "pools"):
        shape = f"{counts[f'{artifact} kept']:,} {artifact}"
        report.wrote(store.path(f"{artifact}.parquet"), shape)


if __name__ == "__main__":
    sys.exit(cli.run(main))
