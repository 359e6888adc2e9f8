"""What a verb is: its words, its help and what carries it out.  Help texts and ``docs/reference/cli.md`` are made of these."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from evolve._errors import UsageError, suggest

_HELP_WIDTH = 26
_NEVER_EMPTY = frozenset({"RUN", "DIR", "FILE", "FILES", "FOLDER", "ID", "NAMES"})


@dataclass(frozen=True, slots=True)
class Argument:
    """A word of a verb.

    ``name`` is ``RUN`` for a place, ``--json`` for an option; ``short`` is another name of the option.  ``value`` is what an option
    takes ("" for a flag).  ``many`` is as in argparse: "" for one, ``?``, ``*`` or ``+``.
    """

    name: str
    help: str
    short: str = ""
    value: str = ""
    many: str = ""

    @property
    def is_option(self) -> bool:
        return self.name.startswith("-")

    def found(self, words: argparse.Namespace) -> list[str]:
        """What was typed for it."""
        given = getattr(words, self.name.lstrip("-").replace("-", "_"))
        return given if isinstance(given, list) else [given] if isinstance(given, str) else []

    @property
    def usage(self) -> str:
        """As it stands in a usage line."""
        if self.is_option:
            value = {"": f" {self.value}", "?": f" [{self.value}]", "+": f" {self.value}..."}[self.many] if self.value else ""
            return f"[{self.short or self.name}{value}]"
        return {"": self.name, "?": f"[{self.name}]", "*": f"[{self.name}...]", "+": f"{self.name}..."}[self.many]

    @property
    def label(self) -> str:
        """As it stands in the list of arguments."""
        names = f"{self.short}, {self.name}" if self.short else self.name
        return f"{names} {self.value}" if self.value else names


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    ``run`` gets the parsed words and returns the exit code; ``notes`` are further lines of its help; ``acts`` says that what it
    does counts, and not what it prints of it: its exit code stands when its output is lost.
    """

    name: str
    help: str
    arguments: tuple[Argument, ...]
    run: Callable[[argparse.Namespace], int]
    notes: str = ""
    acts: bool = False

    @property
    def usage(self) -> str:
        return " ".join(["evolve", self.name, *(one.usage for one in self.arguments)])

    def page(self) -> str:
        """The help text."""
        lines = [f"usage: {self.usage}", "", self.help, ""]
        lines += [f"  {one.label.ljust(_HELP_WIDTH)}{one.help}" for one in self.arguments]
        return "\n".join([*lines, *(["", self.notes.strip("\n")] if self.notes else []), ""])

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The words after the verb.

        Raises:
            UsageError: an unknown option, too few words or too many, or an empty path or id.
        """
        parser = _Parser(self)
        for one in self.arguments:
            parser.add(one)
        found, rest = parser.parse_known_intermixed_args(list(words))
        if rest:
            self._unknown(rest[0])
        for one in self.arguments:
            what = one.value or one.name
            if what in _NEVER_EMPTY and "" in one.found(found):  # a variable of the shell that is not set: read as ., or as no word
                raise UsageError(f"evolve {self.name} takes no empty {what}, found ''; type: {self.usage}")
        return found

    def _unknown(self, word: str) -> NoReturn:
        """A word that belongs to nothing."""
        if not word.startswith("-"):
            raise UsageError(f"evolve {self.name} takes no further word, found {word!r}; type: {self.usage}")
        name = word.partition("=")[0]
        takes_settings = any(one.name == "SETTING" for one in self.arguments)
        more = f"write settings as key=value: {name.lstrip('-')}=VALUE" if takes_settings else f"type: {self.usage}"
        options = [one.name for one in self.arguments if one.is_option]
        raise UsageError(f"evolve {self.name} has no option {name}; {suggest(name, options, more)}")


def reference(overview: str, verbs: Sequence[Verb]) -> str:
    """``docs/reference/cli.md``: the help texts on one page."""
    head = "# Command line\n\nMade of the help texts by `python -m evolve.cli._reference`; a test compares the two."
    blocks = [f"```text\n{overview}```"] + [f"## evolve {verb.name}\n\n```text\n{verb.page()}```" for verb in verbs]
    codes = """\
## Exit codes

| code | meaning |
|---|---|
| 0 | done, also when nothing was confirmed |
| 1 | a negative verdict (`validate`, `redteam`, `speedrun`), or a run that failed or was degraded: see below |
| 2 | usage or configuration: the message says what to type |
| 3 | the machine lacks something: a sandbox, a package, room on the disk, a stdout that takes the answer |
| 130 | interrupted, or its terminal went away, after a clean commit |
| 141 | nobody reads stdout any more, as a shell reports it |

Data goes to stdout, progress and errors to stderr.  Neither ends a run when it cannot be written: `run`, `resume`, `stop`,
`rebin`, `note`, `retract`, `new` and `ablate` end with the code of what they did, whatever could be told of it.  What `--json`
prints has `schema` as its first field; scores carry the problem's own sign, and `gain` is over the initial program, higher is
better (`gain_from`: of these scores, or of the means of final runs).

A run whose children come from models alone (`search.operators=[]`) is *degraded* (1) where no model ever answered, whatever limit
it reached, and where models refuse for good before a limit; its reason says what was found in a model's place and what to type.  It
is *done* (0) once a model has answered and a limit is reached.  In JSON of `run`, `resume` and `status`, `models.tickets` counts
what models were asked for, `models.lost` what gave no child, by what went wrong, and `models.unanswered` those of them that no
answer came to at all."""
    return "\n\n".join([head, *blocks, codes]) + "\n"


JSON = Argument("--json", "one JSON object on stdout instead of text")
RUN = Argument("RUN", "the folder of a run")
PROBLEM = Argument("--problem", "which problem, of a run of several", value="NAME")


class _Parser(argparse.ArgumentParser):
    """argparse for one verb, with our own words for mistakes."""

    def __init__(self, verb: Verb) -> None:
        super().__init__(prog=f"evolve {verb.name}", add_help=False, allow_abbrev=False)
        self._verb = verb

    def add(self, one: Argument) -> None:
        if not one.is_option:
            place = self.add_argument(one.name, nargs=one.many or None)
            place.required = one.many in ("", "+")  # argparse calls those required too of which there may be none
            return
        names = [one.short, one.name] if one.short else [one.name]
        if not one.value:
            self.add_argument(*names, action="store_true")
        elif one.many:
            self.add_argument(*names, nargs=one.many, const="" if one.many == "?" else None)
        else:
            self.add_argument(*names)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"evolve {self._verb.name}: {message}; type: {self._verb.usage}")
