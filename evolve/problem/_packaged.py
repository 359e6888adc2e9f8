"""Where the folders lie that ship with the engine but are data: ``problems/`` and ``configs/``.

In a wheel they lie inside the package (``evolve/_data/problems``); in a checkout, or an editable install of one, beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from evolve._errors import EnvironmentFault


def resource_folder(kind: Literal["problems", "configs"]) -> Path:
    """The folder of built-in problems or of configuration groups, resolved.

    Raises:
        EnvironmentFault: the installation carries no such folder.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_data" / kind, package.parent / kind):
        if folder.is_dir():
            return folder
    raise EnvironmentFault(f"expected a folder {kind} in or beside {package}, found none; install evolve again: pip install .")
