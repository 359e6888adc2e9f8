"""The vaults of a run: what is to be measured for them, and what they came to.

Openings of one milestone are one group: they share a bank of reference runs, are measured in turn with it, and are ruled on
together.  A group takes openings until the first of its runs is handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archive import Tally
from evolve.confirm._vault import LEVEL, Sizes, Vault, estimate, gate, holds_by

_MISSED_MAX = 2  # runs of a bank that may fail


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that a vault waits for."""

    candidate: int
    seed: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a vault came to, as it is to be recorded.  Higher is better; effect and interval are None where there is no estimate,
    and the p-value where the vault ended before its test."""

    vault: Vault
    confirmed: bool
    p_value: float | None
    reason: str


class Docket:
    """All openings, in order."""

    def __init__(self) -> None:
        self.vaults: list[Vault] = []
        self.base = 0  # milestones that do not count for what is left of the budget
        self.ended_by = ""  # the limit that the last vaults of this budget were opened at: from then on nothing new is searched for
        self.handed: dict[int, list[int]] = {}  # candidate -> seeds handed out

    def opened(self, vault: Vault) -> None:
        """A vault was opened."""
        self.vaults.append(vault)

    def group(self, milestone: int) -> list[Vault]:
        """The openings of one milestone."""
        return [vault for vault in self.vaults if vault.milestone == milestone]

    def started(self, milestone: int) -> bool:
        """Whether a run of that group was handed out."""
        return any(
            seed in self.handed.get(vault.candidate, ()) for vault in self.group(milestone) for seed in vault.own_seeds
        ) or any(seed in self.handed.get(vault.reference, ()) for vault in self.group(milestone) for seed in vault.bank_seeds)

    def was_opened(self, candidate: int, reference: int) -> bool:
        """Whether this claim has had its vault."""
        return any(vault.candidate == candidate and vault.reference == reference for vault in self.vaults)

    @property
    def undecided(self) -> list[Vault]:
        """Vaults that no ruling has been recorded for."""
        return [vault for vault in self.vaults if vault.confirmed is None]

    def wanted(self) -> list[Wanted]:
        """Runs to be handed out now, reference and candidates in turn, so that any stretch of them holds its share of each."""
        for milestone in sorted({vault.milestone for vault in self.undecided}):
            group = self.group(milestone)
            lists = [list(self._own(vault)) for vault in group if not vault.failed]
            lists += [list(self._bank(vault, group)) for vault in group if vault.bank_seeds]
            found = _interleaved([[one for one in items if not self._was_handed(one)] for items in lists])
            if found:
                return found
        return []

    def issued(self, candidate: int, seed: int) -> None:
        """A run was handed out."""
        self.handed.setdefault(candidate, []).append(seed)

    def returned(self, candidate: int, seed: int) -> None:
        """A run was taken back before it ran: it is wanted again."""
        if seed in self.handed.get(candidate, ()):
            self.handed[candidate].remove(seed)

    def measured(self, candidate: int, seed: int, score: float | None, reason: str) -> None:
        """A run ended; ``score`` is None where it failed.  A vault whose candidate fails is lost; a bank does without the run."""
        for vault in self.vaults:
            if vault.candidate == candidate and seed in vault.own_seeds and not vault.failed:
                if score is None:
                    vault.failed = reason
                else:
                    vault.own[seed] = score
            if vault.reference == candidate and seed in vault.bank_seeds:
                if score is None:
                    vault.bank_seeds = tuple(one for one in vault.bank_seeds if one != seed)
                    self._check_bank(vault)
                else:
                    vault.theirs[seed] = score
        for vault in self.undecided:
            self._advance(vault)

    def lost(self, candidate: int, reason: str) -> None:
        """A run of this candidate was lost, or cannot be made: its open vaults fail.  A run bought again would be a re-roll."""
        for vault in self.undecided:
            if vault.candidate == candidate and not vault.failed:
                vault.failed = reason

    def rulings(self, doubt: Callable[[Vault], str] = lambda vault: "") -> list[Ruling]:
        """What changes now that a group is complete: its own vaults, and earlier ones that no longer hold, or hold after all.

        ``doubt`` says why a claim that its vault speaks for is withheld ("" if it is not).
        """
        decided = [vault for vault in self.vaults if self._complete(vault)]
        groups = {vault.milestone for vault in self.undecided}
        if not groups or any(vault not in decided for vault in self.undecided if vault.milestone == min(groups)):
            return []
        held = holds_by([_p_value(vault) for vault in decided])
        found = []
        for vault, holds in zip(decided, held, strict=True):
            why = doubt(vault) if holds and vault.effect is not None and vault.effect.effect > 0 else _reason(vault)
            if vault.confirmed is not (not why):
                found.append(Ruling(vault, not why, vault.gate_p, why))
        return found

    def ruled(self, number: int, confirmed: bool) -> None:
        """A ruling was recorded."""
        self.vaults[number].confirmed = confirmed

    def fresh_runs(self, vault: Vault) -> Tally:
        """The candidate's runs of the estimate: it was not chosen for them."""
        tally = Tally()
        for seed in vault.own_seeds[vault.sizes.gate[0] :]:
            if seed in vault.own:
                tally.add(vault.own[seed])
        return tally

    def retracted(self, candidate: int) -> None:
        """A candidate was found to cheat: what was claimed for it is withdrawn and stays visible."""
        for vault in self.vaults:
            if vault.candidate == candidate:
                vault.withdrawn = True
                vault.failed = vault.failed or "retracted"

    @property
    def cost(self) -> int:
        """Runs that the vaults so far have taken, or will."""
        return sum(
            (vault.sizes.own if self._goes_on(vault) else vault.sizes.gate[0]) + len(vault.bank_seeds) for vault in self.vaults
        )

    @property
    def outstanding(self) -> int:
        """Runs that open vaults will still take."""
        return max(self.cost - sum(map(len, self.handed.values())), 0) if self.undecided else 0

    @property
    def expected_false(self) -> float:
        """How many of the openings so far a gate at its level lets through by chance, at most."""
        return LEVEL * len(self.vaults)

    # ------------------------------------------------------------------------------------------------ inside

    def _goes_on(self, vault: Vault) -> bool:
        """Whether the estimate was made, or may still be."""
        return not vault.failed and (vault.gate_p is None or vault.gate_p < LEVEL)

    def _own(self, vault: Vault) -> Sequence[Wanted]:
        """The candidate's runs that its vault waits for: those of the gate, then those of the estimate."""
        n = vault.sizes.gate[0] if vault.gate_p is None else len(vault.own_seeds) if vault.gate_p < LEVEL else 0
        return [Wanted(vault.candidate, seed) for seed in vault.own_seeds[:n]]

    def _bank(self, vault: Vault, group: Sequence[Vault]) -> Sequence[Wanted]:
        passed = any(one.gate_p is not None and one.gate_p < LEVEL and not one.failed for one in group)
        waits = any(not one.failed and one.gate_p is None for one in group)
        n = len(vault.bank_seeds) if passed and not waits else vault.sizes.gate[1] if waits else 0
        return [Wanted(vault.reference, seed) for seed in vault.bank_seeds[:n]]

    def _check_bank(self, bank: Vault) -> None:
        """A reference that keeps failing cannot be compared with."""
        if len(bank.bank_seeds) < bank.sizes.bank - _MISSED_MAX:
            for vault in self.undecided:
                if vault.bank == bank.number and not vault.failed:
                    vault.failed = "the reference failed in its own runs"

    def _was_handed(self, one: Wanted) -> bool:
        return one.seed in self.handed.get(one.candidate, ())

    def _advance(self, vault: Vault) -> None:
        """Decide the gate, or the estimate, once its runs are complete."""
        bank = self.vaults[vault.bank]
        own, theirs = vault.own_seeds, bank.bank_seeds
        n, m = vault.sizes.gate[0], bank.sizes.gate[1]
        if vault.failed:
            return
        if vault.gate_p is None and _all_there(own[:n], vault.own) and _all_there(theirs[:m], bank.theirs):
            vault.gate_p = gate(*_scores(vault, bank, own[:n], theirs[:m]), paired=vault.paired)
        if vault.gate_p is None or vault.gate_p >= LEVEL or vault.effect is not None:
            return
        if _all_there(own[n:], vault.own) and _all_there(theirs[m:], bank.theirs):
            vault.effect = estimate(*_scores(vault, bank, own[n:], theirs[m:]), paired=vault.paired)

    def _complete(self, vault: Vault) -> bool:
        return bool(vault.failed) or vault.effect is not None or (vault.gate_p is not None and vault.gate_p >= LEVEL)


