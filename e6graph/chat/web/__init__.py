"""The talk as a page in the browser."""

from argparse import Namespace

from ... import cli
from ...errors import needs
from .. import AddOption
from ..room import Room

HELP = "serve a page to the browser"


def add_options(add: AddOption) -> None:
    add(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on; other machines cannot reach the default",
    )
    add(
        "--port",
        type=cli.between(0, 65535),
        default=7860,
        metavar="N",
        help="port of the page; 0 takes a free one",
    )


def run(args: Namespace, room: Room) -> None:
    with needs("starlette uvicorn"):
        from . import server

    # A port that is taken should be said before the board is loaded, which
    # takes seconds.
    with (
        cli.ended_by_sigterm(),
        server.listen(args.host, args.port) as listening,
        room.sessions(server.PAGE_COMMANDS) as sessions,
    ):
        server.serve(sessions, listening, args.host)
