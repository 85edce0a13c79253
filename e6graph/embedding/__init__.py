"""From posts × tags to vectors: co-occurrence, PPMI, SVD, ALS, à la carte."""

from .dictionary import Dictionary, ppmi, unit_rows
from .pair_counts import cooccurrence
from .svd import truncated_svd

__all__ = ["Dictionary", "cooccurrence", "ppmi", "truncated_svd", "unit_rows"]
