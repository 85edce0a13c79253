"""CSV export → tags, aliases, implications, posts and pools, in E6DB's formats.

Two passes over arrays: the first reads the export once and keeps each post's tags as provisional
ids; when all is counted the ids become ranks, and the second splits direct from implied tags and
writes the posts. Memory grows by 4 bytes a post-tag pair and about 100 bytes a post.

    python -m e6graph.importdb DIR [OUT]
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .. import cli
from ..errors import BadInput
from ..store import Stage, Store
from ..tags.implications import Aliases, Implications, close_implications, resolve_aliases
from ..tags.never import never_names
from .csvtables import find_table, read_batches
from .posts import offsets, read_posts, write_posts

IMAGE_TYPES = ("jpg", "png", "webp")  # what E6DB keeps
_EDGES = {"antecedent_name": pa.string(), "consequent_name": pa.string(), "status": pa.string()}
_TAGS = {"name": pa.string(), "category": pa.uint8()}
_POOLS = {
    "id": pa.int64(),
    "name": pa.string(),
    "category": pa.string(),
    "post_ids": pa.string(),
}


def import_export(
    directory: str | Path,
    store: Store,
    file_types: Collection[str] | None = None,
    progress: bool = True,
    site: str = "",
) -> dict[str, int]:
    """Import the export in `directory` into `store`; everything is replaced at once or not at all.

    Parameters
    ----------
    directory : holds posts, tags, tag_aliases, tag_implications and pools (`.csv`, `.csv.gz`;
        dated or not; pools may be absent).
    file_types : extensions to keep, None for all. E6DB's choice is `IMAGE_TYPES`.

    site : where the posts can be looked at, as `https://host`; "" for nowhere.

    Returns
    -------
    Counts of what was kept and what was left out, by name.

    Raises
    ------
    BadInput : naming the file and the row or byte.
    """
    directory = Path(directory)
    paths = {name: find_table(directory, name) for name in ("posts", "tags")}
    counts: dict[str, int] = {}
    aliases, implications = _read_edges(directory, counts)
    posts = read_posts(paths["posts"], aliases, implications, file_types, counts, progress)
    used = np.bincount(posts.tags.indices, minlength=len(posts.names))
    kept = [i for i in range(len(posts.names)) if used[i] >= 2]
    kept.sort(key=lambda i: (-used[i], posts.names[i]))
    names = [posts.names[i] for i in kept]
    tag_ids = {name: tag_id for tag_id, name in enumerate(names)}
    counts["tags kept"] = len(names)
    counts["tags used once, without an id"] = int((used == 1).sum())

    parameters = {"file_types": sorted(file_types) if file_types else None, "site": site}
    parameters["never"] = sorted(never_names(aliases, implications))
    with store.stage("hydrate_data.py", parameters) as stage:
        categories = _categories(paths["tags"], names)
        _write_tags(stage, names, categories, used[kept])
        _write_edges(stage, tag_ids, aliases, implications, counts)
        counts["posts kept"] = posts.table.num_rows
        counts["post-tag pairs"] = write_posts(
            stage.path("posts.parquet"), posts, tag_ids, implications, progress
        )
        _write_pools(stage.path("pools.parquet"), directory, posts.table["id"], counts)
    return counts


def _read_edges(directory: Path, counts: dict[str, int]) -> tuple[Aliases, Implications]:
    """Active aliases and implications of an export."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    for table in ("tag_aliases", "tag_implications"):
        pairs[table], inactive = [], 0
        for batch in read_batches(find_table(directory, table), _EDGES):
            active = batch.filter(pc.equal(batch["status"], "active"))
            inactive += len(batch) - len(active)
            sides = (
                active["antecedent_name"].to_pylist(),
                active["consequent_name"].to_pylist(),
            )
            pairs[table] += zip(*sides, strict=True)
        counts[f"{table} not active, left out"] = inactive
    aliases = resolve_aliases(pairs["tag_aliases"])
    try:
        implications = close_implications(pairs["tag_implications"], aliases)
    except BadInput as error:
        raise BadInput(f"{find_table(directory, 'tag_implications')}: {error}") from None
    counts["tag_aliases active"] = len(pairs["tag_aliases"])
    counts["alias chains followed"] = aliases.chains
    counts["names on an alias cycle, left as they are"] = aliases.cycles
    counts["tag_implications active"] = len(pairs["tag_implications"])
    counts["names on an implication cycle"] = implications.cycles
    return aliases, implications


def _categories(path: Path, names: list[str]) -> np.ndarray:
    """The category of each name (uint8); 0 where the export's tags lack it."""
    tables = list(read_batches(path, _TAGS))
    if not sum(map(len, tables)):
        return np.zeros(len(names), np.uint8)
    tags = pa.Table.from_batches(tables)
    at = pc.index_in(pa.array(names, pa.string()), tags["name"].combine_chunks())
    return pc.fill_null(tags["category"].combine_chunks().take(at), 0).to_numpy()


