"""What other people's packages offer, by the names of their entry points.

Nothing of such a package is imported before somebody names what it offers, and what is wrong with one is nobody else's trouble: it
is said in a sentence where it is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evolve._errors import EnvironmentFault, MissingPackage, UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUPS: Mapping[str, str] = {
    "operator": "evolve.operators",
    "archive": "evolve.archives",
    "executor": "evolve.executors",
    "adapter": "evolve.adapters",
}
_MOST_CHARS = 200  # of what somebody else's code says


class PluginBroken(EnvironmentFault):
    """What a package offers cannot be used; the message says which, why, and what to type."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point of an installed package."""

    kind: str  # as in GROUPS
    name: str
    package: str
    version: str
    entry: EntryPoint

    def __str__(self) -> str:
        return f"the {self.kind} {self.name} of the package {self.package} {self.version}"

    def broken(self, why: str) -> PluginBroken:
        """The error that says so."""
        typed = f"type: pip install --upgrade {self.package}, or leave {self.name} out"
        return PluginBroken(f"{self} cannot be used: {why}; {typed}")

    def load(self) -> object:
        """What the entry point stands for; its package is imported now.

        Raises:
            PluginBroken: it cannot be loaded.
        """
        try:
            return self.entry.load()
        except (Exception, SystemExit) as error:
            raise self.broken(said(error)) from error


def said(error: BaseException) -> str:
    """What was raised, on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:_MOST_CHARS] if text else type(error).__name__


def _offered(kind: str) -> tuple[Plugin, ...]:
    from importlib.metadata import entry_points

    found = []
    for entry in entry_points(group=GROUPS[kind]):
        package = entry.dist
        name, version = (package.name, package.version) if package is not None else ("?", "")
        found.append(Plugin(kind, entry.name, name, version, entry))
    return tuple(found)


def offered(kind: str) -> tuple[str, ...]:
    """The names that installed packages offer; nothing is imported."""
    return tuple(dict.fromkeys(plugin.name for plugin in _offered(kind)))


def plugin_of(kind: str, name: str) -> Plugin | None:
    """What an installed package offers by this name; None where none does.

    Raises:
        UsageError: two packages do.
    """
    found = [plugin for plugin in _offered(kind) if plugin.name == name]
    packages = sorted({plugin.package for plugin in found})
    if len(packages) > 1:
        one, other = packages[:2]
        raise UsageError(f"the {kind} {name} is offered by two packages, {one} and {other}; type: pip uninstall {other}")
    return found[0] if found else None


def need_plugin(kind: str, name: str, package: str) -> Plugin:
    """The same, where it must be there; ``package`` is where it came from, "" where that is not known.

    Raises:
        MissingPackage: no package offers it.
        UsageError: two do.
    """
    plugin = plugin_of(kind, name)
    if plugin is None:
        what = f"of the package {package}, which" if package else "of a package that"
        typed = f"type: pip install {package}" if package else "install it"
        raise MissingPackage(f"the {kind} {name} is {what} is not installed; {typed}")
    return plugin
