"""The archives that are shipped, by name, each as what makes one for a problem with these axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from archive import Archive, ArchiveMaker, Axis, CVTArchive, GridArchive, LateGridArchive, NoveltyArchive, TopKArchive
from evolve._errors import ConfigError
from evolve._plugins import PluginBroken
from evolve.config._schema import STRUCTURE, RunConfig, SearchConfig
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
        if config.search.descriptors == STRUCTURE:
            if axes:
                names = ", ".join(axis.name for axis in axes)
                raise ValueError(f"search.descriptors=structure is for problems that declare none, found {names}; leave it out")
            return LateGridArchive(capacity=capacity, elites_per_cell=elites_per_cell)
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


ARCHIVES: Mapping[str, Callable[[RunConfig], ArchiveMaker]] = {
    "auto": _auto,
    "grid": _grid,
    "topk": _topk,
    "cvt": _cvt,
    "novelty": _novelty,
}
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
    if config.descriptors == STRUCTURE and config.archive != "auto":
        raise ConfigError(
            f"search.archive must be auto with search.descriptors={STRUCTURE}, which decides when there are cells, found "
            f"{config.archive!r}; leave search.archive out"
        )
    for key in _OF_ISLANDS:
        if config.islands == 1 and (given := getattr(config, key)) != getattr(defaults, key):
            raise ConfigError(
                f"search.{key} is for several islands and must be left out with one, found {given}; type search.islands=4 "
                f"search.{key}={given}"
            )


def check_rebinning(archive: Archive, axes: Sequence[Axis], contract: Contract, config: SearchConfig) -> None:
    """Find out that an archive, still empty, can take other ranges where ``search.rebin_share`` asks for that.

    Raises:
        ConfigError: it cannot.
    """
    if config.rebin_share is None or config.descriptors == STRUCTURE:
        return
    try:
        if axes:
            archive.rebin(axes, lambda key: {})
            return
        why = "there are no descriptors"
    except (ValueError, PluginBroken) as error:  # the second of an archive of somebody else
        why = str(error).rstrip(".")
    raise ConfigError(
        f"search.rebin_share cannot be used with {contract.name} and search.archive={config.archive}: {why}; leave it out"
    )
