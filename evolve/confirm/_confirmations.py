"""The vaults of a run: what is to be measured for them, and what they came to.

Openings of one milestone are one group: they share a bank of reference runs, are measured in turn with it, and are ruled on
together.  A group takes openings until the first of its runs is handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archive import Tally
from evolve.confirm._holdout import LEVEL, Sizes, Vault, estimate, gate, holds_by

_MISSED_MAX = 2  # runs of a bank that may fail


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that a vault waits for."""

    candidate: int
    seed: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is thought of a complete vault: its p-value, why its claim is withheld nevertheless ("" if it is not), and how many runs
    of the candidate in all may change that (0: none)."""

    p_value: float
    why: str = ""
    wants: int = 0


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a vault came to, as it is to be recorded.  Higher is better; effect and interval are None where there is no estimate,
    and the p-value where the vault ended before its test."""

    vault: Vault
    confirmed: bool
    p_value: float | None
    reason: str
    wants: int = 0


Judge = Callable[[Vault], Verdict]


def by_its_gate(vault: Vault) -> Verdict:
    """A vault that is judged by its gate alone."""
    return Verdict(1.0 if vault.failed or vault.gate_p is None else vault.gate_p)


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

    def rulings(self, judge: Judge = by_its_gate, *, again: bool = False) -> list[Ruling]:
        """What changes now that a group is complete: its own vaults, and earlier ones that no longer hold, or hold after all.

        Args:
            judge: what is thought of a complete vault.
            again: also where no vault waits for a ruling, because more is known than at the last one.
        """
        decided = [vault for vault in self.vaults if self._complete(vault)]
        groups = {vault.milestone for vault in self.undecided}
        if not groups and not again:
            return []
        if groups and any(vault not in decided for vault in self.undecided if vault.milestone == min(groups)):
            return []
        verdicts = [judge(vault) for vault in decided]
        held = holds_by([verdict.p_value for verdict in verdicts])
        found = []
        for vault, verdict, holds in zip(decided, verdicts, held, strict=True):
            speaks = holds and vault.effect is not None and vault.effect.effect > 0
            why = verdict.why if speaks else _reason(vault, verdict)
            wants = verdict.wants if speaks else 0
            if vault.confirmed is not (not why) or vault.wants != wants:
                found.append(
                    Ruling(vault, not why, vault.gate_p if vault.failed or vault.gate_p is None else verdict.p_value, why, wants)
                )
        return found

    def ruled(self, number: int, confirmed: bool, wants: int = 0) -> None:
        """A ruling was recorded."""
        self.vaults[number].confirmed, self.vaults[number].wants = confirmed, wants

    def halves(self, vault: Vault, *, gate: bool) -> tuple[Sequence[int], Sequence[int]]:
        """Seeds of a complete gate, or of a complete estimate: the candidate's and the reference's."""
        bank = self.vaults[vault.bank]
        n, m = vault.sizes.gate[0], bank.sizes.gate[1]
        own, theirs = (vault.own_seeds[:n], bank.bank_seeds[:m]) if gate else (vault.own_seeds[n:], bank.bank_seeds[m:])
        if vault.paired:
            own = theirs = tuple(seed for seed in own if seed in bank.theirs)
        return own, theirs

    def gate_scores(self, vault: Vault) -> tuple[list[float], list[float]]:
        """Scores of a complete gate: the candidate's and the reference's."""
        return self._scores(vault, gate=True)

    def estimate_scores(self, vault: Vault) -> tuple[list[float], list[float]]:
        """Scores of a complete estimate."""
        return self._scores(vault, gate=False)

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

    def _scores(self, vault: Vault, *, gate: bool) -> tuple[list[float], list[float]]:
        own, theirs = self.halves(vault, gate=gate)
        return _pick(own, vault.own), _pick(theirs, self.vaults[vault.bank].theirs)

    def _advance(self, vault: Vault) -> None:
        """Decide the gate, or the estimate, once its runs are complete."""
        bank = self.vaults[vault.bank]
        own, theirs = vault.own_seeds, bank.bank_seeds
        n, m = vault.sizes.gate[0], bank.sizes.gate[1]
        if vault.failed:
            return
        if vault.gate_p is None and _all_there(own[:n], vault.own) and _all_there(theirs[:m], bank.theirs):
            vault.gate_p = gate(*self.gate_scores(vault), paired=vault.paired)
        if vault.gate_p is None or vault.gate_p >= LEVEL or vault.effect is not None:
            return
        if _all_there(own[n:], vault.own) and _all_there(theirs[m:], bank.theirs):
            vault.effect = estimate(*self.estimate_scores(vault), paired=vault.paired)

    def _complete(self, vault: Vault) -> bool:
        return bool(vault.failed) or vault.effect is not None or (vault.gate_p is not None and vault.gate_p >= LEVEL)


def make_vault(
    number: int, candidate: int, reference: int, milestone: int, sizes: Sizes, bank: int, paired: bool, seeds: Sequence[int]
) -> Vault:
    """A vault from what its opening recorded: the candidate's seeds first, then the bank's where it brought one."""
    return Vault(number, candidate, reference, milestone, sizes, bank, paired, tuple(seeds[: sizes.own]), tuple(seeds[sizes.own :]))


def _reason(vault: Vault, verdict: Verdict) -> str:
    if vault.failed:
        return vault.failed
    if vault.gate_p is not None and vault.gate_p >= LEVEL:
        return f"not better on fresh seeds: p = {vault.gate_p:.3g}, expected below {LEVEL:g}"
    if vault.effect is not None and vault.effect.effect <= 0:
        return "better in the gate's runs, not in those of the estimate"
    if verdict.p_value >= LEVEL:
        return verdict.why
    return "does not hold among all openings so far (Benjamini and Yekutieli, 0.05)"


def _all_there(seeds: Sequence[int], scores: dict[int, float]) -> bool:
    return all(seed in scores for seed in seeds)


def _pick(seeds: Sequence[int], scores: dict[int, float]) -> list[float]:
    return [scores[seed] for seed in seeds]


def _interleaved(lists: Sequence[Sequence[Wanted]]) -> list[Wanted]:
    """Each list spread evenly over the whole."""
    placed = [((i + 0.5) / len(items), number, one) for number, items in enumerate(lists) for i, one in enumerate(items)]
    return [one for _, _, one in sorted(placed, key=lambda item: item[:2])]
