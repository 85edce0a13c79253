"""Tags: names, categories and colors, aliases and implications, as E6DB has them.

What is imported here needs the standard library alone:

    from e6graph.tags import TagSetNormalizer
    ids, implied = TagSetNormalizer.load("index").encode(["vixen", "canine", "red_fur"])
"""

from .categories import (
    BACKGROUND,
    CATEGORIES,
    COLORS,
    LIGHT_COLORS,
    PLOT_COLORS,
    RATING_TAGS,
)
from .files import load_implications, load_tags
from .normalizer import (
    ON_CONFLICT,
    AliasConflict,
    TagNormalizer,
    TagSetNormalizer,
    tag_categories,
    tag_categories_alt_colors,
    tag_categories_colors,
    tag_category2alt_color,
    tag_category2color,
    tag_category2id,
    tag_freq_to_rank,
    tag_rank_to_freq,
)

__all__ = [
    "BACKGROUND",
    "CATEGORIES",
    "COLORS",
    "LIGHT_COLORS",
    "ON_CONFLICT",
    "PLOT_COLORS",
    "RATING_TAGS",
    "AliasConflict",
    "TagNormalizer",
    "TagSetNormalizer",
    "load_implications",
    "load_tags",
    "tag_categories",
    "tag_categories_alt_colors",
    "tag_categories_colors",
    "tag_category2alt_color",
    "tag_category2color",
    "tag_category2id",
    "tag_freq_to_rank",
    "tag_rank_to_freq",
]
