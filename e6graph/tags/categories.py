"""Categories of tags, the site's colors for them, and the tags of ratings."""

_TABLE = (  # name, the site's color on its dark blue, a color on white
    ("general", "#b4c7d9", "#2f5f8a"),
    ("artist", "#f2ac08", "#8f5f00"),
    ("contributor", "#c0c0c0", "#6b6b6b"),
    ("copyright", "#dd00dd", "#a800a8"),
    ("character", "#00aa00", "#007000"),
    ("species", "#ed5d1f", "#b03c0a"),
    ("invalid", "#ff3d3d", "#c81414"),
    ("meta", "#ffffff", "#222222"),
    ("lore", "#228822", "#1f6b5a"),
    ("pool", "#f5deb3", "#7a5c2e"),
)

CATEGORIES = tuple(name for name, _, _ in _TABLE)
"""Names by category number; 9 is E6DB's own."""

COLORS = {name: color for name, color, _ in _TABLE}
"""The site's color of each category, on `BACKGROUND`."""

PLOT_COLORS = COLORS | {"lore": "#2bc4a8"}
"""`COLORS` for plots, where the site's two greens look the same."""

LIGHT_COLORS = {name: color for name, _, color in _TABLE}
"""A color of each category on white; contrast 4.5 : 1 or more (WCAG 2.1, 1.4.3)."""

BACKGROUND = "#152f56"
"""The site's dark blue, the ground of plots and of dark pages."""

PANEL = "#1f3c67"
"""A lighter blue, for boxes on `BACKGROUND`."""

FOREGROUND = "#e6eef7"
"""Text and lines on `BACKGROUND`."""

RATINGS = ("s", "q", "e")
"""Ratings as the export writes them: safe, questionable and explicit."""

RATING_TAGS = ("rating_safe", "rating_questionable", "rating_explicit")
"""The tag that E6DB gives to posts of each of `RATINGS`. Every post holds one of them,
so they say little about a picture, and most computations leave them out."""
