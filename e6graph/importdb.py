"""CSV export to E6DB's files: `python -m e6graph.importdb DIR [OUT]`; see `e6graph.hydrate`."""

import sys

from . import cli
from .hydrate.importdb import main

if __name__ == "__main__":
    sys.argv[0] = "e6graph.importdb"  # what errors are signed with
    sys.exit(cli.run(main))
