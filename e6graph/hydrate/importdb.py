"""Import a CSV export: tags, aliases, implications, posts and pools, in E6DB's formats.

The first of two passes reads the export once and keeps each post's tags as
provisional ids. When all uses are counted the ids become ranks, and the
second pass splits direct from implied tags and writes the posts. Memory grows
by 4 bytes for a post-tag pair and by about 100 bytes for a post.
"""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from .. import cli
from ..errors import BadInput, BadTable
from ..store import Stage, Store
from ..tags.implications import Aliases, Implications, close_implications, resolve_aliases
from ..tags.never import fold, is_under, never_names
from .csvtables import find_table, read_batches
from .posts import parse_posts, save_posts

IMAGE_TYPES = ("jpg", "png", "webp")  # what E6DB keeps
IN_FORCE = ("active", "processing", "queued")  # what the site has approved

_EDGE_COLUMNS = {
    "antecedent_name": pa.string(),
    "consequent_name": pa.string(),
    "status": pa.string(),
}
_TAG_COLUMNS = {"name": pa.string(), "category": pa.uint8()}
_POOL_COLUMNS = {
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
    files: Mapping[str, Path] | None = None,
) -> dict[str, int]:
    """Import an export into an index, which is replaced as a whole or not at all.

    Parameters
    ----------
    directory : holds posts, tags, tag_aliases, tag_implications and pools, as
        `.csv` or `.csv.gz`, with a date in the name or without; pools may be
        absent.
    file_types : extensions to keep, None for all. E6DB's choice is `IMAGE_TYPES`.
    progress : draw bars, if standard error is a terminal.
    site : where the posts can be looked at, as `https://host`; "" for nowhere.
    files : table → the file to take, instead of the newest in the directory.

    Returns
    -------
    Numbers of what was kept and what was left out, by name.

    Raises
    ------
    BadInput : naming the file and the row or byte; a `BadTable` has the file's path.
    """
    paths = dict(files) if files else find_tables(Path(directory))
    counts: dict[str, int] = {}
    aliases, implications, never, waiting = _read_edges(paths, counts, progress)
    posts = parse_posts(paths["posts"], aliases, never, file_types, counts, progress)

    # A tag's id is its rank by use; equal ones go by name.
    used = np.bincount(posts.tags.indices, minlength=len(posts.names))
    ranked = np.flatnonzero(used >= 2).tolist()
    ranked.sort(key=lambda i: (-used[i], posts.names[i]))
    names = [posts.names[i] for i in ranked]
    tag_ids = {name: tag_id for tag_id, name in enumerate(names)}
    counts["tags kept"] = len(names)
    counts["tags used once, without an id"] = int((used == 1).sum())

    parameters = {
        "file_types": sorted(file_types) if file_types else None,
        "site": site,
        "never": sorted(never),
    }
    with store.stage("hydrate_data.py", parameters) as stage:
        categories = _read_categories(paths["tags"], names, progress)
        hidden = None if progress else True
        with tqdm(total=2, desc="writing tags", disable=hidden) as bar:
            _write_tags(stage, names, categories, used[ranked])
            bar.update()
            _write_edges(stage, tag_ids, aliases, implications, counts)
            _write_aliases(stage, aliases, waiting)
            bar.update()
        counts["posts kept"] = posts.table.num_rows
        counts["post-tag pairs"] = save_posts(
            stage.path("posts.parquet"), posts, tag_ids, implications, progress
        )
        post_ids = posts.table["id"].to_numpy()
        pools = _read_pools(paths.get("pools"), post_ids, counts, progress)
        pq.write_table(pools, stage.path("pools.parquet"))
    return counts


def find_tables(directory: Path) -> dict[str, Path]:
    """Return the file of each table of an export; pools may be absent.

    Raises
    ------
    BadInput : another table is not there.
    """
    names = ("posts", "tags", "tag_aliases", "tag_implications")
    paths = {name: find_table(directory, name) for name in names}
    with contextlib.suppress(BadInput):
        paths["pools"] = find_table(directory, "pools")
    return paths


