"""From the site to tables: download the export and the previews, import the export."""

from .exports import fetch_exports
from .importdb import import_export
from .previews import fetch_previews

__all__ = ["fetch_exports", "fetch_previews", "import_export"]
