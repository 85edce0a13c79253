"""A talk with the recommender: in the terminal, from a pipe, in a browser or on Telegram.

Reads index/ and previews/; keeps what each user enjoys, avoids, likes and saw in profiles.sqlite,
until they tell it to /forget. /help lists the commands.

    python bot.py
    printf '/enjoy fox night\\n/walk\\n/quit\\n' | python bot.py --sheet shown.png
    python bot.py --web
    BOT_TOKEN=... python bot.py --telegram
"""

import io
import os
import sys
from contextlib import closing, nullcontext
from pathlib import Path

from e6graph import cli
from e6graph.chat.conversation import Conversation
from e6graph.chat.fetch_previews import Fetcher
from e6graph.chat.profiles import Profiles
from e6graph.chat.reload import Watch, give_back_memory
from e6graph.chat.sessions import Sessions
from e6graph.chat.terminal.contact_sheet import contact_sheet
from e6graph.chat.terminal.talk import talk
from e6graph.errors import E6GraphError, needs
from e6graph.hydrate.previews import static_host
from e6graph.recommend.postgraph import PostGraph
from e6graph.store.files import write_atomic


def write_sheet(path, shown):
    """The posts shown in the talk as one PNG."""
    latest = {reply.post.post_id: reply for reply in shown}
    pictures = [reply.picture for reply in latest.values()]
    captions = [f"#{post_id}\n{reply.why}" for post_id, reply in latest.items()]
    png = io.BytesIO()
    contact_sheet(pictures, captions).save(png, "PNG")
    try:
        write_atomic(path, png.getvalue())
    except OSError as error:
        raise E6GraphError(f"cannot write {path}: {error.strerror}") from None


def main(argv=None):
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("--ratings", default="s", help="ratings to show: s, or s with q and e, as sq or sqe")
    add(
        "--blacklist",
        default="default",
        metavar="FILE",
        help="filters: default, none or a file",
    )
    add("--previews", default="previews", metavar="DIR", help="thumbnails of the posts")
    add(
        "--fetch-previews",
        action="store_true",
        help="fetch thumbnails that are shown and missing",
    )
    add("--static-url", help="host of the previews; unset: static1. before that of the board")
    add("--user-agent", help="program, version and a contact; unset: made from E6GRAPH_CONTACT")
    add("--profiles", default="profiles.sqlite", metavar="FILE", help="what is kept of users")
    add("--max-users", type=cli.positive, metavar="N", help="keep no more users than this")
    add("--keep-days", type=cli.positive, metavar="N", help="forget who was away for longer")
    add("--user", default="terminal", help="whose profile to use, in the terminal")
    add("--sheet", default=None, metavar="PNG", help="write a contact sheet of the posts shown")
    front = parser.add_mutually_exclusive_group()
    front.add_argument("--web", action="store_true", help="serve a page to the browser")
    front.add_argument(
        "--telegram", action="store_true", help="serve Telegram; needs BOT_TOKEN"
    )
    add(
        "--host",
        default="127.0.0.1",
        help="where --web listens; others can reach only what is not a loopback address",
    )
    add("--port", type=cli.between(0, 65535), default=7860, help="of --web")
    add("--api-base", metavar="URL", help="a Bot API server of your own, for --telegram")
    args = parser.parse_args(argv)

    blacklist = {"default": "default", "none": None}.get(args.blacklist, Path(args.blacklist))

    if args.web:
        with needs("starlette uvicorn"):
            from e6graph.chat.web import server as front_end
    elif args.telegram:
        with needs("python-telegram-bot"):
            from e6graph.chat.telegram import front as front_end

    def opened():
        graph = PostGraph.open(index=args.index, ratings=args.ratings, blacklist=blacklist)
        if args.web or args.telegram:
            graph.warm()
        return graph

    give_back_memory()
    watch, fetcher = Watch(args.index), nullcontext()
    graph = opened()
    if args.fetch_previews:
        site = args.static_url or static_host(graph.posts.site)
        fetcher = closing(Fetcher(args.previews, site, args.user_agent))
    with (
        Profiles(args.profiles, args.max_users, args.keep_days) as profiles,
        fetcher as fetching,
    ):
        fetch = fetching and fetching.want
        if args.web or args.telegram:
            sessions = Sessions(
                graph, profiles, args.previews, commands=front_end.TOLD, fetch=fetch
            )
            del graph  # it goes when the sessions have a newer one
            watch.start(opened, sessions.renew)
            if args.web:
                front_end.serve(sessions, args.host, args.port)
            else:
                front_end.serve(sessions, os.environ.get("BOT_TOKEN"), args.api_base)
            return
        shown = talk(Conversation(graph, profiles, args.user, args.previews), fetch=fetch)
    if args.sheet and shown:
        write_sheet(args.sheet, shown)
        print(args.sheet)
    elif args.sheet:
        print(f"no post was shown, so {args.sheet} was not written")


if __name__ == "__main__":
    sys.exit(cli.run(main))
