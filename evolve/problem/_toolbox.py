"""The system's compiler and make, for candidates that are built inside the sandbox: what they need, read-only.

A compiler finds its parts by where it lies itself, so everything keeps its place.  Only what the tools named ask for is shown:
their programs, the folders of the compiler's own parts, and headers.  Libraries to link with are those of the system folders that a
sandbox shows anyway.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from evolve._errors import EnvironmentFault

TOOLS = ("cc", "make")  # what ``toolbox`` in problem.yaml may name
_FOLDERS = "/usr/local/bin:/usr/bin:/bin"  # the system's, not whatever the user has in front of it
_PROGRAMS = {"cc": ("cc", "as", "ld", "ar"), "make": ("make", "sh", "rm", "cp", "mv", "mkdir", "cat", "touch")}
_PARTS = ("cc1", "collect2", "lto-wrapper")
_LISTED = re.compile(r"^#include <\.\.\.> search starts here:\n(.*?)^End of search list", re.MULTILINE | re.DOTALL)
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Binds are places, the same outside and inside; links are (target, place); ``description`` names the versions."""

    binds: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    description: str = ""


def toolbox(names: Sequence[str]) -> Toolbox:
    """What these tools need.

    Raises:
        EnvironmentFault: one is not on this machine.
    """
    if not names:
        return Toolbox()
    check_tools(names)
    places: dict[str, None] = {}
    links: dict[str, str] = {}
    for program in dict.fromkeys(one for name in names for one in _PROGRAMS[name]):
        found = shutil.which(program, path=_FOLDERS)
        if found is None:
            continue
        real = os.path.realpath(found)
        places[real] = None
        for place in (f"/usr/bin/{program}", *(["/bin/sh"] if program == "sh" else [])):
            if place != real:
                links[place] = real
    if "cc" in names:
        places |= dict.fromkeys(_compiler_folders(os.path.realpath(shutil.which("cc", path=_FOLDERS) or "cc")))
    versions = [_said(name, "--version").partition("\n")[0] for name in names]
    return Toolbox(_outermost(places), tuple((real, place) for place, real in links.items()), "; ".join(versions))


def check_tools(names: Sequence[str]) -> None:
    """Find out that every tool is there.

    Raises:
        EnvironmentFault: one is not; the sentence says what to type.
    """
    for name in names:
        if shutil.which(name, path=_FOLDERS) is None:
            raise EnvironmentFault(
                f"the problem's programs are built with {name}, which is not on this machine; "
                "install it (apt install gcc make, dnf install gcc make)"
            )


def _compiler_folders(compiler: str) -> list[str]:
    """Where the compiler's parts, its own libraries and the headers lie."""
    asked = [_said(compiler, f"-print-prog-name={part}").strip() for part in _PARTS]
    asked.append(_said(compiler, "-print-libgcc-file-name").strip())
    folders = [os.path.dirname(path) for path in asked if os.path.isabs(path) and os.path.exists(path)]
    listed = _LISTED.search(_said(compiler, "-E", "-v", "-xc", os.devnull))
    headers = [line.strip() for line in listed[1].splitlines()] if listed else []
    return [os.path.realpath(folder) for folder in (*folders, *headers) if os.path.isdir(folder)]


def _said(program: str, *arguments: str) -> str:
    """What a tool prints, wherever it prints it."""
    try:
        done = subprocess.run(
            [shutil.which(program, path=_FOLDERS) or program, *arguments],
            env={"PATH": _FOLDERS, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


def _outermost(places: dict[str, None]) -> tuple[str, ...]:
    """Without what lies in another of them."""
    return tuple(place for place in places if not any(place.startswith(f"{other}/") for other in places))
