"""The adapters there are, by name: those shipped, and those of other people's packages, which are loaded when they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from evolve._errors import EvolveError
from evolve._plugins import Plugin, need_plugin, offered, said
from evolve.adapters._adapter import Adapter
from evolve.adapters._autoresearch import Autoresearch
from evolve.adapters._openevolve import OpenEvolve
from evolve.problem._files import CONTRACT_FILE

ADAPTERS: Mapping[str, Adapter] = {one.name: one for one in (Autoresearch(), OpenEvolve())}


def adapter_names() -> tuple[str, ...]:
    """Of all that are there; nothing is loaded."""
    return tuple(dict.fromkeys((*ADAPTERS, *offered("adapter"))))


def adapter_of(name: str) -> Adapter:
    """The adapter of a name.

    Raises:
        PluginBroken: it is somebody else's, and cannot be used.
        MissingPackage: there is none.
        UsageError: two packages offer it.
    """
    return ADAPTERS[name] if name in ADAPTERS else _loaded(need_plugin("adapter", name, ""))


def _loaded(plugin: Plugin) -> Adapter:
    made = plugin.load()
    try:
        adapter = made() if isinstance(made, type) else made
        name, calls = getattr(adapter, "name", None), [getattr(adapter, one, None) for one in ("detect", "convert")]
    except (Exception, SystemExit) as error:
        raise plugin.broken(said(error)) from error
    if not all(callable(one) for one in calls):
        raise plugin.broken("an adapter has a name and the methods detect and convert, and it has not")
    if name != plugin.name:
        raise plugin.broken(f"it calls itself {name!r}")
    return _Guarded(adapter, plugin)


class _Guarded:
    """An adapter of somebody else, whose every mistake is a sentence."""

    def __init__(self, adapter: object, plugin: Plugin) -> None:
        self._adapter, self._plugin, self.name = adapter, plugin, plugin.name
        self.asks = tuple(getattr(adapter, "asks", ()))

    def detect(self, path: Path) -> float:
        found = self._call("detect", path)
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1:
            raise self._plugin.broken(f"detect gave {found!r}, expected a number from 0 to 1")
        return float(found)

    def convert(self, path: Path, into: Path, **asked: object) -> Path:
        made = self._call("convert", path, into, **asked)
        if not isinstance(made, str | Path) or not Path(made).resolve().is_relative_to(into.resolve()):
            raise self._plugin.broken(f"convert gave {made!r}, expected the folder that it was to write into")
        if not (Path(made) / CONTRACT_FILE).is_file():
            raise self._plugin.broken(f"convert wrote no {CONTRACT_FILE}")
        return Path(made)

    def _call(self, name: str, *arguments: object, **asked: object) -> object:
        try:
            return getattr(self._adapter, name)(*arguments, **asked)
        except EvolveError:
            raise  # what is wrong with the problem, in its own words
        except (Exception, SystemExit) as error:
            raise self._plugin.broken(f"{name} raised {said(error)}") from error
