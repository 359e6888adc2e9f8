"""How a search on a noisy problem comes by claims: what is measured again, when a vault opens, what it came to.

``decision`` gives records that only decide; their runs are given by ``evolve.search._evidence_runs``.  Nothing here changes
the search but the functions called ``on_...``, which its ``apply`` calls.  See ``evolve.confirm`` for the statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from archive import Champion, Claim, Entry, Measured, MeasureIssued, Purpose, Record, Status, VaultOpened, tame
from evolve.budget._usage import affordable, nearest_limit
from evolve.confirm import BAR_CLAIM, FRESH, SIZES, Ruling, Sizes, Vault, choose_sizes, e_value_of, make_vault, ranked
from evolve.confirm import MIN_DF as NOISE_DF
from evolve.search._doubts import Doubts

if TYPE_CHECKING:
    from evolve.search._search import Search

Entropy = Callable[[int], tuple[int, ...]]  # so many fresh seeds of 63 bits, from the system

MILESTONES = 5  # the last of them is the end of the search
ENDLESS = 1000  # measurements between milestones of a run without a budget
_JUDGED_EVERY = 10  # runs
_TITLE_DF = 4  # degrees of freedom of the noise before a title changes hands


def decision(search: Search, now: float, entropy: Entropy) -> Record | None:
    """The next thing to be recorded: a title that changes hands, a ruling, an opening."""
    if not search.contract.noisy:
        return None
    found = _challenge(search) or _ruling(search, now)
    return found if found or search.pausing else _opening(search, now, entropy)


def is_due(search: Search, now: float) -> bool:
    """Whether ``decision`` has something to record, or a vault waits for runs."""
    return bool(search.docket.undecided) or decision(search, now, lambda n: (0,) * n) is not None


# ------------------------------------------------------------------------------------------------ decisions


def _challenge(search: Search) -> Champion | None:
    found = search.contest.challenger(search.people) if search.people.pooled[-1].df >= _TITLE_DF else None
    if found is None:
        return None
    number, e_value = found
    rows = search.people.rows
    return Champion(search.problem, rows[number].id, rows[search.contest.champion].id, e_value)


def _ruling(search: Search, now: float) -> Claim | None:
    doubts, again = Doubts(search), _again(search, now)
    rulings = search.docket.rulings(doubts, again=again)
    if not rulings:
        search.judged_at = _known(search) if again else search.judged_at
        return None
    return _claim(search, doubts, min(rulings, key=lambda one: one.vault.effect.effect if one.vault.effect else -math.inf))


def _again(search: Search, now: float) -> bool:
    """Whether claims are judged again although no vault waits: now and then while one is withheld that more runs may clear, and
    when everything has been measured."""
    docket = search.docket
    if search.judged_at == _known(search) or not any(vault.effect is not None for vault in docket.vaults):
        return False
    held_back = any(vault.wants for vault in docket.vaults) and search.repeats.count % _JUDGED_EVERY == 0
    return held_back or bool(not search.tickets.blocks and search.over(now))


def _known(search: Search) -> tuple[int, int]:
    return search.repeats.count, len(search.retracted)


def held_back(search: Search) -> dict[int, int]:
    """Candidates whose claims more runs of their own may clear, with how many."""
    people, found = search.people, {}
    for vault in search.docket.vaults:
        if vault.wants and not vault.confirmed and not vault.failed and people.tally(vault.candidate) is not None:
            found[vault.candidate] = max(vault.wants - people.n_measured(vault.candidate), 0)
    return {number: runs for number, runs in found.items() if runs}


def _claim(search: Search, doubts: Doubts, ruling: Ruling) -> Claim:
    rows, sign, vault = search.people.rows, search.people.sign, ruling.vault
    effect = doubts.effect(vault)
    low, high = sorted((sign * effect.low, sign * effect.high)) if effect else (None, None)
    return Claim(
        vault=vault.number,
        problem=search.problem,
        candidate=rows[vault.candidate].id,
        reference=rows[vault.reference].id,
        confirmed=ruling.confirmed,
        p_value=ruling.p_value,
        effect=sign * effect.effect if effect else None,
        ci_low=low,
        ci_high=high,
        reason=ruling.reason,
        e_value=vault.e_value,
        wants=ruling.wants,
        median=None if (median := doubts.median(vault)) is None else sign * median,
        span_s=doubts.span_s(vault),
    )


def _opening(search: Search, now: float, entropy: Entropy) -> VaultOpened | None:
    """The next vault of the milestone that has been reached, the strongest evidence first, as far as the budget allows."""
    contest, docket, people = search.contest, search.docket, search.people
    milestone = reached(search, now)
    if milestone == 0 or people.pooled[-1].df < NOISE_DF or docket.started(milestone):
        return None
    group = docket.group(milestone)
    if any(vault.milestone != milestone for vault in docket.undecided):
        return None
    # What others measured since has moved the noise, and so the evidence.
    now_known = {number: contest.evidence(number, people) for number in contest.qualified if eligible(search, number)}
    able = ranked({number: evidence for number, evidence in now_known.items() if evidence >= math.log(BAR_CLAIM)})
    number = contest.champion if contest.champion in able else next(iter(able), None)
    if number is None:
        return None
    over = search.over(now)
    left = allowance(search, None if over else milestone) - docket.cost
    if search.budget.evaluations is not None:
        left = min(left, search.budget.evaluations - search.spend.evaluations - docket.outstanding)
    more = is_limit(over) or not search.tickets.has_outside  # nothing more will come that could be better
    last = bool(over) and more and not docket.vaults  # else an opening that is too small may cost a claim
    sizes = group[0].sizes if group else _sizes(search, number, left, last=last)
    if sizes is None or sizes.own + (0 if group else sizes.bank) > left:
        return None
    paired = group[0].paired if group else contest.paired
    bank = group[0].bank_seeds if group else entropy(sizes.bank)
    own = _shared(sizes, bank) if paired else entropy(sizes.own)
    return VaultOpened(
        vault=len(docket.vaults),
        problem=search.problem,
        candidate=people.rows[number].id,
        reference=people.rows[contest.reference].id,
        milestone=milestone,
        gate=sizes.gate,
        estimate=sizes.estimate,
        seeds=own + (() if group else bank),
        bank=group[0].number if group else len(docket.vaults),
        paired=paired,
        e_value=e_value_of(now_known[number]),
        over=over,
    )


def _sizes(search: Search, number: int, left: float, *, last: bool = False) -> Sizes | None:
    contest, people = search.contest, search.people
    effect = people.posterior(number)[0] - contest.reference_runs.mean
    return choose_sizes(effect, math.sqrt(people.noise), left, last=last)


def _shared(sizes: Sizes, bank: tuple[int, ...]) -> tuple[int, ...]:
    """Pairs run on the reference's own seeds."""
    n, m = sizes.gate
    return bank[:n] + bank[m : m + sizes.estimate[0]]


