"""The vaults of a run: what is to be measured for them, and what they came to.

Openings of one milestone are one group: they share a bank of reference runs, are measured in turn with it, and are ruled on
together.  A group takes openings until the first of its runs is handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archive import RunningStats
from evolve.confirm._holdout import LEVEL, Confirmation, Sizes, benjamini_yekutieli, estimate, welch_p_value

_MISSED_MAX = 2  # runs of a bank that may fail


@dataclass(frozen=True, slots=True)
class RunRequest:
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
class Decision:
    """What a vault came to, as it is to be recorded.  Higher is better; effect and interval are None where there is no estimate,
    and the p-value where the vault ended before its test."""

    confirmation: Confirmation
    confirmed: bool
    p_value: float | None
    reason: str
    wants: int = 0


Judge = Callable[[Confirmation], Verdict]


def decide_by_test(vault: Confirmation) -> Verdict:
    """A vault that is judged by its gate alone."""
    return Verdict(1.0 if vault.failed or vault.test_p is None else vault.test_p)


class Confirmations:
    """All openings, in order."""

    def __init__(self) -> None:
        self.confirmations: list[Confirmation] = []
        self.first_interim = 0  # milestones that do not count for what is left of the budget
        self.ended_by = ""  # the limit that the last vaults of this budget were opened at: from then on nothing new is searched for
        self.issued_seeds: dict[int, list[int]] = {}  # candidate -> seeds handed out

    def on_opened(self, vault: Confirmation) -> None:
        """A vault was opened."""
        self.confirmations.append(vault)

    def at_interim(self, milestone: int) -> list[Confirmation]:
        """The openings of one milestone."""
        return [vault for vault in self.confirmations if vault.interim == milestone]

    def on_started(self, milestone: int) -> bool:
        """Whether a run of that group was handed out."""
        return any(
            seed in self.issued_seeds.get(vault.candidate, ())
            for vault in self.at_interim(milestone)
            for seed in vault.candidate_seeds
        ) or any(
            seed in self.issued_seeds.get(vault.reference, ())
            for vault in self.at_interim(milestone)
            for seed in vault.control_seeds
        )

    def was_opened(self, candidate: int, reference: int) -> bool:
        """Whether this claim has had its vault."""
        return any(vault.candidate == candidate and vault.reference == reference for vault in self.confirmations)

    @property
    def has_open(self) -> list[Confirmation]:
        """Vaults that no ruling has been recorded for."""
        return [vault for vault in self.confirmations if vault.confirmed is None]

    def next_runs(self) -> list[RunRequest]:
        """Runs to be handed out now, reference and candidates in turn, so that any stretch of them holds its share of each."""
        for milestone in sorted({vault.interim for vault in self.has_open}):
            group = self.at_interim(milestone)
            lists = [list(self._candidate_runs(vault)) for vault in group if not vault.failed]
            lists += [list(self._control_runs(vault, group)) for vault in group if vault.control_seeds]
            found = _interleaved([[one for one in items if not self._was_issued(one)] for items in lists])
            if found:
                return found
        return []

    def on_issued(self, candidate: int, seed: int) -> None:
        """A run was handed out."""
        self.issued_seeds.setdefault(candidate, []).append(seed)

    def on_returned(self, candidate: int, seed: int) -> None:
        """A run was taken back before it ran: it is wanted again."""
        if seed in self.issued_seeds.get(candidate, ()):
            self.issued_seeds[candidate].remove(seed)

    def on_measured(self, candidate: int, seed: int, score: float | None, reason: str) -> None:
        """A run ended; ``score`` is None where it failed.  A vault whose candidate fails is lost; a bank does without the run."""
        for vault in self.confirmations:
            if vault.candidate == candidate and seed in vault.candidate_seeds and not vault.failed:
                if score is None:
                    vault.failed = reason
                else:
                    vault.candidate_scores[seed] = score
            if vault.reference == candidate and seed in vault.control_seeds:
                if score is None:
                    vault.control_seeds = tuple(one for one in vault.control_seeds if one != seed)
                    self._check_control(vault)
                else:
                    vault.control_scores[seed] = score
        for vault in self.has_open:
            self._advance(vault)

    def on_lost(self, candidate: int, reason: str) -> None:
        """A run of this candidate was lost, or cannot be made: its open vaults fail.  A run bought again would be a re-roll."""
        for vault in self.has_open:
            if vault.candidate == candidate and not vault.failed:
                vault.failed = reason

    @property
    def complete(self) -> list[Confirmation]:
        """Vaults that have ended, whatever is thought of them."""
        return [vault for vault in self.confirmations if self._complete(vault)]

    def decisions(self, judge: Judge = decide_by_test, *, again: bool = False, elsewhere: Sequence[float] = ()) -> list[Decision]:
        """What changes now that a group is complete: its own vaults, and earlier ones that no longer hold, or hold after all.

        Args:
            judge: what is thought of a complete vault.
            again: also where no vault waits for a ruling, because more is known than at the last one.
            elsewhere: p-values of vaults that have ended of the run's other problems: claims hold among all of a run.
        """
        decided = self.complete
        groups = {vault.interim for vault in self.has_open}
        if not groups and not again:
            return []
        if groups and any(vault not in decided for vault in self.has_open if vault.interim == min(groups)):
            return []
        verdicts = [judge(vault) for vault in decided]
        held = benjamini_yekutieli([*(verdict.p_value for verdict in verdicts), *elsewhere])[: len(verdicts)]
        found = []
        for vault, verdict, holds in zip(decided, verdicts, held, strict=True):
            speaks = holds and vault.effect is not None and vault.effect.effect > 0
            why = verdict.why if speaks else _reason(vault, verdict)
            wants = verdict.wants if speaks else 0
            if vault.confirmed is not (not why) or vault.wants != wants:
                found.append(
                    Decision(vault, not why, vault.test_p if vault.failed or vault.test_p is None else verdict.p_value, why, wants)
                )
        return found

    def on_decided(self, number: int, confirmed: bool, wants: int = 0) -> None:
        """A ruling was recorded."""
        self.confirmations[number].confirmed, self.confirmations[number].wants = confirmed, wants

    def unpaired_runs(self, vault: Confirmation, *, gate: bool) -> tuple[Sequence[int], Sequence[int]]:
        """Seeds of a complete gate, or of a complete estimate: the candidate's and the reference's."""
        bank = self.confirmations[vault.control]
        n, m = vault.sizes.test[0], bank.sizes.test[1]
        own, theirs = (
            (vault.candidate_seeds[:n], bank.control_seeds[:m]) if gate else (vault.candidate_seeds[n:], bank.control_seeds[m:])
        )
        if vault.paired:
            own = theirs = tuple(seed for seed in own if seed in bank.control_scores)
        return own, theirs

    def test_scores(self, vault: Confirmation) -> tuple[list[float], list[float]]:
        """Scores of a complete gate: the candidate's and the reference's."""
        return self._scores(vault, gate=True)

    def estimate_scores(self, vault: Confirmation) -> tuple[list[float], list[float]]:
        """Scores of a complete estimate."""
        return self._scores(vault, gate=False)

    def fresh_runs(self, vault: Confirmation) -> RunningStats:
        """The candidate's runs of the estimate: it was not chosen for them."""
        stats = RunningStats()
        for seed in vault.candidate_seeds[vault.sizes.test[0] :]:
            if seed in vault.candidate_scores:
                stats.add(vault.candidate_scores[seed])
        return stats

    def on_retracted(self, candidate: int) -> None:
        """A candidate was found to cheat: what was claimed for it is withdrawn and stays visible."""
        for vault in self.confirmations:
            if vault.candidate == candidate:
                vault.withdrawn = True
                vault.failed = vault.failed or "retracted"

    @property
    def cost(self) -> int:
        """Runs that the vaults so far have taken, or will."""
        return sum(
            (vault.sizes.n_candidate if self._goes_on(vault) else vault.sizes.test[0]) + len(vault.control_seeds)
            for vault in self.confirmations
        )

    @property
    def outstanding(self) -> int:
        """Runs that open vaults will still take."""
        return max(self.cost - sum(map(len, self.issued_seeds.values())), 0) if self.has_open else 0

    @property
    def expected_false(self) -> float:
        """How many of the openings so far a gate at its level lets through by chance, at most."""
        return LEVEL * len(self.confirmations)

    # ------------------------------------------------------------------------------------------------ inside

    def _goes_on(self, vault: Confirmation) -> bool:
        """Whether the estimate was made, or may still be."""
        return not vault.failed and (vault.test_p is None or vault.test_p < LEVEL)

    def _candidate_runs(self, vault: Confirmation) -> Sequence[RunRequest]:
        """The candidate's runs that its vault waits for: those of the gate, then those of the estimate."""
        n = vault.sizes.test[0] if vault.test_p is None else len(vault.candidate_seeds) if vault.test_p < LEVEL else 0
        return [RunRequest(vault.candidate, seed) for seed in vault.candidate_seeds[:n]]

    def _control_runs(self, vault: Confirmation, group: Sequence[Confirmation]) -> Sequence[RunRequest]:
        passed = any(one.test_p is not None and one.test_p < LEVEL and not one.failed for one in group)
        waits = any(not one.failed and one.test_p is None for one in group)
        n = len(vault.control_seeds) if passed and not waits else vault.sizes.test[1] if waits else 0
        return [RunRequest(vault.reference, seed) for seed in vault.control_seeds[:n]]

    def _check_control(self, bank: Confirmation) -> None:
        """A reference that keeps failing cannot be compared with."""
        if len(bank.control_seeds) < bank.sizes.n_control - _MISSED_MAX:
            for vault in self.has_open:
                if vault.control == bank.number and not vault.failed:
                    vault.failed = "the reference failed in its own runs"

    def _was_issued(self, one: RunRequest) -> bool:
        return one.seed in self.issued_seeds.get(one.candidate, ())

    def _scores(self, vault: Confirmation, *, gate: bool) -> tuple[list[float], list[float]]:
        own, theirs = self.unpaired_runs(vault, gate=gate)
        return _pick(own, vault.candidate_scores), _pick(theirs, self.confirmations[vault.control].control_scores)

    def _advance(self, vault: Confirmation) -> None:
        """Decide the gate, or the estimate, once its runs are complete."""
        bank = self.confirmations[vault.control]
        own, theirs = vault.candidate_seeds, bank.control_seeds
        n, m = vault.sizes.test[0], bank.sizes.test[1]
        if vault.failed:
            return
        if vault.test_p is None and _all_there(own[:n], vault.candidate_scores) and _all_there(theirs[:m], bank.control_scores):
            vault.test_p = welch_p_value(*self.test_scores(vault), paired=vault.paired)
        if vault.test_p is None or vault.test_p >= LEVEL or vault.effect is not None:
            return
        if _all_there(own[n:], vault.candidate_scores) and _all_there(theirs[m:], bank.control_scores):
            vault.effect = estimate(*self.estimate_scores(vault), paired=vault.paired)

    def _complete(self, vault: Confirmation) -> bool:
        return bool(vault.failed) or vault.effect is not None or (vault.test_p is not None and vault.test_p >= LEVEL)


