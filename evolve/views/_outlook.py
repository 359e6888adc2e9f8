"""What is to come of a run: what its limits leave, whether and when a child is measured, which command gives more."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from evolve._counted import counted
from evolve.budget._cpu_budget import INITIAL
from evolve.budget._ledger import usd
from evolve.search._room import final_runs, reserved
from evolve.search._stopping import NO_MODEL, NO_MODEL_NO_LIMIT, effective_budget, exhausted_limit, search_is_over
from evolve.search.claims._openings import is_limit
from evolve.search.claims._prospects import reserved_evaluations
from evolve.search.policy._policies import policy_of
from evolve.search.state._state import Phase, ProblemState, RunState
from evolve.views._shortfall import shortfall

_MORE = 2  # a limit that is raised is doubled, or more often
_MOST_DOUBLINGS = 60
_SOON_S = 1.0
MACHINE = ("budget.wall_s", "budget.cpu_s", "budget.evaluations", "budget.candidates")  # limits of what is measured


@dataclass(frozen=True, slots=True)
class LimitLeft:
    """One limit of the budget, in its own unit: seconds, dollars or a count.

    ``set_aside`` is kept back for final measurements and claims, and for those that a driver which was killed had in hand; ``left``
    is what children may still take.
    """

    name: str
    limit: float
    spent: float
    set_aside: float
    left: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """How long a run still goes on.

    ``over`` says why nothing new is searched for and ``ended_by`` which limit leaves no room for another child, "" where none;
    ``command`` raises that limit.  ``waiting`` children are to be measured and ``running`` measurements are in hand (of a driver
    that has the run, none else), ``measure_s`` is what one has taken lately.  ``measurements_left`` is about how many more the
    limits allow, None without any limit; a driver ends in about ``ends_in_s`` seconds by its clock, None where nobody drives or
    no limit of the machine is set.
    """

    driven: bool
    over: str
    ended_by: str
    command: str
    limits: tuple[LimitLeft, ...]
    waiting: int
    running: int
    measure_s: float
    measurements_left: int | None
    ends_in_s: float | None


@dataclass(frozen=True, slots=True)
class Fate:
    """Whether and when a candidate is measured.  ``will`` be, by whoever drives the run now, after ``ahead`` others, in about
    ``about_s`` seconds; where nobody will, ``words`` say why and what to type."""

    measured: bool
    will: bool
    ahead: int
    about_s: float | None
    words: str


def outlook(state: ProblemState, now: float, *, run: str, driven: bool, opening: bool = False) -> Outlook:
    """The outlook at Unix time ``now`` (of a run that nobody drives: of its last record); ``opening`` while a driver opens it."""
    ended_by = exhausted_limit(state, now)
    in_hand = sum(len(block.remaining()) for block in state.blocks.values())
    idle = opening or not driven  # whoever had them in hand was killed: they are made again
    rows = tuple(_rows(state, now, owed=in_hand if idle else 0))
    left = _measurements_left(state, rows)
    in_s = None
    if driven:
        clock = next((row.left for row in rows if row.name == "budget.wall_s"), None)
        counted = left * state.usage.measure_wall_s / state.run.slots if left is not None else None
        in_s = min((each for each in (clock, counted) if each is not None), default=None)
    return Outlook(
        driven=driven,
        over=state.run.end.ends or (search_is_over(state, now) if state.population.candidates else ""),
        ended_by=ended_by,
        command=giving_more(state, now, run, ended_by) if ended_by else "",
        limits=rows,
        waiting=len({*_waiting(state), *(_interrupted(state) if idle else ())}),
        running=0 if idle else in_hand,
        measure_s=round(state.usage.measure_wall_s, 3),
        measurements_left=left,
        ends_in_s=None if in_s is None else round(in_s, 1),
    )


def fate(state: ProblemState, number: int, seen: Outlook, now: float, *, run: str, ran_s: float = 0.0) -> Fate:
    """What becomes of a candidate, as things stand at Unix time ``now``; where it is being measured, since ``ran_s`` seconds."""
    row = state.population.candidates[number]
    if row.credited:
        return Fate(measured=True, will=False, ahead=0, about_s=None, words="it is measured")
    queue, in_hand = _waiting(state), bool(seen.running) and is_in_hand(state, row.id)
    ahead = 0 if in_hand else (queue.index(number) if number in queue else 0) + seen.running
    here = shlex.quote(run)
    if state.run.end.phase is Phase.FAILED:
        return Fate(False, False, ahead, None, f"the run failed ({state.run.end.why}); see: evolve status {here}")
    if number in queue and seen.ended_by not in ("", "budget.candidates"):  # a candidate that is there is counted already
        return Fate(False, False, ahead, None, spent_words(seen))
    why = crowded_words(state, seen, now, run, queue.index(number) + 1) if number in queue else ""
    if not seen.driven:
        words = f"nobody drives the run, so it is not measured yet; to measure it, type: evolve result {here} {row.id} --wait"
        words += f"; but {why}" if why else ""
        return Fate(False, False, ahead, None, words)
    slots = max(state.run.slots, 1)
    about = math.ceil((ahead + 1) / slots) * state.usage.measure_wall_s
    if in_hand:
        about = max(about - ran_s, 0.0)
        if about < _SOON_S:
            words = f"it is being measured, for {_amount(round(ran_s))} s already; one takes about {_amount(seen.measure_s)} s"
        else:
            words = f"it is being measured; its score is there in about {about:.0f} s"
        return Fate(False, True, 0, round(about, 1), words)
    if why:
        return Fate(False, False, ahead, None, why)
    before = f"after {counted(ahead, 'other')}, " if ahead else ""
    soon = f"about {about:.0f} s" if about >= _SOON_S else "less than a second"
    return Fate(False, True, ahead, round(about, 1), f"it is measured {before}in {soon}, by whoever drives the run")


def is_in_hand(state: ProblemState, candidate: str) -> bool:
    """Whether a candidate is being measured, if somebody drives the run."""
    blocks = state.blocks.values()
    return any(block.issued.entries[i].candidate == candidate for block in blocks for i in block.remaining())


def crowded_words(state: ProblemState, seen: Outlook, now: float, run: str, n: int) -> str:
    """Which limit has no room for ``n`` children that wait, and what to type; "" where they fit.  Those are counted already."""
    rooms = {name: room for name, room in _rooms(state, seen.limits).items() if name != "budget.candidates"}
    name = min(rooms, key=lambda one: rooms[one], default="")
    if not name or rooms[name] >= n:
        return ""
    room, more = math.floor(rooms[name]), raising(state, now, run, name, room=n)
    much = counted(room, "more measurement")
    return f"{name} has room for about {much}, and with this child {n} wait; to make room, type: {more}"


def spent_words(seen: Outlook) -> str:
    """Which limit leaves no room for another child, how much of it is spent, and what to type; "" where none does."""
    name = seen.ended_by
    if not name:
        return ""
    row = next((one for one in seen.limits if one.name == name), None)
    much = f" ({_amount(row.spent)} of {_amount(row.limit)} spent, {_amount(row.set_aside)} set aside)" if row is not None else ""
    return f"{name} leaves no room for another child{much}; to go on, type: {seen.command}"


def giving_more(state: ProblemState, now: float, run: str, *names: str) -> str:
    """The command by which a run goes on that these limits ended, whoever advises it: one that gives what a child and a vault take,
    where the whole budget holds none, and raises what is in the way of another child then; else as ``raising`` has it."""
    if state.others:  # it is the run's limits that are raised
        limits = {name: getattr(state.run.budget, name.removeprefix("budget.")) for name in names}
        return _resume(run, {name: _amount(_MORE * limit) for name, limit in limits.items() if limit is not None})
    short = shortfall(state)
    if not names or short is None or not short.needs:
        return raising(state, now, run, *names)
    words, as_if = dict(need.split("=") for need in short.needs), state
    for name, amount in words.items():
        as_if = _with_limit(as_if, name, amount)
    still = exhausted_limit(as_if, now)
    return _resume(run, words | (_raises(as_if, now, [still]) if still else {}))


def raising(state: ProblemState, now: float, run: str, *names: str, room: int = 0) -> str:
    """The command that raises these limits, so far that each leaves room for another child at Unix time ``now``, and for ``room``
    of them if that is more; and any other that would then be in the way, but none else."""
    if state.others:
        return giving_more(state, now, run, *names)
    return _resume(run, _raises(state, now, list(names), room))


def _resume(run: str, words: Mapping[str, str]) -> str:
    return " ".join(["evolve resume", shlex.quote(run), *(f"{name}={much}" for name, much in words.items())])


def _raises(state: ProblemState, now: float, left: list[str], room: int = 0) -> dict[str, str]:
    """Each limit that is raised, and how far."""
    words: dict[str, str] = {}
    as_if = state
    while left:
        name = left.pop(0)
        if getattr(effective_budget(as_if), name.removeprefix("budget.")) is not None:
            words[name] = _raised(as_if, now, name, room)
            as_if = _with_limit(as_if, name, words[name])
        beyond = "" if left else exhausted_limit(as_if, now)
        left += [beyond] if beyond and beyond not in words else []
    return words


def _with_limit(state: ProblemState, name: str, amount: str) -> ProblemState:
    """The search under another limit."""
    budget = replace(effective_budget(state), **cast("dict[str, Any]", {name.removeprefix("budget."): float(amount)}))
    return replace(state, run=replace(state.run, budget=budget))


def _raised(state: ProblemState, now: float, name: str, room: int) -> str:
    """A limit doubled until it is above what is spent and what would then be set aside, and would end nothing."""
    key = name.removeprefix("budget.")
    amount = _amount(_MORE * max(getattr(effective_budget(state), key), used(state, now).get(key, (0, 0))[0]))
    for _ in range(_MOST_DOUBLINGS):
        as_if = _with_limit(state, name, amount)  # what is set aside depends on the limits
        much, aside = used(as_if, now)[key]
        if float(amount) > much + aside + room * _cost(state).get(name, 0.0) and exhausted_limit(as_if, now) != name:
            break
        amount = _amount(_MORE * float(amount))
    return amount


def ending_limits(state: ProblemState, why: str) -> tuple[str, ...]:
    """The limits that a search ended by, whose raising lets it go on; none where it ended otherwise.

    A search that has nothing but models ends by the caps that left no room for a call.
    """
    if why in (NO_MODEL, NO_MODEL_NO_LIMIT) or why in state.run.model_limits.spent():
        return state.run.model_limits.spent()
    return (why,) if is_limit(why) else ()


def _rows(state: ProblemState, now: float, owed: int) -> list[LimitLeft]:
    """The limits; ``owed`` measurements are counted as handed out, and nobody makes them now."""
    budget, rows = effective_budget(state), []
    for key, (much, aside) in used(state, now).items():
        limit = getattr(budget, key)
        if key == "evaluations":
            much, aside = much - owed, aside + owed
        if limit is not None:
            aside = min(aside, max(limit - much, 0))
            left = max(limit - much - aside, 0)
            rows.append(LimitLeft(f"budget.{key}", *(round(float(one), 6) for one in (limit, much, aside, left))))
    return rows


def used(state: ProblemState, now: float) -> dict[str, tuple[float, float]]:
    """What is spent of each limit, and what is set aside."""
    spend, kept, ledger = state.usage, reserved(state), state.run.model_limits.ledger
    return {
        "wall_s": (spend.elapsed(now), kept.wall_s),
        "cpu_s": (spend.cpu_s, kept.cpu_s),
        "evaluations": (spend.evaluations, kept.evaluations),
        "candidates": (spend.candidates, 0),
        "usd": (usd(ledger.settled.nano), 0),
        "tokens": (ledger.settled.tokens, 0),
        "calls": (ledger.settled.calls, 0),
    }


def spent_of(run: RunState, now: float) -> dict[str, float]:
    """What a run of several problems has spent of each limit, in sum."""
    usage, settled = run.usage, run.model_limits.ledger.settled
    machine = {"wall_s": usage.elapsed(now), "cpu_s": usage.cpu_s, "evaluations": usage.evaluations, "candidates": usage.candidates}
    return {**machine, "usd": usd(settled.nano), "tokens": settled.tokens, "calls": settled.calls}


def kept_for(state: ProblemState) -> str:
    """What a noisy run has kept back at its end."""
    runs = 0 if policy_of(state).fixed_candidates else 2 * final_runs(state)
    if state.confirmations.confirmations or reserved_evaluations(state) >= max(runs, 1):
        return "claims"
    return "final runs of best and initial program"


def _measurements_left(state: ProblemState, rows: tuple[LimitLeft, ...]) -> int | None:
    """About how many more measurements of children the limits allow, at what one has taken lately."""
    counts = _rooms(state, rows).values()
    return math.floor(min(counts)) if counts else None


def _rooms(state: ProblemState, rows: tuple[LimitLeft, ...]) -> dict[str, float]:
    """How many measurements each limit leaves room for; those that limit none are not named."""
    cost = _cost(state)
    return {row.name: row.left / cost[row.name] for row in rows if cost.get(row.name)}


def _cost(state: ProblemState) -> dict[str, float]:
    """What one measurement takes of each limit, lately."""
    spend = state.usage
    return {
        "budget.wall_s": spend.measure_wall_s / max(state.run.slots, 1),
        "budget.cpu_s": spend.measure_cpu_s,
        "budget.evaluations": 1.0,
        "budget.candidates": 1.0,
    }


def _waiting(state: ProblemState) -> list[int]:
    """Children that wait for a measurement, in their order."""
    return [due.index for due in state.population.queue if due.index != INITIAL]


def _interrupted(state: ProblemState) -> list[int]:
    """Children that a driver was measuring."""
    rows, blocks = state.population.candidates, state.blocks.values()
    found = {state.population.by_id[block.issued.entries[i].candidate] for block in blocks for i in block.remaining()}
    return sorted(number for number in found if number != INITIAL and not rows[number].credited)


def _amount(value: float) -> str:
    return f"{value:.0f}" if value == round(value) or value >= 100 else f"{value:.3g}"