def _read_edges(
    paths: Mapping[str, Path], counts: dict[str, int], progress: bool
) -> tuple[Aliases, Implications, set[str], list[tuple[str, str]]]:
    """Read the active aliases and implications of an export, its `never_names`, and the
    aliases in force beside the active ones.

    The never-shown rule goes by all pairs `IN_FORCE`. Those that were deleted or only
    proposed are nobody's word: they could as well hide the whole board.
    """
    pairs: dict[str, list[tuple[str, str]]] = {}
    in_force: dict[str, list[tuple[str, str]]] = {}
    for table in ("tag_aliases", "tag_implications"):
        pairs[table], in_force[table], inactive = [], [], 0
        path = paths[table]
        for batch in read_batches(path, _EDGE_COLUMNS, progress):
            active = batch.filter(pc.equal(batch["status"], "active"))
            inactive += len(batch) - len(active)
            pairs[table] += _pairs(active)
            approved = pc.is_in(batch["status"], pa.array(IN_FORCE))
            in_force[table] += _pairs(batch.filter(approved))
        counts[f"{table} not active, left out"] = inactive
    never = never_names(in_force["tag_aliases"], in_force["tag_implications"])

    # No alias may turn a name under the rule into one that is not.
    folded = {fold(name) for name in never}

    def harmless(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [
            (antecedent, name)
            for antecedent, name in pairs
            if is_under(name, folded) or not is_under(antecedent, folded)
        ]

    kept = harmless(pairs["tag_aliases"])
    if left_out := len(pairs["tag_aliases"]) - len(kept):
        counts["tag_aliases that would hide a name under the rule, left out"] = left_out
    aliases = resolve_aliases(kept)
    try:
        implications = close_implications(pairs["tag_implications"], aliases)
    except BadInput as error:
        raise BadTable(path, str(error)) from None
    counts["tag_aliases active"] = len(pairs["tag_aliases"])
    counts["alias chains followed"] = aliases.chains
    counts["names on an alias cycle, left as they are"] = aliases.cycles
    counts["tag_implications active"] = len(pairs["tag_implications"])
    counts["names on an implication cycle"] = implications.cycles
    active_pairs = set(pairs["tag_aliases"])
    waiting = [pair for pair in in_force["tag_aliases"] if pair not in active_pairs]
    return aliases, implications, never, harmless(waiting)


def _pairs(edges: pa.RecordBatch) -> Iterator[tuple[str, str]]:
    antecedents = edges["antecedent_name"].to_pylist()
    return zip(antecedents, edges["consequent_name"].to_pylist(), strict=True)


def _read_categories(path: Path, names: list[str], progress: bool) -> np.ndarray:
    """Return the category of each name, uint8; 0 if the export does not know it."""
    schema = pa.schema(list(_TAG_COLUMNS.items()))
    tags = pa.Table.from_batches(read_batches(path, _TAG_COLUMNS, progress), schema)
    rows = pc.index_in(pa.array(names, pa.string()), tags["name"].combine_chunks())
    return pc.fill_null(tags["category"].combine_chunks().take(rows), 0).to_numpy()


def _write_tags(
    stage: Stage, names: list[str], categories: np.ndarray, used: np.ndarray
) -> None:
    _write_gz(stage.path("tags.txt.gz"), "\n".join(names).encode())
    _write_gz(stage.path("tags_categories.bin.gz"), categories.tobytes())
    columns = {"tag": names, "category": categories, "freq": used.astype(np.int32)}
    pq.write_table(pa.table(columns), stage.path("tags.parquet"))


def _write_edges(
    stage: Stage,
    tag_ids: Mapping[str, int],
    aliases: Aliases,
    implications: Implications,
    counts: dict[str, int],
) -> None:
    """Write `tag2idx`, and the implications of names with and without an id."""
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
        text = json.dumps(value, ensure_ascii=False)
        _write_gz(stage.path(artifact), text.encode())
    columns = {"tag": list(idx), "idx": np.fromiter(idx.values(), np.int32, len(idx))}
    pq.write_table(pa.table(columns), stage.path("tag2idx.parquet"))
    counts["names and aliases with an id"] = len(idx)
    counts["antecedents with an id"] = len(known)
    counts["antecedents without an id"] = len(rejected)


def _write_aliases(stage: Stage, aliases: Aliases, waiting: list[tuple[str, str]]) -> None:
    """Write every alias for filters, which `tag2idx` gives for tags with an id alone.

    The site applies one that waits to a list of filters when the list is saved, while
    posts may still hold its antecedent.
    """
    target = {name: aliases(other) for name, other in waiting if name != other}
    target |= aliases.target
    columns = {"antecedent": list(target), "name": list(target.values())}
    schema = pa.schema([("antecedent", pa.string()), ("name", pa.string())])
    pq.write_table(pa.table(columns, schema), stage.path("aliases.parquet"))


def _read_pools(
    source: Path | None, post_ids: np.ndarray, counts: dict[str, int], progress: bool
) -> pa.Table:
    """Read the pools that hold a kept post; their members stay in the pool's order."""
    schema = pa.schema(_POOL_COLUMNS | {"post_ids": pa.list_(pa.int64())})
    tables = [schema.empty_table()]
    read = members = kept_members = 0
    if source is None:
        counts["pools (no such table)"] = 0
    else:
        for batch in read_batches(source, _POOL_COLUMNS, progress):
            pool, ids = _pool_members(source, batch)
            kept = np.isin(ids, post_ids)
            lengths = np.bincount(pool[kept], minlength=len(batch))
            offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
            lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids[kept]))
            pools = pa.Table.from_arrays([*batch.columns[:3], lists], schema=schema)
            tables.append(pools.filter(pa.array(lengths > 0)))
            read += len(batch)
            members += len(ids)
            kept_members += int(kept.sum())
    pools = pa.concat_tables(tables)
    counts["pools kept"] = len(pools)
    counts["pools without a kept post, left out"] = read - len(pools)
    counts["pool members kept"] = kept_members
    counts["pool members that are no kept post, left out"] = members - kept_members
    return pools


