"""Caption files cleaned by the rules of a TOML file: `python -m e6graph.normalize`."""

from .. import cli  # noqa: F401 (first: it says which package is missing)
from .captions import Cleaned, Cleaner
from .config import Config, find_config, load_config, make_config
from .folders import Statistics, find_captions, normalize, print_top
from .tag_names import make_tagset_normalizer

__all__ = [
    "Cleaned",
    "Cleaner",
    "Config",
    "Statistics",
    "find_captions",
    "find_config",
    "load_config",
    "make_config",
    "make_tagset_normalizer",
    "normalize",
    "print_top",
]
