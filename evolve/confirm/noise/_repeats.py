"""Every run of every program, in the order they ended: what a mean and a variance do not keep."""

from __future__ import annotations

Run = tuple[float, int, float]  # Unix time of its end; its seed; its score, higher is better


class Repeats:
    """Runs at the last stage of a noisy problem, by program."""

    def __init__(self) -> None:
        self.by_row: dict[int, list[Run]] = {}
        self.count = 0

    def add(self, number: int, at: float, seed: int, score: float) -> None:
        """A run ended ok."""
        self.by_row.setdefault(number, []).append((at, seed, score))
        self.count += 1

    def of(self, number: int) -> list[Run]:
        """A program's runs."""
        return self.by_row.get(number, [])

    def scores(self, number: int) -> list[float]:
        """A program's scores, in order: the first at age 1."""
        return [score for _, _, score in self.of(number)]

    def ages(self, number: int) -> dict[int, int]:
        """The age of a program at each of its seeds: how many runs of it there were then, this one counted."""
        return {seed: age for age, (_, seed, _) in enumerate(self.of(number), 1)}
