"""Talk with the recommender: in the terminal, from a pipe, in a browser or on Telegram.

Reads index/ and previews/. Keeps what each user enjoys, avoids, likes and saw in profiles.sqlite,
until they tell it to /forget. /help lists the commands.

    python bot.py
    python bot.py --favorites NAME
    printf '/enjoy fox night\\n/walk\\n/quit\\n' | python bot.py --sheet shown.png
    python bot.py --web
    BOT_TOKEN=... python bot.py --telegram
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from e6graph import cli
from e6graph.chat import Front, check_options, name_of, telegram, terminal, web
from e6graph.chat.room import Room

FRONTS: tuple[Front, ...] = (terminal, web, telegram)  # the first is the default
PREVIEWS = Path("previews")


def make_parser() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__ or "")
    add = parser.add_argument
    add("--ratings", default="s", help="ratings to show: s, or s with q and e, as sq or sqe")
    add(
        "--blacklist",
        default="default",
        metavar="FILE",
        help="filters that hide posts: a file, none, or default for the site's own",
    )
    add(
        "--previews",
        type=Path,
        default=PREVIEWS,
        metavar="DIR",
        help="thumbnails of the posts; without it, posts are shown as text",
    )
    add(
        "--fetch-previews",
        action="store_true",
        help="fetch thumbnails from the site when they are shown and missing",
    )
    add(
        "--static-url",
        metavar="URL",
        help="the site's host for thumbnails; without it, static1.SITE",
    )
    add(
        "--user-agent",
        metavar="TEXT",
        help="program, version and contact, told to the site; without it, made from "
        "E6GRAPH_CONTACT",
    )
    add(
        "--profiles",
        default="profiles.sqlite",
        metavar="FILE",
        help="keeps what is known about users",
    )
    add(
        "--allow-favorites",
        action="store_true",
        help="let users of the page and of Telegram fetch favorites from the site by name",
    )
    add("--max-users", type=cli.positive, metavar="N", help="keep no more users than this")
    add(
        "--keep-days",
        type=cli.positive,
        metavar="N",
        help="forget users who were away for longer than this",
    )

    # Each front end has an option that chooses it, --FOLDER, and a group of its own options.
    parser.set_defaults(front=FRONTS[0])
    choice = parser.add_mutually_exclusive_group()
    for front in FRONTS:
        name = name_of(front)
        choice.add_argument(
            f"--{name}",
            dest="front",
            action="store_const",
            const=front,
            default=argparse.SUPPRESS,
            help=front.HELP,
        )
        front.add_options(parser.add_argument_group(f"with --{name}").add_argument)
    return parser


def main(argv: list[str] | None = None) -> None:
    args = make_parser().parse_args(argv)
    check_options(args, FRONTS)
    if args.previews is not PREVIEWS and not (args.fetch_previews or args.previews.is_dir()):
        missing = f"{args.previews} is not a directory"
        print(f"No thumbnails will be shown: {missing}.", file=sys.stderr)
    known = {"default": "default", "none": None}
    args.blacklist = known.get(args.blacklist, Path(args.blacklist))
    settings = {field.name: getattr(args, field.name) for field in fields(Room)}
    args.front.run(args, Room(**settings))


if __name__ == "__main__":
    sys.exit(cli.run(main))
