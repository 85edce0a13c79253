"""The site's database exports: list, download, keep current.

Since June 2026 the site lists them in `/db_exports.json`; before, and on mirrors, a page at
`/db_export/` links dated files such as `posts-2026-01-31.csv.gz`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from ..errors import BadInput, DownloadError
from ..store.files import sha256_file, write_atomic
from .client import Client, Page, make_user_agent
from .download import Mismatch, check_disk, download, part_path

NAMES = ("posts", "tags", "tag_aliases", "tag_implications", "pools")
STATE = "exports.json"
PAGE_LIMIT = 8 << 20
_DATED = re.compile(r"([a-z_]+)(?:-(\d{4}-\d{2}-\d{2}))?(?:\.csv(?:\.gz)?)?", re.ASCII)


@dataclass(frozen=True)
class Export:
    """One file as the site lists it. `size` in bytes; `sha256` lower-case hex; None: not told."""

    name: str
    file_name: str
    url: str
    size: int | None = None
    sha256: str | None = None
    updated_at: str | None = None


def fetch_exports(
    source: str,
    into: str | Path,
    names: Sequence[str] = NAMES,
    user_agent: str | None = None,
    force: bool = False,
    progress: bool = True,
    client: Client | None = None,
) -> list[Path]:
    """Bring the exports in `into` up to date.

    What is whole and current is left alone, what was begun is continued, and each file is renamed
    into place when it is verified. `exports.json` beside them records what they were found to be.

    Parameters
    ----------
    source : the site, as `https://host`.
    user_agent : see `make_user_agent`; None: from the environment.
    force : download what is current as well.
    client : for other rhythms and patience than the polite ones; brings its own user agent.

    Returns
    -------
    Path of each export, in the order of `names`.

    Raises
    ------
    BadInput : no contact, or a source that is no web address.
    DownloadError : one line; every file that was there is still there, whole.
    """
    client = client or Client(make_user_agent(user_agent))
    into = Path(into)
    try:
        into.mkdir(parents=True, exist_ok=True)
        state, finished = _State(into / STATE), set()

        def update() -> list[Path]:
            exports = list_exports(client, source, names)
            again = [export for export in exports if force or not state.holds(export)]
            todo = [export for export in again if export not in finished]
            parts = [part_path(into / export.file_name) for export in todo]
            have = sum(part.stat().st_size for part in parts if part.exists())
            check_disk(into, sum(export.size or 0 for export in todo) - have)
            for export in todo:
                target = into / export.file_name
                digest = download(
                    client, export.url, target, export.size, export.sha256, progress
                )
                state.record(export, digest)
                finished.add(export)
            return [into / export.file_name for export in exports]

        try:
            return update()
        except Mismatch:  # the site replaces a file before it lists it: read the list once more
            return update()
    except OSError as error:
        problem = error.strerror or error
        raise DownloadError(f"cannot write to {error.filename or into}: {problem}") from None


def list_exports(client: Client, source: str, names: Sequence[str] = NAMES) -> list[Export]:
    """The newest export of each name, in the order of `names`.

    Raises
    ------
    DownloadError : neither list is there, or it lacks a name, or it cannot be understood.
    """
    if not re.match(r"https?://[^/\s]", source):
        raise BadInput(f"source: got {source!r}, expected a web address such as https://host")
    page = client.read(f"{source.rstrip('/')}/db_exports.json", PAGE_LIMIT)
    if page.status in (404, 410) or (page.status == 200 and _is_html(page)):
        page = client.read(f"{source.rstrip('/')}/db_export/", PAGE_LIMIT)
        _expect_200(page)
        return _newest_set(page, names)
    _expect_200(page)
    return _from_list(page, names)


def _is_html(page: Page) -> bool:
    return "html" in page.kind.lower() or page.body.lstrip()[:1] == b"<"


def _expect_200(page: Page) -> None:
    if page.status != 200:
        raise DownloadError(
            f"{page.url}: got status {page.status}, expected the list of exports: "
            "check --source and --user-agent"
        )


def _from_list(page: Page, names: Sequence[str]) -> list[Export]:
    try:
        entries = json.loads(page.body)
        newest: dict[str, Export] = {}
        for entry in entries:
            match = _DATED.fullmatch(str(entry["name"]))
            if match and match[1] in names:
                export = _export(match[1], entry, page.url)
                known = newest.get(export.name)
                if known is None or (known.updated_at or "") < (export.updated_at or ""):
                    newest[export.name] = export
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DownloadError(
            f"{page.url}: cannot be read as a list of exports ({problem}): try later, or "
            "download by hand and use --from"
        ) from None
    lacking = [name for name in names if name not in newest]
    if lacking:
        raise DownloadError(f"{page.url}: lists no export of {', '.join(lacking)}: try later")
    return [newest[name] for name in names]


def _export(name: str, entry: dict[str, Any], base: str) -> Export:
    """One entry of the list, nothing in it believed unseen; ValueError says what is wrong."""
    file_name = entry.get("file_name") or f"{name}.csv.gz"
    match = _DATED.fullmatch(file_name) if isinstance(file_name, str) else None
    # the name of another export, a path or a hidden file would be written where it must not
    if not re.fullmatch(r"\w[\w.-]*\.csv(\.gz)?", file_name, re.ASCII) or not match:
        raise ValueError(f"file_name {file_name!r}, expected {name}.csv.gz, dated or not")
    if match[1] != name:
        raise ValueError(f"file_name {file_name!r} for {name}")
    size, sha256 = entry.get("file_size"), entry.get("checksum") or None
    if size is not None and (type(size) is not int or size <= 0):
        raise ValueError(f"file_size {size!r} of {name}, expected bytes")
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ValueError(f"checksum {sha256!r} of {name}, expected 64 hex digits or null")
    if not isinstance(entry["url"], str) or not entry["url"]:
        raise ValueError(f"url {entry['url']!r} of {name}")
    url = urljoin(base, entry["url"])
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"url {url!r} of {name}")
    updated_at = entry.get("updated_at")
    return Export(
        name,
        file_name,
        url,
        size,
        sha256.lower() if sha256 else None,
        None if updated_at is None else str(updated_at),
    )


class _Links(HTMLParser):
    """The targets of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for key, value in attrs if tag == "a" and key == "href" and value]


