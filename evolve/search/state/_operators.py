"""What the search must know of an operator to hand it a ticket.  Which operators there are, it is told: it names none.

The type lies here, with the one who asks, and below everyone who answers: the operators declare theirs beside themselves, other
people's packages too, and a run is read without importing any code that makes children.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Parent(StrEnum):
    """Whom an operator works on; while there is nobody of the kind it gets no ticket."""

    ELITE = "elite"  # who wins a tournament in the archive
    AMONG_ELITES = "among elites"  # the same, once there is another elite to take from
    LEADER = "leader"  # the best, once a fresh process has measured it; never the initial program
    FAILED = "failed"  # the last child of a model or a person that failed and that nobody has mended
    STEP = "step"  # the best, its parent and itself: to go on where the last step paid
    MIRRORED = "mirrored"  # the best, a child of it that did worse and itself: to step the other way
    GAINS = "gains"  # the best, and a step that paid on another line of descent, or that did not under another bottleneck
    ANCESTORS = "ancestors"  # the best, and a step on the way to it, to be taken back
    RELATIVE = "relative"  # where the main climb stands; it is shown the best of a related problem of the run
    TUNED = "tuned"  # the program whose numbers the constant tuner moves


@dataclass(frozen=True, slots=True)
class OperatorSpec:
    """One operator.

    Args:
        name: As in the configuration and in every record.
        family: The bandit keeps a floor of the tickets for each family.
        parent: Whom it works on.
        n_parents: Two are elites that a fresh process has measured, of different descent where there are such.
        model: Whether a language model makes the child; then there is an arm for each model and each form of answer.
        formats: The only forms in which a model may answer; none named: those that are configured.
        prefers: The one form it takes where that is configured.
        when_stuck: It gets tickets only while the search stagnates, and goes to the large model where there is one.
        replaces: A child that has shown to be no worse takes its parent's place.
        must_gain: A child must be better to take its parent's place: one that is only as good has code more, or in another order,
            for nothing.
        prior: What is expected of it, beside others, before it has earned anything.

    Raises:
        ValueError: the parts do not go together.
    """

    name: str
    family: str
    parent: Parent = Parent.ELITE
    n_parents: int = 1
    model: bool = False
    formats: tuple[str, ...] = ()
    prefers: str = ""
    when_stuck: bool = False
    replaces: bool = False
    must_gain: bool = False
    prior: float = 0.5

    def __post_init__(self) -> None:
        if not self.name or not self.family:
            raise ValueError(f"an operator has a name and a family, found {self.name!r} and {self.family!r}.")
        if self.repeats != (self.n_parents == 3):
            raise ValueError(f"{self.name} has {self.n_parents} parents; an operator that repeats a change has three.")
        if self.n_parents not in (1, 2, 3) or (self.n_parents == 2 and self.parent is not Parent.ELITE):
            raise ValueError(f"{self.name} has {self.n_parents} parents ({self.parent}); expected one, or two that are elites.")

    @property
    def edits(self) -> bool:
        """Whether it makes a child of any one parent at any time: what the baselines use."""
        return self.parent is Parent.ELITE and self.n_parents == 1 and not self.when_stuck

    @property
    def repeats(self) -> bool:
        """Whether it makes a known change once more."""
        return self.parent in (Parent.STEP, Parent.MIRRORED, Parent.GAINS, Parent.ANCESTORS)

    @property
    def tunes(self) -> bool:
        """Whether it is the constant tuner's: its tickets are the tuner's to give, and the bandit learns nothing of them."""
        return self.parent is Parent.TUNED
