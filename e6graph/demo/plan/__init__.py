"""What is on the demo board: posts, tags and pools."""