def eligible(search: Search, number: int) -> bool:
    """Whether a qualified candidate may enter a vault: not twice against one reference, and not where a better one is known."""
    contest = search.contest
    if search.people.tally(number) is None or search.docket.was_opened(number, contest.reference):
        return False
    return not contest.titled or number == contest.champion or number in contest.alive


def reached(search: Search, now: float) -> int:
    """The milestone that the search has reached, 0 before the first: one at each fifth of the budget, the last when it is spent.
    They count on when the budget is changed, and when searching is over for another reason: that has a milestone of its own, since
    a later opening may go on."""
    docket, over = search.docket, search.over(now)
    if is_limit(over):
        return docket.base + MILESTONES
    nearest = nearest_limit(search.budget, search.spend, now)
    if nearest is None and not over:
        return search.spend.evaluations // ENDLESS
    fifth = min(int(nearest[0] * MILESTONES), MILESTONES - 1) if nearest is not None else 0
    latest = max((vault.milestone for vault in docket.vaults), default=0)
    if over:
        return latest if docket.undecided else max(latest, docket.base + fifth) + 1
    return docket.base + fifth if fifth else 0


def is_limit(why: str) -> bool:
    """Whether it is a limit of the budget that searching is over for: nothing but another budget changes that."""
    return why.startswith("budget.")


def next_budget(search: Search) -> None:
    """The budget was changed: milestones begin anew, after all there have been."""
    docket = search.docket
    latest = max((vault.milestone for vault in docket.vaults), default=0)
    docket.base = math.ceil(latest / MILESTONES) * MILESTONES
    docket.ended_by = ""


def allowance(search: Search, milestone: int | None = None) -> float:
    """Runs that vaults may have cost by a milestone, or in all.  Where nothing limits a run one more always fits."""
    fifths = MILESTONES if milestone is None else milestone - search.docket.base
    total = affordable(search.budget, search.spend, search.slots, repeated=True)
    if math.isinf(total):
        return max(search.budget.confirm * search.spend.evaluations, search.docket.cost + SIZES[-1].own + SIZES[-1].bank)
    return search.budget.confirm * total * min(fifths, MILESTONES) / MILESTONES


def holds_a_vault(search: Search) -> bool:
    """Whether the budget set aside pays for the smallest vault."""
    return allowance(search) >= SIZES[0].own + SIZES[0].bank


def kept(search: Search) -> int:
    """Runs to be kept back while searching: those that open vaults still take, and of what is set aside as much as may be of use.

    What pays for no vault any more goes back to the search.  While nobody may be confirmed, all but the smallest vault does, where
    there is one champion at a time; elsewhere any number may qualify late.
    """
    if not holds_a_vault(search):
        return search.docket.outstanding
    smallest = SIZES[0].own + SIZES[0].bank
    left = math.ceil(allowance(search)) - search.docket.cost
    if left < smallest:
        left = 0
    elif search.contest.titled and not _hopeful(search):
        left = smallest
    left = max(left, min(sum(held_back(search).values()), math.ceil(allowance(search)) - search.docket.cost))
    return left + search.docket.outstanding


