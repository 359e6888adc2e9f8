"""What whoever makes children has cost so far: counted as results come in, so that nobody has to read the records for it."""

from __future__ import annotations

from dataclasses import dataclass

from archive import Measurement, ProposalStatus, Proposed

Maker = tuple[str, int]  # how a child's parents were chosen ("" where there is one way), and its arm; none's is a person's

_NO_CHILD = (ProposalStatus.INVALID, ProposalStatus.FAILED, ProposalStatus.LOST)


@dataclass(slots=True)
class Cost:
    """Of one maker: tickets that led to a ``duplicates`` of a known program or to ``no_child`` at all; CPU of making and of
    measuring, wall time of measuring; dollars of models."""

    duplicates: int = 0
    no_child: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    usd: float = 0.0


class Costs:
    """By maker.  The initial program is nobody's, and what of a measurement does not count is not counted here."""

    def __init__(self) -> None:
        self.of: dict[Maker, Cost] = {}

    def on_proposed(self, maker: Maker, record: Proposed) -> None:
        """A ticket ended, or a program was told without one."""
        cost = self.of.setdefault(maker, Cost())
        cost.duplicates += record.status is ProposalStatus.DUPLICATE
        cost.no_child += record.status in _NO_CHILD
        cost.cpu_s += record.cpu_s
        cost.usd += record.usd

    def on_measured(self, maker: Maker, result: Measurement) -> None:
        """A measurement of one of its children counts."""
        cost = self.of.setdefault(maker, Cost())
        cost.cpu_s += result.cpu_s + result.scorer_cpu_s
        cost.wall_s += result.wall_s
