"""Tag categories and their colours, as the site and E6DB number and paint them."""

CATEGORIES = (
    "general", "artist", "contributor", "copyright", "character", "species", "invalid", "meta",
    "lore", "pool",
)  # fmt: skip
"""By number; 9 is E6DB's own."""

COLORS = {
    "general": "#b4c7d9",
    "artist": "#f2ac08",
    "copyright": "#dd00dd",
    "character": "#00aa00",
    "species": "#ed5d1f",
    "invalid": "#ff3d3d",
    "meta": "#ffffff",
    "lore": "#228822",
}
BACKGROUND = "#152f56"