def _hopeful(search: Search) -> bool:
    """Whether anyone may still be confirmed: qualifies, or is worth more runs."""
    contest = search.contest
    return contest.undecided(fresh=first_runs(search)) or any(eligible(search, number) for number in contest.qualified)


def vaults_ahead(search: Search) -> int:
    """Runs that the vaults of all who qualify now would cost, as far as what is set aside pays for them."""
    waiting = [number for number in search.contest.qualified if eligible(search, number)]
    if not waiting or search.people.pooled[-1].df < NOISE_DF:
        return 0
    sizes = _sizes(search, waiting[0], math.inf) or SIZES[-1]
    return min(sizes.own * len(waiting) + sizes.bank, max(math.ceil(allowance(search)) - search.docket.cost, 0))


def first_runs(search: Search) -> int:
    """Runs that a new champion gets first: a fortieth of what the budget pays for, within bounds."""
    total = affordable(search.budget, search.spend, search.slots, repeated=True)
    return int(min(max(total / 40, FRESH[0]), FRESH[1]))


# ------------------------------------------------------------------------------------------------ applying


def on_issued(search: Search, record: MeasureIssued) -> None:
    """Runs of a vault, or of the panel, were handed out."""
    if record.purpose is Purpose.PANEL:
        search.panel.issued(
            record.attempt.ticket, [search.people.by_id[entry.candidate] for entry in record.entries], search.spend.evaluations
        )
    if record.purpose is Purpose.VAULT:
        for entry in record.entries:
            search.docket.issued(search.people.by_id[entry.candidate], entry.seed)


def on_measured(search: Search, number: int, record: Measured) -> None:
    """A run counts."""
    result, people = record.result, search.people
    score = None if result.status is not Status.OK or result.score is None else people.sign * tame(result.score)
    if score is not None and result.stage == search.contract.stages[-1].name:
        search.repeats.add(number, search.spend.last_at, result.seed, score)
        if record.purpose is Purpose.PANEL:
            search.panel.measured(record.attempt.ticket, number, score)
        search.contest.observed(number, score, people)
        if record.purpose is Purpose.REMEASURE:
            search.contest.half(result.seed, number, score)
    elif score is None and result.status is not Status.EVALUATOR_ERROR:
        search.contest.failed(number, people)
    if record.purpose is Purpose.VAULT:
        search.docket.measured(number, result.seed, score, f"{result.status} in a vault: {result.reason}".rstrip(": "))


def on_dropped(search: Search, entries: tuple[Entry, ...], reason: str, *, cancelled: bool) -> None:
    """Runs of a vault were handed out and will not be made: after a cancellation they are wanted again, else the claim is lost."""
    for entry in entries:
        number = search.people.by_id[entry.candidate]
        if cancelled:
            search.docket.returned(number, entry.seed)
        else:
            search.docket.lost(number, reason)


def on_opened(search: Search, record: VaultOpened) -> None:
    """A vault was opened."""
    by_id = search.people.by_id
    sizes = Sizes(record.gate, record.estimate)
    vault = make_vault(
        record.vault,
        by_id[record.candidate],
        by_id[record.reference],
        record.milestone,
        sizes,
        record.bank,
        record.paired,
        record.seeds,
    )
    vault.e_value = record.e_value
    docket = search.docket
    docket.opened(vault)
    search.panel.opened(vault.number)
    if search.people.frame is not None:
        search.people.frame.opened(vault.candidate)
    if is_limit(record.over):
        docket.ended_by = record.over
    elif record.over or record.milestone >= docket.base + MILESTONES:  # older records do not say why
        docket.base = record.milestone


def on_claim(search: Search, record: Claim) -> None:
    """A ruling: what is confirmed becomes the reference, unless the run keeps the seed program throughout."""
    docket, contest, number = search.docket, search.contest, search.people.by_id[record.candidate]
    vault = docket.vaults[record.vault]
    before = vault.confirmed
    docket.ruled(record.vault, record.confirmed, record.wants)
    if record.confirmed and search.config.reference == "last":
        contest.confirmed(number, docket.fresh_runs(vault), search.people)
    elif before and not record.confirmed:
        contest.unconfirmed(number, search.people)


def on_retracted(search: Search, number: int) -> None:
    """A candidate was found to cheat: its claims are withdrawn, and its descendants in the archive are measured again."""
    search.contest.failed(number, search.people)
    search.docket.retracted(number)


def claims_of(search: Search) -> list[Vault]:
    """The vaults of claims that hold."""
    return [vault for vault in search.docket.vaults if vault.confirmed and not vault.withdrawn]


def suspicion(search: Search, vault: Vault) -> str:
    """Why a claim rests on what was found to be a cheat ("" if it does not): somebody has to look at it."""
    if any(vault.candidate in search.people.descendants(one) for one in search.retracted):
        return "descends from a retracted candidate"
    return "was compared with a candidate that is retracted now" if vault.reference in search.retracted else ""
