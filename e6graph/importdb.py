"""Import CSV files into an index, in E6DB's formats: `python -m e6graph.importdb DIR [OUT]`."""

import sys

from . import cli
from .hydrate.importdb import main

if __name__ == "__main__":
    sys.argv[0] = "e6graph.importdb"  # errors are printed with this name
    sys.exit(cli.run(main))
