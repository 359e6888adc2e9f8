"""The command line: ``evolve VERB ...``.

    _main       dispatch, errors and exit codes
    _verb       what a verb and its arguments are; help texts, and the reference page made of them
    _drive      run, resume, stop
    _look       status, best, show, lineage
    _memory     query, export
    _agents     ask, tell, note; their values are made by _asking and _telling, of files that _handed_in reads
    _mcp        mcp; its tools are in _mcp_tools
    _agent_guide  agent-guide; its text is agent_guide.md
    _problems   new, validate, list
    _setup      config, doctor
    _live       progress on a terminal and as plain lines
    _answers    what ``--json`` prints, one dataclass a verb; _agent_answers for ask, tell and note
    _say        numbers and untrusted text for people
    _streams    stdout and stderr, which end nothing whatever happens to them

Data goes to stdout, progress and errors to stderr.  A module imports what is heavy inside the function that needs it.
"""

from evolve.cli._main import main

__all__ = ["main"]
