"""The talk on Telegram."""

import os
from argparse import Namespace

from ...errors import needs
from .. import AddOption
from ..room import Room

HELP = "answer on Telegram; the environment variable BOT_TOKEN holds the token"


def add_options(add: AddOption) -> None:
    add("--api-base", metavar="URL", help="address of a Bot API server of your own")


def run(args: Namespace, room: Room) -> None:
    with needs("python-telegram-bot"):
        from . import front

    token = front.check_token(os.environ.get("BOT_TOKEN"))
    with room.sessions(front.TELEGRAM_COMMANDS) as sessions:
        front.serve(sessions, token, args.api_base)
