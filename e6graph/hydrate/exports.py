"""The site's database exports: list them, download them, keep them current.

Since June 2026 the site lists them in `/db_exports.json`. Before that, and on
mirrors, a page at `/db_export/` links dated files such as
`posts-2026-01-31.csv.gz`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from ..errors import DownloadError
from ..store.files import sha256_file, stat_of, write_atomic
from .client import Client, Page, check_address, make_user_agent
from .download import Mismatch, check_disk, download, part_path

EXPORT_NAMES = ("posts", "tags", "tag_aliases", "tag_implications", "pools")
EXPORTS_RECORD = "exports.json"  # beside the files: what they were when last seen whole
LIST_LIMIT = 8 << 20  # bytes of a list of exports

_DATED = re.compile(r"([a-z_]+)(?:-(\d{4}-\d{2}-\d{2}))?(?:\.csv(?:\.gz)?)?", re.ASCII)


@dataclass(frozen=True)
class Export:
    """A file as the site lists it; None for what the list does not say."""

    name: str
    file_name: str
    url: str
    size: int | None = None  # bytes
    sha256: str | None = None  # lower-case hex
    updated_at: str | None = None


def fetch_exports(
    source: str,
    into: str | Path,
    names: Sequence[str] = EXPORT_NAMES,
    user_agent: str | None = None,
    force: bool = False,
    client: Client | None = None,
) -> list[Path]:
    """Bring the exports in `into` up to date.

    Files that are whole and current are left alone, interrupted downloads are
    continued, and each file is renamed into place when it is verified.

    Parameters
    ----------
    source : the site, as `https://host`.
    user_agent : see `make_user_agent`; None takes it from the environment.
    force : download current files as well.
    client : with another pace or patience; it brings its own user agent.

    Returns
    -------
    Path of each export, in the order of `names`.

    Raises
    ------
    BadInput : no contact, or a source that is not a web address.
    DownloadError : in one line; every file that was there is still there, whole.
    """
    client = client or Client(make_user_agent(user_agent))
    into = Path(into)
    try:
        into.mkdir(parents=True, exist_ok=True)
        record = _Record(into / EXPORTS_RECORD)
        finished: set[Export] = set()

        def update() -> list[Path]:
            exports = list_exports(client, source, names)
            outdated = [e for e in exports if force or not record.is_current(e)]
            wanted = [export for export in outdated if export not in finished]
            parts = [part_path(into / export.file_name) for export in wanted]
            have = sum(part.stat().st_size for part in parts if part.exists())
            check_disk(into, sum(export.size or 0 for export in wanted) - have)
            for export in wanted:
                target = into / export.file_name
                digest = download(client, export.url, target, export.size, export.sha256)
                record.add(export, digest)
                finished.add(export)
            return [into / export.file_name for export in exports]

        try:
            return update()
        except Mismatch:
            # The site replaces a file before it lists it: read the list again.
            return update()
    except OSError as error:
        problem = error.strerror or error
        raise DownloadError(f"cannot write to {error.filename or into}: {problem}") from None


def reject_export(path: Path) -> bool:
    """Let the next `fetch_exports` download a file again that could not be imported.

    Returns
    -------
    Whether it will. Not where the site's list has the file's checksum, which fits:
    the same bytes would come again.
    """
    return _Record(path.parent / EXPORTS_RECORD).remove(path.name)


def list_exports(client: Client, source: str, names: Sequence[str]) -> list[Export]:
    """Return the newest export of each name, in the order of `names`.

    Raises
    ------
    DownloadError : the list is missing, lacks a name or cannot be understood.
    """
    check_address(source)
    page = client.read(f"{source.rstrip('/')}/db_exports.json", LIST_LIMIT)
    dated = page.status in (404, 410) or (page.status == 200 and _is_html(page))
    if dated:
        page = client.read(f"{source.rstrip('/')}/db_export/", LIST_LIMIT)
    if page.status != 200:
        raise DownloadError(
            f"{page.url}: got status {page.status}, expected the list of exports: "
            "check --source and --user-agent"
        )
    return _parse_dated(page, names) if dated else _parse_list(page, names)


def _is_html(page: Page) -> bool:
    return "html" in page.kind.lower() or page.body.lstrip()[:1] == b"<"


def _parse_list(page: Page, names: Sequence[str]) -> list[Export]:
    newest: dict[str, Export] = {}
    try:
        for entry in json.loads(page.body):
            match = _DATED.fullmatch(str(entry["name"]))
            if match and match[1] in names:
                export = _parse_entry(match[1], entry, page.url)
                known = newest.setdefault(export.name, export)
                if (known.updated_at or "") < (export.updated_at or ""):
                    newest[export.name] = export
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DownloadError(
            f"{page.url}: cannot be read as a list of exports ({problem}): "
            "try later, or download by hand and use --from"
        ) from None
    lacking = [name for name in names if name not in newest]
    if lacking:
        raise DownloadError(f"{page.url}: no export of {', '.join(lacking)}: try later")
    return [newest[name] for name in names]


def _parse_entry(name: str, entry: dict[str, Any], base: str) -> Export:
    """Check an entry of the list in full; ValueError says what is wrong with it."""
    file_name = entry.get("file_name") or f"{name}.csv.gz"
    match = _DATED.fullmatch(file_name) if isinstance(file_name, str) else None
    # It must not lead to another directory, a hidden file or another export.
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


def _parse_dated(page: Page, names: Sequence[str]) -> list[Export]:
    """Return the exports of the newest day on which a page of links has every name."""
    days: dict[str, dict[str, Export]] = {}
    text = page.body.decode("utf-8", "replace")
    for link in re.findall(r"""href\s*=\s*["']?([^"'\s>]+)""", text, re.IGNORECASE):
        try:
            url = urljoin(page.url, link)
            address = urlsplit(url)
        except ValueError:  # the link is not an address
            continue
        file_name = unquote(address.path).rpartition("/")[2]
        match = _DATED.fullmatch(file_name)
        if not match or not file_name.endswith(".csv.gz"):
            continue
        name, day = match.groups()
        if day and name in names and address.scheme in ("http", "https"):
            export = Export(name, file_name, url, updated_at=day)
            days.setdefault(day, {})[name] = export
    whole = [day for day, exports in days.items() if len(exports) == len(set(names))]
    if not whole:
        newest = max(days, default="none at all")
        raise DownloadError(
            f"{page.url}: no day has all of {', '.join(names)} "
            f"(newest day: {newest}): try later, or another --source"
        )
    return [days[max(whole)][name] for name in names]


class _Record:
    """A record of the files when last seen whole, which saves hashing them each time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            entries = dict(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            entries = {}  # costs another hashing, no more
        self._entries: dict[str, dict[str, Any]] = {
            name: entry for name, entry in entries.items() if isinstance(entry, dict)
        }

    def is_current(self, export: Export) -> bool:
        """Say whether the local file is whole and is the one that is listed."""
        target = self._path.parent / export.file_name
        if not target.is_file():
            return False
        if export.size is not None and export.size != target.stat().st_size:
            return False
        entry = self._entries.get(export.file_name, {})
        unchanged = entry.get("stat") == stat_of(target)
        digest = (unchanged and entry.get("sha256")) or sha256_file(target)
        if export.sha256 is None:
            # Without a checksum the listed address and date say which file it is.
            listed = (export.url, export.updated_at, digest)
            known = (entry.get("url"), entry.get("updated_at"), entry.get("sha256"))
            current = listed == known and export.updated_at is not None
        else:
            current = digest == export.sha256
        if current and not unchanged:
            self.add(export, digest)
        return current

    def add(self, export: Export, digest: str) -> None:
        """Record a file that has just been found whole."""
        self._entries[export.file_name] = {
            "stat": stat_of(self._path.parent / export.file_name),
            "sha256": digest,
            "url": export.url,
            "updated_at": export.updated_at,
            "checked": export.sha256 is not None,
        }
        self._write()

    def remove(self, file_name: str) -> bool:
        """Forget a file unless its checksum is known; return whether it is forgotten now."""
        if self._entries.get(file_name, {}).get("checked"):
            return False
        self._entries.pop(file_name, None)
        self._write()
        return True

    def _write(self) -> None:
        text = json.dumps(self._entries, indent=1)
        write_atomic(self._path, f"{text}\n".encode())
