"""Which of the user's environment variables reach a problem's evaluator, and nobody else.

A grader starts with a cleared environment.  It gets what its own interpreter needs to start (``ALWAYS``) and what ``problem.yaml``
names under ``environment``.  The contract's hash counts the names; the values are read when a grader starts and stand nowhere else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping

from evolve._errors import EnvironmentFault
from evolve.problem.contract._contract import Contract

LIBRARIES = ("LD_LIBRARY_PATH", "PYTHONHOME")  # without which an interpreter from modules, conda or a prefix may not start
ALWAYS = ("PATH", *LIBRARIES)
OWN = ("TMPDIR", "PYTHONDONTWRITEBYTECODE")  # set for each grader, and not to be named
_LEAST_SECRET = 6  # characters: a shorter value ("0", "cuda") stands in texts by chance


def passed(names: Iterable[str]) -> dict[str, str]:
    """The variables among ``names`` that are set here."""
    return {name: os.environ[name] for name in names if name in os.environ}


def check_environment(contract: Contract) -> None:
    """See that every variable is set that the problem names.

    Raises:
        EnvironmentFault: one is not; the message says what to type.
    """
    missing = [name for name in contract.environment if name not in os.environ]
    if missing:
        exports = " ".join(f"{name}=..." for name in missing)
        are = "variable" if len(missing) == 1 else "variables"
        raise EnvironmentFault(
            f"the evaluator of {contract.name} needs the environment {are} {', '.join(missing)}, not set here; "
            f"type: export {exports} (problem.yaml names what it needs under environment)."
        )


def without_values(text: str, names: Iterable[str], values: Mapping[str, str] | None = None) -> str:
    """``text`` with the values of these variables replaced by their names: what an evaluator says of its keys is journaled."""
    values = os.environ if values is None else values
    found = {form: name for name in names if len(values.get(name, "")) >= _LEAST_SECRET for form in _forms(values[name])}
    for form in sorted(found, key=len, reverse=True):
        text = text.replace(form, f"${found[form]}")
    return text


def _forms(value: str) -> set[str]:
    """How a value may stand in a text: as it is, in one line, quoted by Python or JSON, and each of its longer lines alone."""
    quoted = {repr(value)[1:-1], json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    lines = {one.strip() for one in value.splitlines() if len(one.strip()) >= _LEAST_SECRET}
    return {value, " ".join(value.split()), *quoted, *lines} - {""}
