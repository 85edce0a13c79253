"""The demo to talk with: one conversation without I/O, and a thin front end for each place."""
