"""Caption files cleaned by the rules of a TOML file: `python -m e6graph.normalize`."""
