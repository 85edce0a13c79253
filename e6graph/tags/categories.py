"""Categories of tags and the site's colors, for dark and for light pages."""

CATEGORIES = (
    "general",
    "artist",
    "contributor",
    "copyright",
    "character",
    "species",
    "invalid",
    "meta",
    "lore",
    "pool",
)
"""Names by category number; 9 is E6DB's own."""

BACKGROUND = "#152f56"
COLORS = {
    "general": "#b4c7d9",
    "artist": "#f2ac08",
    "contributor": "#c0c0c0",
    "copyright": "#dd00dd",
    "character": "#00aa00",
    "species": "#ed5d1f",
    "invalid": "#ff3d3d",
    "meta": "#ffffff",
    "lore": "#228822",
    "pool": "#f5deb3",
}
"""The site's color of each category, on `BACKGROUND`."""

LIGHT_COLORS = {
    "general": "#2f5f8a",
    "artist": "#8f5f00",
    "contributor": "#6b6b6b",
    "copyright": "#a800a8",
    "character": "#007000",
    "species": "#b03c0a",
    "invalid": "#c81414",
    "meta": "#222222",
    "lore": "#1f6b5a",
    "pool": "#7a5c2e",
}
"""A color of each category on white paper; contrast 4.5 : 1 or more (WCAG 2.1, 1.4.3)."""