def make_vault(
    number: int, candidate: int, reference: int, milestone: int, sizes: Sizes, bank: int, paired: bool, seeds: Sequence[int]
) -> Vault:
    """A vault from what its opening recorded: the candidate's seeds first, then the bank's where it brought one."""
    return Vault(number, candidate, reference, milestone, sizes, bank, paired, tuple(seeds[: sizes.own]), tuple(seeds[sizes.own :]))


def _p_value(vault: Vault) -> float:
    """As it counts among all openings: one that failed shows nothing."""
    return 1.0 if vault.failed or vault.gate_p is None else vault.gate_p


def _reason(vault: Vault) -> str:
    if vault.failed:
        return vault.failed
    if vault.gate_p is not None and vault.gate_p >= LEVEL:
        return f"not better on fresh seeds: p = {vault.gate_p:.3g}, expected below {LEVEL:g}"
    if vault.effect is not None and vault.effect.effect <= 0:
        return "better in the gate's runs, not in those of the estimate"
    return "does not hold among all openings so far (Benjamini and Yekutieli, 0.05)"


def _all_there(seeds: Sequence[int], scores: dict[int, float]) -> bool:
    return all(seed in scores for seed in seeds)


def _scores(vault: Vault, bank: Vault, own: Sequence[int], theirs: Sequence[int]) -> tuple[list[float], list[float]]:
    """The two samples, in order; of pairs only those both of whose runs are there."""
    if vault.paired:
        own = theirs = [seed for seed in own if seed in bank.theirs]
    return _pick(own, vault.own), _pick(theirs, bank.theirs)


def _pick(seeds: Sequence[int], scores: dict[int, float]) -> list[float]:
    return [scores[seed] for seed in seeds]


def _interleaved(lists: Sequence[Sequence[Wanted]]) -> list[Wanted]:
    """Each list spread evenly over the whole."""
    placed = [((i + 0.5) / len(items), number, one) for number, items in enumerate(lists) for i, one in enumerate(items)]
    return [one for _, _, one in sorted(placed, key=lambda item: item[:2])]
