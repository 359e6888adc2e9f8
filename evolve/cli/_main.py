"""Dispatch, errors and exit codes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from evolve import __version__
from evolve._errors import EXIT_DONE, EXIT_ENVIRONMENT, EXIT_INTERRUPTED, EXIT_USAGE, EvolveError, UsageError, suggest
from evolve.cli import _claims, _inspect, _problems, _query, _redteam, _research, _run, _setup, _speedrun
from evolve.cli._command import Verb
from evolve.cli._streams import open_streams
from evolve.cli.external import _external
from evolve.cli.mcp import _agent_guide
from evolve.cli.mcp import _server as _mcp
from evolve.cli.show._text import put, say

EXIT_PIPE = 141  # what a shell reports for a program that SIGPIPE ended

VERBS: tuple[Verb, ...] = (
    *_run.VERBS,
    *_inspect.VERBS,
    *_claims.VERBS,
    *_external.VERBS,
    *_mcp.VERBS,
    *_agent_guide.VERBS,
    *_query.VERBS,
    *_research.VERBS,
    *_problems.VERBS,
    *_redteam.VERBS,
    *_speedrun.VERBS,
    *_setup.VERBS,
)


def main(words: Sequence[str] | None = None) -> int:
    """Carry out a command line; returns the exit code: 0 done, 1 a negative verdict or a degraded run, 2 usage, 3 environment,
    130 interrupted.  An error for people is a line on stderr; anything else is a bug and keeps its traceback.

    Without ``words`` it is the process's own command line, and the process's streams are made safe first.
    """
    # The driver's matrices are small; threads of its BLAS would only take the graders' cores (35 ms an eigenvalue problem of 52
    # instead of 1 on two busy ones).  Read when numpy is first imported, which is later than this.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if words is not None:
        return _carry_out(list(words))
    out = open_streams()
    os.environ["PYTHONIOENCODING"] = "utf-8"  # of the processes that are started from here: what they say is read as that
    code = _carry_out(sys.argv[1:])
    sys.stdout.flush()
    return code if out.lost is None else _without_output(code, out.lost, sys.argv[1:])


def _carry_out(words: list[str]) -> int:
    try:
        return _dispatch(words)
    except KeyboardInterrupt:
        say("interrupted")
        return EXIT_INTERRUPTED
    except EvolveError as error:
        say(f"evolve: {error}")
        return error.exit_code
    except _archive_error() as error:
        say(f"evolve: {error}")
        return _archive_code(error)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and _stands_nowhere():
            say("evolve: expected a folder to stand in, found that it was removed; go to another one: cd DIR")
            return EXIT_USAGE
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        say(f"evolve: {error.filename or 'the disk'} cannot be used ({error.strerror}); {_remedy(error)}")
        return EXIT_ENVIRONMENT


def _stands_nowhere() -> bool:
    """Whether the working folder is gone: then no path is known in full, and Python's error does not say which one."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _without_output(code: int, lost: OSError, words: list[str]) -> int:
    """The exit code where something for stdout could not be written: what was done stands, what was only to be told is missing."""
    acts = any(verb.acts for verb in VERBS if words and verb.name == words[0])
    if lost.errno == errno.EPIPE:
        return code if code or acts else EXIT_PIPE
    done = ", what it did is done" if acts else ""
    say(f"evolve: stdout cannot be written ({lost.strerror}); what evolve {' '.join(words[:1])} had to say is lost{done}.")
    return code if code or acts else EXIT_ENVIRONMENT


def overview() -> str:
    """What ``evolve --help`` says."""
    lines = ["usage: evolve VERB [...]", "", "Open-ended evolutionary search over code whose quality is a measured number.", ""]
    lines += [f"  {verb.name:<13}{verb.help}" for verb in VERBS]
    return "\n".join([*lines, "", "More: evolve VERB --help.  To begin: evolve run", ""])


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("--help", "-h", "help"):
        verb = _find(words[1]) if len(words) > 1 else None
        put(verb.page() if verb is not None else overview())
        return EXIT_DONE
    if words[0] == "--version":
        put(f"evolve {__version__}")
        return EXIT_DONE
    verb = _find(words[0])
    if "--help" in words or "-h" in words:
        put(verb.page())
        return EXIT_DONE
    return verb.run(verb.parse(words[1:]))


def _find(word: str) -> Verb:
    names = {verb.name: verb for verb in VERBS}
    if word in names:
        return names[word]
    more = suggest(word, names, "type: evolve --help", "evolve {}")
    raise UsageError(f"expected one of {', '.join(names)}, found {word!r}; {more}")


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room there and type the same again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "see who may read and write it, or copy the folder to where you may, and name the copy."
    return "see that it is there and of the right kind."


def _archive_error() -> type[Exception]:
    """Looked up only when something is raised: ``archive`` brings numpy, which help texts do without."""
    from archive import ArchiveError

    return ArchiveError


def _archive_code(error: Exception) -> int:
    from archive import JournalBroken

    return EXIT_ENVIRONMENT if isinstance(error, JournalBroken) else EXIT_USAGE
