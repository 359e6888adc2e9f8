"""``python -m evolve.cli._reference``: the reference page of the command line, on stdout."""

import sys

from evolve.cli._command import reference
from evolve.cli._main import VERBS, overview

if __name__ == "__main__":
    sys.stdout.write(reference(overview(), VERBS))