def _newest_set(page: Page, names: Sequence[str]) -> list[Export]:
    """The newest day of the dated listing for which every name is there."""
    links = _Links()
    links.feed(page.body.decode("utf-8", "replace"))
    days: dict[str, dict[str, Export]] = {}
    for link in links.found:
        try:
            url = urljoin(page.url, link)
            parts = urlsplit(url)
        except ValueError:  # a link that is no address is not one of ours
            continue
        file_name = unquote(parts.path).rpartition("/")[2]
        match = _DATED.fullmatch(file_name)
        if (
            match
            and match[1] in names
            and match[2]
            and file_name.endswith(".csv.gz")
            and parts.scheme in ("http", "https")
        ):
            export = Export(match[1], file_name, url, updated_at=match[2])
            days.setdefault(match[2], {})[match[1]] = export
    whole = [day for day, exports in days.items() if len(exports) == len(set(names))]
    if not whole:
        newest = max(days, default="none at all")
        raise DownloadError(
            f"{page.url}: no day has all of {', '.join(names)} (newest day: {newest}): "
            "try later, or another --source"
        )
    return [days[max(whole)][name] for name in names]


class _State:
    """What the files were when last seen whole; spares hashing them at each run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            records = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            records = {}  # costs a rehash, no more
        self._records: dict[str, dict] = {
            name: record
            for name, record in (records.items() if isinstance(records, dict) else ())
            if isinstance(record, dict)
        }

    def holds(self, export: Export) -> bool:
        """Whether the local file is whole and the one that is listed."""
        target = self._path.parent / export.file_name
        if not target.is_file():
            return False
        status, record = target.stat(), self._records.get(export.file_name, {})
        if export.size is not None and export.size != status.st_size:
            return False
        seen = (record.get("size"), record.get("mtime_ns")) == (
            status.st_size,
            status.st_mtime_ns,
        )
        digest = record.get("sha256") if seen else sha256_file(target)
        if export.sha256 is None:
            listed = (record.get("url"), record.get("updated_at"))
            same = listed == (export.url, export.updated_at) and export.updated_at is not None
            current = same and digest == record.get("sha256")
        else:
            current = digest == export.sha256
        if current and not seen:
            self.record(export, digest)
        return current

    def record(self, export: Export, digest: str) -> None:
        status = (self._path.parent / export.file_name).stat()
        self._records[export.file_name] = {
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "sha256": digest,
            "url": export.url,
            "updated_at": export.updated_at,
        }
        write_atomic(self._path, (json.dumps(self._records, indent=1) + "\n").encode())
