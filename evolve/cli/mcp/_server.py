"""The same verbs for agents that speak the Model Context Protocol: ``evolve mcp RUN`` serves one run on stdin and stdout."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from evolve._errors import EXIT_DONE, MissingPackage, need
from evolve.cli._command import RUN, Verb

PACKAGE = '"mcp>=2"'


def mcp(words: Namespace) -> int:
    from evolve.runs._folder import open_folder

    open_folder(Path(words.RUN))
    need("mcp", PACKAGE)
    try:
        from evolve.cli.mcp._tools import serve
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("mcp"):
            raise
        raise MissingPackage(f"this needs mcp 2 or newer, found an older one; run: pip install {PACKAGE}") from error
    serve(words.RUN)
    return EXIT_DONE


VERBS = (
    Verb(
        "mcp",
        "a run's verbs as tools for an agent, by the Model Context Protocol on stdin and stdout",
        (RUN,),
        mcp,
        notes="""\
tools: ask, tell, result, status, best, show, lineage, query, note, resume, validate, claims; each answers what the verb prints
with --json.
A client starts it itself; its configuration names the command evolve and the arguments mcp and RUN (an absolute path).""",
    ),
)
