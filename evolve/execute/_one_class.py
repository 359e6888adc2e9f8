"""One class of hardware a run, where its scores hang on the speed of machines: those of different hardware are never compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from archive import Hardware
from evolve.problem.contract._contract import Contract


class OneClass:
    """The class that a run is measured on: the one it has been, else that of whoever serves it first.

    Args:
        contracts: of the run's problems; where the scores of none hang on speed, every hardware serves.
        measured: what the run's scores so far were measured on, if there are any; without a card where none was made with one.
    """

    def __init__(self, contracts: Iterable[Contract], measured: Hardware | None = None) -> None:
        timed = [contract for contract in contracts if contract.depends_on_speed]
        self._names = ", ".join(contract.name for contract in timed)
        self._with_cards = any(stage.gpus > 0 for contract in timed for stage in contract.stages)
        self._expected = measured if timed else None

    def take(self, found: Hardware) -> str:
        """Have slots on this hardware serve from now on; why they cannot ("" where they can)."""
        if not self._names:
            return ""
        found = found if self._with_cards else _cpu_alone(found)
        expected = self._expected
        if expected is None or (not expected.card and _cpu_alone(found) == expected):
            self._expected = found
            return ""
        if found == expected:
            return ""
        return (
            f"expected {expected}, on which this run is measured, found {found}: scores of {self._names} hang on speed, and those "
            "of different hardware are never compared; go on where that hardware is, or start another run here: "
            "evolve run problem=RUN/problem"
        )


def _cpu_alone(hardware: Hardware) -> Hardware:
    return replace(hardware, card="", driver="", clocks="")