def _write_tags(
    stage: Stage, names: list[str], categories: np.ndarray, used: np.ndarray
) -> None:
    _write_gz(stage.path("tags.txt.gz"), "\n".join(names).encode())
    _write_gz(stage.path("tags_categories.bin.gz"), categories.astype(np.uint8).tobytes())
    columns = {
        "tag": names,
        "category": categories.astype(np.uint8),
        "freq": used.astype(np.int32),
    }
    pq.write_table(pa.table(columns), stage.path("tags.parquet"))


def _write_edges(
    stage: Stage,
    tag_ids: Mapping[str, int],
    aliases: Aliases,
    implications: Implications,
    counts: dict[str, int],
) -> None:
    """`tag2idx`, and the implications of names with an id and of names without."""
    idx = dict(tag_ids)
    for antecedent, name in aliases.target.items():
        if name in tag_ids:
            idx.setdefault(antecedent, tag_ids[name])
    known: dict[int, list[int]] = {}
    rejected: dict[str, list[int]] = {}
    for name, implied in implications.closure.items():
        ids = sorted(tag_ids[other] for other in implied if other in tag_ids)
        if name in tag_ids:
            known[tag_ids[name]] = ids
        elif ids:
            rejected[name] = ids
    for artifact, value in (
        ("tag2idx.json.gz", idx),
        ("implications.json.gz", known),
        ("implications_rej.json.gz", rejected),
    ):
        _write_gz(stage.path(artifact), json.dumps(value, ensure_ascii=False).encode())
    columns = {"tag": list(idx), "idx": np.fromiter(idx.values(), np.int32, len(idx))}
    pq.write_table(pa.table(columns), stage.path("tag2idx.parquet"))
    counts |= {"names and aliases with an id": len(idx), "antecedents with an id": len(known)}
    counts["antecedents without an id"] = len(rejected)


def _write_pools(
    path: Path, directory: Path, ids: pa.ChunkedArray, counts: dict[str, int]
) -> None:
    """Pools with at least one post that is kept; members in the pool's own order."""
    try:
        source = find_table(directory, "pools")
    except BadInput:
        counts["pools (no such table)"] = 0
        batches = []
    else:
        batches = read_batches(source, _POOLS)
    kept, read, members, named = [], 0, 0, 0
    for batch in batches:
        text = pc.utf8_trim(batch["post_ids"], "{} ")
        words = pc.split_pattern(text, ",")
        flat = words.flatten()
        given = pc.not_equal(flat, "")  # an empty pool splits into one empty word
        pool = np.repeat(np.arange(len(words)), np.diff(words.offsets.to_numpy()))
        pool = pool[given.to_numpy(zero_copy_only=False)]
        flat = flat.filter(given)
        bad = pc.invert(pc.match_substring_regex(flat, r"^\s*\d{1,18}\s*$"))
        if pc.any(bad).as_py():
            at = pc.index(bad, True).as_py()
            wrong = f"post_ids has {flat[at].as_py()[:40]!r}, expected numbers as {{1,2}}"
            where = f"{source}: pool {batch['id'][pool[at]]}"
            raise BadInput(f"{where}: {wrong}: mend or remove the row")
        flat = pc.cast(pc.utf8_trim_whitespace(flat), pa.int64()).to_numpy()
        there = np.isin(flat, ids.to_numpy())
        lengths = np.bincount(pool[there], minlength=len(words))
        lists = pa.ListArray.from_arrays(offsets(lengths), pa.array(flat[there]))
        pools = pa.Table.from_batches([batch]).set_column(3, "post_ids", lists)
        kept.append(pools.filter(pa.array(lengths > 0)))
        read, members, named = read + len(batch), members + int(there.sum()), named + len(flat)
    none = pa.schema([*list(pa.schema(_POOLS))[:3], ("post_ids", pa.list_(pa.int64()))])
    pools = pa.concat_tables([none.empty_table(), *kept])
    pq.write_table(pools, path)
    counts["pools kept"] = len(pools)
    counts["pools without a kept post, left out"] = read - len(pools)
    counts["pool members kept"] = members
    counts["pool members that are no kept post, left out"] = named - members


def _write_gz(path: Path, data: bytes) -> None:
    path.write_bytes(gzip.compress(data, mtime=0))


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser("Import an export's CSV files into an index, in E6DB's formats.")
    parser.add_argument(
        "directory", help="the export: posts, tags, tag_aliases, tag_implications"
    )
    parser.add_argument("out", nargs="?", help="the same as --index")
    parser.add_argument("--all-files", action="store_true", help="keep every file type")
    args = parser.parse_args(argv)
    types = None if args.all_files else IMAGE_TYPES
    print(
        cli.table(import_export(args.directory, Store(args.out or args.index), types).items())
    )
