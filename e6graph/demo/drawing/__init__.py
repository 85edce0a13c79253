"""How the demo board looks."""
