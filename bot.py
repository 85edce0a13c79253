"""A talk with the recommender, in the terminal or from a pipe.

Reads index/ and previews/; keeps what you enjoy, avoid, like and saw in profiles.sqlite, until you
tell it to /forget. /help lists the commands.

    python bot.py
    printf '/enjoy fox night\\n/walk\\n/quit\\n' | python bot.py --sheet shown.png
"""

import io
import sys
from pathlib import Path

from e6graph import cli
from e6graph.chat.contact_sheet import contact_sheet
from e6graph.chat.conversation import Conversation
from e6graph.chat.terminal import talk
from e6graph.errors import E6GraphError
from e6graph.profiles import Profiles
from e6graph.recommend import PostGraph
from e6graph.store import write_atomic


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
    add("--blacklist", default="default", metavar="FILE", help="filters: default, none or a file")
    add("--profiles", default="profiles.sqlite", metavar="FILE", help="what is kept of users")
    add("--previews", default="previews", metavar="DIR", help="previews, for --sheet")
    add("--user", default="terminal", help="whose profile to use")
    add("--sheet", default=None, metavar="PNG", help="write a contact sheet of the posts shown")
    args = parser.parse_args(argv)

    blacklist = {"default": "default", "none": None}.get(args.blacklist, Path(args.blacklist))
    graph = PostGraph.open(index=args.index, ratings=args.ratings, blacklist=blacklist)
    with Profiles(args.profiles) as profiles:
        shown = talk(Conversation(graph, profiles, args.user, args.previews))
    if args.sheet and shown:
        write_sheet(args.sheet, shown)
        print(args.sheet)
    elif args.sheet:
        print(f"no post was shown, so {args.sheet} was not written")


if __name__ == "__main__":
    sys.exit(cli.run(main))
