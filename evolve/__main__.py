"""``python -m evolve``: the command line where no script was installed."""

import sys

from evolve.cli import main

sys.exit(main())