def make_confirmation(
    number: int, candidate: int, reference: int, milestone: int, sizes: Sizes, bank: int, paired: bool, seeds: Sequence[int]
) -> Confirmation:
    """A vault from what its opening recorded: the candidate's seeds first, then the bank's where it brought one."""
    return Confirmation(
        number,
        candidate,
        reference,
        milestone,
        sizes,
        bank,
        paired,
        tuple(seeds[: sizes.n_candidate]),
        tuple(seeds[sizes.n_candidate :]),
    )


def _reason(vault: Confirmation, verdict: Verdict) -> str:
    if vault.failed:
        return vault.failed
    if vault.test_p is not None and vault.test_p >= LEVEL:
        return f"not better on fresh seeds: p = {vault.test_p:.3g}, expected below {LEVEL:g}"
    if vault.effect is not None and vault.effect.effect <= 0:
        return "better in the gate's runs, not in those of the estimate"
    if verdict.p_value >= LEVEL:
        return verdict.why
    return "does not hold among all openings so far (Benjamini and Yekutieli, 0.05)"


def _all_there(seeds: Sequence[int], scores: dict[int, float]) -> bool:
    return all(seed in scores for seed in seeds)


def _pick(seeds: Sequence[int], scores: dict[int, float]) -> list[float]:
    return [scores[seed] for seed in seeds]


def _interleaved(lists: Sequence[Sequence[RunRequest]]) -> list[RunRequest]:
    """Each list spread evenly over the whole."""
    placed = [((i + 0.5) / len(items), number, one) for number, items in enumerate(lists) for i, one in enumerate(items)]
    return [one for _, _, one in sorted(placed, key=lambda item: item[:2])]
