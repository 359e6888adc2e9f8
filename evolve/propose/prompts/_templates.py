"""The words of prompts, as files: those beside this module, each of which a user's folder may replace by name.

A template is text with placeholders, ``$name`` or ``${name}``; a dollar sign is ``$$``.  What each of them holds:
``docs/how-to/prompts.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from evolve._errors import UsageError
from evolve.propose.prompts._specs import REQUESTS

OPERATORS = tuple(spec.name for spec in REQUESTS)

_SHIPPED = Path(__file__).resolve().parent
_TASK = ("problem", "metric", "unit", "measured", "goal", "better")
_OPERATOR = (*_TASK, "status", "stagnant", "best", "seed", "relation")
_FORMAT = (*_TASK, "example_file")


@dataclass(frozen=True, slots=True)
class _Slots:
    """The placeholders of a template: those it may have, and those it must have."""

    allowed: tuple[str, ...]
    needed: tuple[str, ...] = ()


# What must be there: without it a prompt would lack the task, the rules, or the sentence that says what is data.
_SLOTS: Mapping[str, _Slots] = {
    "system.md": _Slots(
        (*_TASK, "instructions", "statement", "measure", "contract", "data", "answer"),
        ("statement", "measure", "contract", "data"),
    ),
    "research.md": _Slots(_TASK),
    "answer.md": _Slots((*_TASK, "format"), ("format",)),
    "format_diff.md": _Slots(_FORMAT),
    "format_block.md": _Slots(_FORMAT),
    "format_file.md": _Slots(_FORMAT),
    "hand_in.md": _Slots(_TASK),
    **{f"{operator}.md": _Slots(_OPERATOR) for operator in OPERATORS},
    "repair_turn.md": _Slots(("feedback", "resend"), ("feedback",)),
}
NAMES = tuple(_SLOTS)


@dataclass(frozen=True, slots=True)
class Templates:
    """One text for each name in ``NAMES``.

    Raises:
        UsageError: A name is missing or unknown, or a text has a placeholder that nothing fills or lacks one that it needs.
    """

    texts: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.texts.keys() != _SLOTS.keys():
            wrong = ", ".join(sorted(self.texts.keys() ^ _SLOTS.keys()))
            raise UsageError(f"expected the templates {', '.join(NAMES)}, found another set (missing or unknown: {wrong}).")
        for name, text in self.texts.items():
            _check(name, text)

    @classmethod
    def load(cls, folder: Path | None) -> Templates:
        """The shipped templates, with those that ``folder`` has in their place.

        Args:
            folder: A user's folder, or None.  Names that begin with a dot are skipped.

        Raises:
            UsageError: The folder cannot be read, holds anything that is no template, or a text breaks the rules for placeholders.
        """
        texts = {name: (_SHIPPED / name).read_text(encoding="utf-8").strip() for name in NAMES}
        if folder is not None:
            texts.update(_own(folder))
        return cls(texts)

    def wants(self, name: str, slot: str) -> bool:
        """Whether a template has this placeholder."""
        return slot in Template(self.texts[name]).get_identifiers()

    def fill(self, name: str, values: Mapping[str, str]) -> str:
        """A template with its placeholders filled.  Dollar signs in values mean nothing."""
        return Template(self.texts[name]).substitute(values)


def _own(folder: Path) -> dict[str, str]:
    try:
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UsageError(
            f"expected a folder with templates at {folder}, found none that can be read ({error.strerror}); correct the path."
        ) from error
    for path in found:
        if path.name not in _SLOTS or not path.is_file():
            raise UsageError(
                f"expected only files named {', '.join(NAMES)} in {folder}, found {path.name}; rename it, or move it elsewhere."
            )
    return {path.name: _read(path) for path in found}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"expected UTF-8 text in {path}, which cannot be read as such: {error}; save it as UTF-8.") from error


def _check(name: str, text: str) -> None:
    slots = _SLOTS[name]
    template = Template(text)
    known = ", ".join(f"${slot}" for slot in slots.allowed)
    if not template.is_valid():
        raise UsageError(f"expected a placeholder after every $ in {name} (one of {known}), found a lone $; write $$ for the sign.")
    used = template.get_identifiers()
    if unknown := [slot for slot in used if slot not in slots.allowed]:
        raise UsageError(
            f"expected the placeholders {known} in {name}, found ${unknown[0]}; use one of these, or write $$ for the sign."
        )
    if missing := [slot for slot in slots.needed if slot not in used]:
        raise UsageError(f"expected the placeholder ${missing[0]} in {name}, which lacks it; put it where that part belongs.")
