"""The archives that are shipped, by name, each as what makes one for a problem with these axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from archive import Archive, ArchiveMaker, Axis, CellArchive, CVTArchive, GridArchive, LateArchive, NoveltyArchive, TopKArchive
from evolve._errors import ConfigError
from evolve._plugins import PluginBroken
from evolve.config._schema import DECLARED, STRUCTURE, RunConfig, SearchConfig
from evolve.problem.contract._contract import Contract


def _grid(config: RunConfig) -> ArchiveMaker:
    def made(*, axes: Sequence[Axis], capacity: int, elites_per_cell: int) -> Archive:
        return GridArchive(axes=axes, capacity=elites_per_cell)

    return made


def _topk(config: RunConfig) -> ArchiveMaker:
    def made(*, axes: Sequence[Axis], capacity: int, elites_per_cell: int) -> Archive:
        return TopKArchive(capacity=capacity)

    return made


def _auto(config: RunConfig) -> ArchiveMaker:
    def made(*, axes: Sequence[Axis], capacity: int, elites_per_cell: int) -> Archive:
        maker = (_grid if axes else _topk)(config)
        return maker(axes=axes, capacity=capacity, elites_per_cell=elites_per_cell)

    return made


def _cvt(config: RunConfig) -> ArchiveMaker:
    def made(*, axes: Sequence[Axis], capacity: int, elites_per_cell: int) -> Archive:
        return CVTArchive(axes=axes, n_cells=config.search.archive_cells, seed=config.seed, capacity=elites_per_cell)

    return made


def _novelty(config: RunConfig) -> ArchiveMaker:
    search = config.search

    def made(*, axes: Sequence[Axis], capacity: int, elites_per_cell: int) -> Archive:
        distance, neighbors = search.novelty_distance, search.novelty_neighbors
        return NoveltyArchive(axes=axes, distance=distance, neighbors=neighbors, capacity=elites_per_cell)

    return made


def _late(maker_of: Callable[[RunConfig], ArchiveMaker]) -> Callable[[RunConfig], ArchiveMaker]:
    """The same, with cells from when on a test says so where descriptors are computed."""

    def of(config: RunConfig) -> ArchiveMaker:
        maker, kind = maker_of(config), config.search.descriptors
        if kind == DECLARED:
            return maker

        def made(*, axes: Sequence[Axis], capacity: int, elites_per_cell: int) -> Archive:
            if axes:
                names = ", ".join(axis.name for axis in axes)
                raise ValueError(f"search.descriptors={kind} is for problems that declare none, found {names}; leave it out")

            def cells_over(axes: Sequence[Axis]) -> CellArchive:
                return cast(CellArchive, maker(axes=axes, capacity=capacity, elites_per_cell=elites_per_cell))

            return LateArchive(capacity=capacity, elites_per_cell=elites_per_cell, cells_over=cells_over)

        return made

    return of


ARCHIVES: Mapping[str, Callable[[RunConfig], ArchiveMaker]] = {
    "auto": _late(_auto),
    "grid": _late(_grid),
    "topk": _topk,
    "cvt": _late(_cvt),
    "novelty": _late(_novelty),
}
_WITH_CELLS = ("auto", "grid", "cvt", "novelty")
_OF = {"archive_cells": "cvt", "novelty_distance": "novelty", "novelty_neighbors": "novelty"}  # whose key it is

_OF_ISLANDS = ("migration_interval", "migrants", "reset_after")
ISLANDERS = "map_elites"  # the policy whose parents all come from the archive


def check_archive_keys(config: SearchConfig) -> None:
    """Find out that no key is set that another archive has.

    Raises:
        ConfigError: one is.
    """
    defaults = SearchConfig()
    for key, archive in _OF.items():
        given = getattr(config, key)
        if config.archive != archive and given != getattr(defaults, key):
            raise ConfigError(
                f"search.{key} is for search.archive={archive} and must be left out with search.archive={config.archive}, found "
                f"{given!r}; type search.archive={archive} search.{key}={given}"
            )
    if config.islands > 1 and config.policy != ISLANDERS:
        raise ConfigError(
            f"search.islands must be 1 with search={config.policy}, found {config.islands}; type search={ISLANDERS} "
            f"search.islands={config.islands}, whose parents are all elites of an island"
        )
    if config.descriptors != DECLARED and config.archive not in _WITH_CELLS:
        raise ConfigError(
            f"search.archive must be one of {', '.join(_WITH_CELLS)} with search.descriptors={config.descriptors}, which decides "
            f"when there are cells, found {config.archive!r}; leave search.archive out"
        )
    for key in _OF_ISLANDS:
        if config.islands == 1 and (given := getattr(config, key)) != getattr(defaults, key):
            raise ConfigError(
                f"search.{key} is for several islands and must be left out with one, found {given}; type search.islands=4 "
                f"search.{key}={given}"
            )


def check_axes(contract: Contract, config: SearchConfig) -> None:
    """Find out that an archive that always has cells has descriptors to have them along.

    Raises:
        ConfigError: it has none.
    """
    name = config.archive
    if name in _WITH_CELLS and name != "auto" and config.descriptors == DECLARED and not contract.axes:
        raise ConfigError(
            f"search.archive={name} has cells along descriptors, and the problem {contract.name} declares none; type "
            f"search.archive={name} search.descriptors={STRUCTURE}, or leave search.archive out"
        )


def check_rebinning(archive: Archive, axes: Sequence[Axis], contract: Contract, config: SearchConfig) -> None:
    """Find out that an archive, still empty, can take other ranges where ``search.rebin_share`` asks for that.

    Raises:
        ConfigError: it cannot.
    """
    if config.rebin_share is None or config.descriptors != DECLARED:
        return
    try:
        if axes:
            archive.rebin(axes, lambda key: {})
            return
        why = "there are no descriptors"
    except (ValueError, PluginBroken) as error:  # the second of an archive of somebody else
        why = str(error).rstrip(".")
    raise ConfigError(
        f"search.rebin_share cannot be used with the problem {contract.name} and search.archive={config.archive}: {why}; "
        "leave it out"
    )
