"""Bring the board's export here and import it.

Downloads posts, tags, tag_aliases, tag_implications and pools to db_export/ (or takes them --from a
directory, or draws a --demo board); writes index/{tags*, tag2idx*, implications*, posts.parquet,
pools.parquet}. The site wants to know who asks: set E6GRAPH_CONTACT or give --user-agent.
"""

import sys
from pathlib import Path

from e6graph import cli
from e6graph.errors import BadInput
from e6graph.hydrate.importdb import import_export
from e6graph.store import Store

SITE, DEMO_POSTS = "https://e621.net", 2000


def main(argv=None):
    parser = cli.parser(__doc__)
    add = parser.add_argument
    origin = parser.add_mutually_exclusive_group()
    origin.add_argument("--source", default=SITE, help="the site to download from")
    origin.add_argument(
        "--from", dest="directory", metavar="DIR", help="import the files in DIR"
    )
    origin.add_argument(
        "--demo",
        nargs="?",
        type=cli.positive,
        const=DEMO_POSTS,
        metavar="N",
        help="draw a board of N posts with pictures in --demo-dir",
    )
    add("--exports", default="db_export", metavar="DIR", help="where downloads are kept")
    add("--demo-dir", default="demo", metavar="DIR", help="where the demo board is drawn")
    add("--user-agent", help="program, version and a contact; unset: made from E6GRAPH_CONTACT")
    add("--force", action="store_true", help="download what is current as well")
    add(
        "--file-types", nargs="+", metavar="EXT", help="keep these only, as jpg png; unset: all"
    )
    add("--site", help="where posts are looked at; unset: --source if downloaded")
    add("--seed", type=cli.natural, default=0, help="of the demo board")
    args = parser.parse_args(argv)
    report, store = cli.Report(), Store(args.index)

    site = args.site or ""
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
        from e6graph.hydrate.exports import fetch_exports

        directory = Path(args.exports)
        fetch_exports(args.source, directory, user_agent=args.user_agent, force=args.force)
        site = args.site or args.source
    counts = import_export(directory, store, args.file_types, site=site.rstrip("/"))
    print(cli.table(((count, what) for what, count in counts.items()), ("count", "of")))
    report.wrote(store.path("tags.parquet"), f"{counts['tags kept']:,} tags")
    report.wrote(store.path("posts.parquet"), f"{counts['posts kept']:,} posts")
    report.wrote(store.path("pools.parquet"), f"{counts['pools kept']:,} pools")


if __name__ == "__main__":
    sys.exit(cli.run(main))
