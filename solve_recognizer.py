"""Learn what tags look like, to name a picture's tags and find posts like it.

Reads index/posts.parquet, index/dictionary.npz and previews in the site's path scheme
({previews}/data/preview/ab/cd/MD5.jpg), and fetches those that are missing; writes
index/recognizer.npz. After an interrupt, run it again: it continues where it was.
"""

import sys
from argparse import Namespace
from pathlib import Path

from e6graph import cli
from e6graph.errors import BadInput
from e6graph.hydrate.previews import fetch_previews, static_host
from e6graph.pictures.encoder import add_encoder_options, encoder_of
from e6graph.pictures.examples import Candidates, read_examples
from e6graph.pictures.judging import judge_recognizer
from e6graph.pictures.look_alike import SeenPictures
from e6graph.pictures.recognizer import train
from e6graph.store import Store
from e6graph.store.progress import ticking


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("--previews", default="previews", metavar="DIR", help="the cache of previews")
    add("--sample", type=cli.positive, default=20000, help="learn from this many posts at most")
    add("--ratings", default="s", help="ratings to learn from: some of the letters s, q, e")
    add("--no-fetch", action="store_true", help="use only the previews that are there")
    add("--static-url", help="host of the previews; without it, static1.SITE")
    add("--user-agent", help="program, version and contact; without it, from E6GRAPH_CONTACT")
    seconds, minutes = cli.between(0, 3600, float), cli.between(0, 1e6, float)
    add("--delay", type=seconds, default=1.0, help="seconds between two requests")
    add("--limit-minutes", type=minutes, help="stop fetching then, and learn from what came")
    add_encoder_options(parser.add_argument_group("an encoder of your own").add_argument)
    add("--no-judge", action="store_true", help="skip the figures, which take another training")
    add(
        "--seed", type=cli.natural, default=0, help="seed of the sample and of what is held out"
    )
    args = parser.parse_args(argv)
    encoder = encoder_of(args)
    report, store = cli.Report(), Store(args.index)

    with ticking("choosing posts"):
        candidates = Candidates.of(store, args.ratings, args.seed)
        store.check("dictionary.npz")  # before hours of fetching
        wanted = candidates.take(slice(args.sample))
        here = wanted.with_previews(args.previews)
        if args.no_fetch:
            here = candidates.with_previews(args.previews, args.sample)
    if len(here) < len(wanted) and not args.no_fetch:
        here = fetch(args, store, wanted, here)
    if not len(here):
        there = "" if Path(args.previews).is_dir() else " (no such directory)"
        raise BadInput(
            f"{args.previews}{there} has no preview of any of the {len(candidates):,} posts "
            f"rated {args.ratings}: give --previews the directory that holds data/preview"
        )
    examples, broken = read_examples(store, here, args.previews, encoder)
    print(f"{len(examples.rows):,} pictures of {len(wanted):,} posts, {len(broken):,} broken")
    if not args.no_judge:
        rows, tags = judge_recognizer(examples, args.seed)
        print(f"On pictures held out with their families (mAP over {tags} tags):")
        print(cli.table(rows, ("predictor", "p@5", "mAP")))
    recognizer = train(examples, args.seed)
    with ticking("looking for look-alikes"):
        seen = SeenPictures.of(examples, args.seed)
    parameters = {name: getattr(args, name) for name in ("sample", "ratings", "seed")}
    inputs = ["posts.parquet", "dictionary.npz"]
    with store.stage("solve_recognizer.py", parameters, inputs) as stage:
        recognizer.save(stage, seen)
    landmarks, tags = recognizer.weights.shape[1:]
    made = f"{landmarks} × {tags} tags, {recognizer.mean.size} dimensions"
    report.wrote(store.path("recognizer.npz"), made)


def fetch(args: Namespace, store: Store, wanted: Candidates, here: Candidates) -> Candidates:
    """Fetch what is missing; without a site, or a contact, make do with what is `here`."""
    site = store.sidecar("posts.parquet").get("parameters", {}).get("site", "")
    static_url = args.static_url or static_host(site)
    missing = f"{len(wanted) - len(here):,} of {len(wanted):,} previews are missing"
    if not static_url:
        print(f"{missing}; this board has no site to fetch them from (see --static-url)")
        return here
    try:
        counts = fetch_previews(
            wanted.md5s,
            args.previews,
            static_url,
            args.user_agent,
            delay=args.delay,
            minutes=args.limit_minutes,
        )
    except BadInput as error:
        if args.user_agent or args.static_url or not len(here):
            raise BadInput(f"{missing}: {error}, or --no-fetch") from None
        print(f"{missing}, and are not fetched: {error}")
        return here
    print(
        f"previews: {counts.fetched:,} fetched, {counts.had:,} there, "
        f"{counts.missing:,} the site has not, {counts.failed:,} failed"
    )
    return wanted.with_previews(args.previews)


if __name__ == "__main__":
    sys.exit(cli.run(main))