def _pool_members(source: Path, batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
    """Parse lists such as {1,2} into the row and the post id of each member, int64."""
    words = pc.split_pattern(pc.utf8_trim(batch["post_ids"], "{} "), ",")
    flat = words.flatten()
    given = pc.not_equal(flat, "")  # an empty pool splits into one empty word
    pool = np.repeat(np.arange(len(words)), np.diff(words.offsets.to_numpy()))
    pool = pool[given.to_numpy(zero_copy_only=False)]
    flat = flat.filter(given)
    bad = pc.invert(pc.match_substring_regex(flat, r"^\s*\d{1,18}\s*$"))
    if pc.any(bad).as_py():
        first = pc.index(bad, True).as_py()
        raise BadTable(
            source,
            f"pool {batch['id'][pool[first]]}: post_ids has "
            f"{flat[first].as_py()[:40]!r}, expected numbers as {{1,2}}: "
            "mend or remove the row",
        )
    return pool, pc.cast(pc.utf8_trim_whitespace(flat), pa.int64()).to_numpy()


def _write_gz(path: Path, data: bytes) -> None:
    path.write_bytes(gzip.compress(data, mtime=0))


def main(argv: Sequence[str] | None = None) -> None:
    """Run `python -m e6graph.importdb`."""
    parser = cli.parser("Import an export's CSV files into an index, as E6DB writes it.")
    parser.add_argument(
        "directory", help="the directory that holds posts.csv.gz and the others"
    )
    parser.add_argument("out", nargs="?", help="the index directory, instead of --index")
    parser.add_argument(
        "--all-files", action="store_true", help="keep all posts, not only jpg, png and webp"
    )
    args = parser.parse_args(argv)
    types = None if args.all_files else IMAGE_TYPES
    counts = import_export(args.directory, Store(args.out or args.index), types)
    print(cli.table(counts.items()))
