"""The command line: ``evolve VERB ...``.

    _main       dispatch, errors and exit codes
    _command    what a verb and its arguments are; help texts, and the reference page that _reference makes of them
    _run        run, resume, stop
    _inspect    status, best, show, lineage; _candidate writes what they write
    _claims     claims, retract
    _query      query, export
    _problems   new, validate, list
    _redteam    redteam
    _research   ablate
    _setup      config, doctor
    _streams    stdout and stderr, which end nothing whatever happens to them
    external/   ask, tell, note, result
    mcp/        mcp and its tools; agent-guide
    show/       what is printed: live, at the end, as text, as JSON

Data goes to stdout, progress and errors to stderr.  A module imports what is heavy inside the function that needs it.
"""

from evolve.cli._main import main

__all__ = ["main"]
