"""Changes that were gains, and which were made once more: what operators that repeat a change choose from."""

from __future__ import annotations

from collections import deque

Change = tuple[int, int, int]  # rows: the program it is made to, then from which program to which it led

_KEPT = 64


class KnownChanges:
    """Children that did better than their parents, the newest last; and what operators were given, so that nothing is twice."""

    def __init__(self) -> None:
        self.gains: deque[int] = deque(maxlen=_KEPT)
        self._given: set[str] = set()
        self.taken: dict[str, int] = {}  # related problem -> how many children it had when its best was offered last
        # Operator -> the program it works on, and the gain of another line it may be given for that; until either changes.
        self.elsewhere: dict[str, tuple[int, Change | None]] = {}

    def on_given(self, operator: str, parents: tuple[int, ...]) -> None:
        """An operator was handed a change: the program it is made to, and from which to which it led."""
        self._given.add(_key(operator, parents))
        self.elsewhere.pop(operator, None)

    def was_given(self, operator: str, parents: tuple[int, ...]) -> bool:
        """Whether it was."""
        return _key(operator, parents) in self._given

    def was_made_again(self, before: int, after: int) -> bool:
        """Whether some operator was given the change between these two, for whatever program."""
        return any(given.split(" ")[2:] == [str(before), str(after)] for given in self._given)

    def on_child(self, number: int, score: float | None, before: float | None) -> None:
        """It is known what became of a child; ``before`` is its parent's score."""
        if score is not None and before is not None and score > before:
            self.gains.append(number)
            self.elsewhere.clear()


def _key(operator: str, parents: tuple[int, ...]) -> str:
    """As a text, for checkpoints."""
    return " ".join([operator, *map(str, parents)])
