"""Operators, archives and executors of other people's packages, made from their entry points (``evolve._plugins``).

What a package's code does when it is called is its own; an operator that raises has failed at one ticket, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from archive import Archive, ArchiveMaker, Axis, CellStore, ProposalStatus
from evolve._plugins import Plugin, said
from evolve.search.state._operators import OperatorSpec

if TYPE_CHECKING:
    import numpy as np

    from evolve.execute import Executor, Sink
    from evolve.problem.contract._contract import Problem
    from evolve.propose import Operator, Proposal, ProposalTask

_MAY_END = (ProposalStatus.CHILD, ProposalStatus.INVALID, ProposalStatus.FAILED)


def load_operator(plugin: Plugin) -> Operator:
    """An operator of somebody else, ready to be asked.

    Raises:
        PluginBroken: it is none, or one that only this package can have.
    """
    made = plugin.load()
    try:
        operator = made() if callable(made) else made
        spec = getattr(operator, "spec", None)
    except (Exception, SystemExit) as error:
        raise plugin.broken(said(error)) from error
    if not isinstance(spec, OperatorSpec) or not callable(getattr(operator, "propose", None)):
        raise plugin.broken("an operator has a spec (evolve.propose.OperatorSpec) and a method propose, and it has not")
    if spec.name != plugin.name:
        raise plugin.broken(f"its spec calls it {spec.name}")
    if spec.model or spec.tunes or spec.replaces:
        raise plugin.broken("asking models, tuning and replacing parents are for the shipped operators")
    return _Guarded(cast("Operator", operator), spec, plugin)


class _Guarded:
    """An operator that never raises, whatever it is made of."""

    def __init__(self, operator: Operator, spec: OperatorSpec, plugin: Plugin) -> None:
        self._operator, self._plugin, self.spec = operator, plugin, spec

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """What the operator makes, if it is something that can be taken."""
        from evolve.propose import Proposal

        try:
            made: object = self._operator.propose(task, rng)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - other people's code raises anything
            return Proposal(ProposalStatus.FAILED, reason=f"{self._plugin} raised {said(error)}")
        if isinstance(made, Proposal) and made.status in _MAY_END and _are_files(made):
            return made
        return Proposal(ProposalStatus.FAILED, reason=f"{self._plugin} {_lacking(made)}")


def _lacking(made: object) -> str:
    """What is wrong with what an operator gave."""
    from evolve.propose import Proposal

    if isinstance(made, Proposal) and made.status is ProposalStatus.CHILD:
        return f"must give files as a mapping from path to text, found {made.files!r:.200}"
    return f"must give Proposal.child or Proposal.none and gave no child and no reason, found {made!r:.200}"


def _are_files(made: Proposal) -> bool:
    if made.status is not ProposalStatus.CHILD:
        return True
    found = made.files
    return isinstance(found, Mapping) and all(isinstance(part, str) for pair in found.items() for part in pair)


def source_of(plugin: Plugin) -> str:
    """What says that a plugin's code is another: its version, and a hash of the file that its entry point names."""
    import hashlib
    from pathlib import Path

    file = getattr(import_module(plugin.entry.module), "__file__", None)
    text = Path(file).read_bytes() if file else b""
    return f"{plugin.package} {plugin.version} {hashlib.blake2b(text, digest_size=8).hexdigest()}"


def load_archive(plugin: Plugin) -> ArchiveMaker:
    """What makes an archive of somebody else.

    Raises:
        PluginBroken: nothing does.
    """
    maker = plugin.load()
    if not callable(maker):
        raise plugin.broken("an archive is made by a call with axes, capacity and elites_per_cell, and it cannot be called")

    def made(*, axes: Sequence[Axis], capacity: int, elites_per_cell: int) -> Archive:
        try:
            archive: object = maker(axes=axes, capacity=capacity, elites_per_cell=elites_per_cell)
        except ValueError:
            raise  # the axes do not suit it
        except (Exception, SystemExit) as error:
            raise plugin.broken(said(error)) from error
        if not isinstance(archive, Archive):
            raise plugin.broken("what it makes is no archive.Archive")
        return cast(Archive, _GuardedArchive(archive, plugin))

    return made


class _GuardedArchive:
    """An archive whose every mistake is a sentence: a record that it cannot take stands in the journal already, and whoever opens
    the run meets it again until the package is mended."""

    def __init__(self, archive: Archive, plugin: Plugin) -> None:
        self._archive, self._plugin = archive, plugin
        self.would_enter = partial(self._call, "would_enter")
        self.value = partial(self._call, "value")
        self.add_or_update = partial(self._call, "add_or_update")
        self.retract = partial(self._call, "retract")
        self.dump = partial(self._call, "dump")
        self.load = partial(self._call, "load")

    @property
    def cells(self) -> CellStore:
        return self._archive.cells

    @property
    def space(self) -> int:
        return self._archive.space

    @property
    def n_cells(self) -> int:
        return self._archive.n_cells

    def cell_of(self, descriptors: Mapping[str, float]) -> int:
        cell: object = self._call("cell_of", descriptors)
        if not isinstance(cell, int) or not 0 <= cell < self.n_cells:
            raise self._plugin.broken(f"it has {self.n_cells} cells and put a candidate into {cell!r}")
        return cell

    def rebin(self, axes: Sequence[Axis], descriptors_of: Callable[[int], Mapping[str, float]]) -> _GuardedArchive:
        return _GuardedArchive(self._call("rebin", axes, descriptors_of), self._plugin)

    def _call(self, name: str, *arguments: object) -> Any:
        try:
            return getattr(self._archive, name)(*arguments)
        except (Exception, SystemExit) as error:
            raise self._plugin.broken(f"{name} raised {said(error)}") from error


def load_executor(plugin: Plugin) -> Callable[..., Executor]:
    """What makes an executor of somebody else.

    Raises:
        PluginBroken: nothing does.
    """
    maker = plugin.load()
    if not callable(maker):
        raise plugin.broken("an executor is made by a call with problems, slots, tier and sink, and it cannot be called")

    def made(problems: Mapping[str, Problem], *, slots: int, tier: str, sink: Sink) -> Executor:
        from evolve.engine.registry._guarded_executor import GuardedExecutor

        return GuardedExecutor(plugin, lambda checked: maker(problems, slots=slots, tier=tier, sink=checked), sink)

    return made
