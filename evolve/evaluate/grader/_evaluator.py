"""A problem's ``evaluate.py`` as a module of the grader, and of every process that its pools start."""

from __future__ import annotations

import errno
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

from archive import Status
from evolve._errors import EnvironmentFault, EvolveError
from evolve.evaluate._outcome import CheckedOutcome, OutcomeError, clean, line
from evolve.evaluate.child._spawn import HelperDied

MODULE = "_evolve_evaluate"  # a name that no evaluate.py imports
_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EIO, errno.EROFS, errno.ESTALE}
)
_SHIM = """\
import importlib.util
import sys

spec = importlib.util.spec_from_file_location(__name__, {path!r})
module = sys.modules[__name__] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""


def load_evaluator(folder: Path, place: Path) -> ModuleType:
    """Import ``evaluate.py`` of ``folder`` by path.  Its folder joins the import path, last, for helpers beside it.

    What ``multiprocessing`` starts imports functions by the name of their module, so a module of that name is written to ``place``,
    a folder of this grader's, which joins the path too.

    Raises:
        OutcomeError: it has no function ``evaluate``; and whatever it raises itself.
    """
    path = folder / "evaluate.py"
    place.mkdir(exist_ok=True)
    (place / f"{MODULE}.py").write_text(_SHIM.format(path=str(path)))
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module  # dataclasses and typing look modules up by name
    sys.path += [str(folder), str(place)]
    sys.dont_write_bytecode = True  # the folder may be read-only, and its contents are hashed
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # the same for what it starts
    spec.loader.exec_module(module)
    if not callable(getattr(module, "evaluate", None)):
        raise OutcomeError(f"{path.name} has no function evaluate(trial); define one that returns an evolve.Outcome")
    return module


def hide_main() -> None:
    """Make ``__main__`` anonymous: what ``multiprocessing`` spawns runs the main module again, which is the grader here."""
    main = sys.modules["__main__"]
    main.__spec__ = None
    main.__dict__.pop("__file__", None)


def of_machine(error: BaseException | None) -> bool:
    """Whether an exception tells of the machine (a full disk, no more memory or descriptors) and of nobody's code."""
    return isinstance(error, EnvironmentFault | MemoryError) or passing(error)


def passing(error: BaseException | None) -> bool:
    """Whether it is of the machine and may be over in a moment."""
    return isinstance(error, HelperDied) or (isinstance(error, OSError) and error.errno in _MACHINE)


def fault(error: BaseException, folder: str) -> CheckedOutcome:
    """An exception of the evaluator as an outcome: where it was raised in the problem's own files, and the innermost calls."""
    if isinstance(error, OutcomeError):
        return CheckedOutcome(status=Status.EVALUATOR_ERROR, reason=line(str(error)), feedback=clean(str(error), 1000))
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(folder)]
    where = f"{Path(own[-1].filename).name}:{own[-1].lineno}: " if own else ""
    what = "".join(traceback.format_exception_only(error)).strip().replace(f"{folder}/", "") + _advice(error)
    if isinstance(error, EvolveError):
        what = str(error)
    if of_machine(error):
        where = f"the machine, not the evaluator: {where}"
    calls = "".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}\n" for frame in (own or frames)[-8:])
    return CheckedOutcome(status=Status.EVALUATOR_ERROR, reason=line(where + what), feedback=clean(calls + what, 3000))


def _advice(error: BaseException) -> str:
    """What is worth saying beside an error whose cause lies elsewhere."""
    if type(error).__name__ == "BrokenProcessPool":
        return " (what a measurement starts ends with it, unless a global variable holds it: make the pool anew, or keep it in one)"
    return ""
