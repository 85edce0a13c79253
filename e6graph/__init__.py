"""A tagged image board's public export, turned into a recommender."""
