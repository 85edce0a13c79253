"""The conversation as a page in the browser."""
