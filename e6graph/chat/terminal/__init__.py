"""The talk in a terminal or a pipe."""

from argparse import Namespace

from ...cli import ended_by_sigterm
from .. import AddOption
from ..room import Room

HELP = "talk in this terminal, or read messages from a pipe; the default"

THUMBNAILS = ("auto", "kitty", "iterm", "sixel", "blocks", "none")


def add_options(add: AddOption) -> None:
    add("--user", default="terminal", metavar="NAME", help="whose profile to use")
    add(
        "--favorites",
        metavar="NAME_OR_FILE",
        help="first take in the favorites that NAME shows on the site, or those in a file",
    )
    add(
        "--thumbnails",
        default="auto",
        choices=THUMBNAILS,
        help="how the terminal draws thumbnails; auto finds out",
    )
    add("--sheet", metavar="PNG", help="write a picture of the posts shown, with the reasons")


def run(args: Namespace, room: Room) -> None:
    from .contact_sheet import write_sheet
    from .talk import talk

    # While a key is read the terminal is not as usual, until an exception puts it right.
    with ended_by_sigterm(), room.conversation(args.user, args.favorites) as conversation:
        shown = talk(conversation, thumbnails=args.thumbnails)
    if args.sheet and shown:
        write_sheet(args.sheet, shown)
        print(args.sheet)
    elif args.sheet:
        print(f"no post was shown, so {args.sheet} was not written")
