"""What model calls cost, and which models can be asked, by name only: the ledger, the models that this opening offered, those that
refused for good.  Pure: records in."""

from __future__ import annotations

from archive import CallReserved, CallSettled, ProposalStatus, Proposed, RunOpened
from evolve.budget._ledger import LOST, Caps, Ledger, cap_of
from evolve.problem.contract._contract import Budget

FINAL_OUTCOMES = frozenset({"auth", "payment", "permission", "not_found", "wrong_server"})  # asking again is no use in this opening
OVER_BUDGET = "over_budget"  # outcome of a ticket whose call a cap forbade
PASSING = frozenset({  # outcomes that may pass by themselves
    "rate_limited", "overloaded", "server_error", "unreachable", "timeout", "no_answer", "cut_stream", "garbled", "no_stop_reason",
    "dialect",
})  # fmt: skip
UNANSWERED = (FINAL_OUTCOMES | PASSING | {OVER_BUDGET, "bad_request", "canceled", "expired", "prompt_too_long"}) - {
    "cut_stream", "no_stop_reason",
}  # outcomes of tickets that no answer came to, of those that a failed call ended  # fmt: skip
NO_USE = UNANSWERED | {"cut_stream", "no_stop_reason", LOST}  # outcomes of calls that gave nothing whole to read
ASKS_FOR_TIME = frozenset({"rate_limited", "overloaded"})  # outcomes that only a server of models has
MAX_FAILURES = 5  # tickets of a model in a row, after which it is left alone
REST_S = 60.0  # for so long, doubled with each further failure, where they may pass
LONGEST_REST_S = 1800.0


class ModelLimits:
    """Money, tokens and calls of a run, and the models of this opening."""

    def __init__(self, budget: Budget) -> None:
        self.ledger = Ledger(caps_of(budget))
        self.available: tuple[str, ...] = ()
        self.disabled: dict[str, str] = {}  # model -> why it cannot be asked again in this opening
        self.over_cap: dict[str, str] = {}  # model -> which limit left no room for a call of its
        self.consecutive_failures: dict[str, int] = {}  # model -> tickets in a row that failed by its calls
        self.backoff_until: dict[str, float] = {}  # model -> Unix time until which it is left alone
        self.rested: dict[str, int] = {}  # model -> the first ticket after its last rest began
        self.heard = False  # whether any answer ever came that could be read
        self.found: dict[str, tuple[str, str]] = {}  # model -> how its last failed call of this opening ended, and why
        self.tickets = 0  # of models, that ended
        self.lost: dict[str, int] = {}  # what went wrong -> tickets that ended without a child by it
        self.unanswered: dict[str, int] = {}  # of these, those without any answer
        self.caps_since = 0  # the first ticket under the caps of now

    def on_run_opened(self, record: RunOpened) -> None:
        """A new driver offers models anew."""
        self.available = record.models
        self.disabled, self.over_cap, self.consecutive_failures, self.backoff_until = {}, {}, {}, {}
        self.rested, self.found = {}, {}

    def apply(self, record: CallReserved | CallSettled, at: float, left_s: float) -> None:
        """Take in a record of a call, at this Unix time, with so many seconds left of the run."""
        reserved = self.ledger.reservation(record.attempt, record.call)
        self.ledger.apply(record)
        if not isinstance(record, CallSettled) or reserved is None:
            return
        self.heard = self.heard or record.outcome not in NO_USE
        if record.outcome in NO_USE and record.outcome != LOST:
            self.found[reserved.model] = (record.outcome, record.reason)
        if record.outcome in FINAL_OUTCOMES:
            self.disabled[reserved.model] = record.reason
        if record.rest_s > left_s:
            self.over_cap[reserved.model] = f"its server asks for {record.rest_s:.0f} s, and the run ends before: {record.reason}"
        elif record.rest_s:
            self.backoff_until[reserved.model] = max(at + record.rest_s, self.backoff_until.get(reserved.model, 0.0))

    def on_proposed(self, record: Proposed, model: str, at: float, next_ticket: int) -> None:
        """A ticket of a model ended, at this Unix time, when ``next_ticket`` was still to be handed out."""
        self.tickets += 1
        if record.status is not ProposalStatus.CHILD:
            cause = record.outcome or str(record.status)
            self.lost[cause] = self.lost.get(cause, 0) + 1
            failed_call = record.status is ProposalStatus.FAILED and record.outcome in UNANSWERED
            if failed_call or record.status is ProposalStatus.LOST:
                self.unanswered[cause] = self.unanswered.get(cause, 0) + 1
        if record.outcome == OVER_BUDGET and record.attempt.ticket >= self.caps_since:  # an older one may have met lower caps
            self.over_cap[model] = record.reason
        failed = record.status is ProposalStatus.FAILED
        self.heard = self.heard or not (failed or record.status is ProposalStatus.LOST)
        if failed and record.outcome in NO_USE and record.outcome != OVER_BUDGET:
            self.found[model] = (record.outcome, record.reason)
        if failed and record.outcome in FINAL_OUTCOMES:
            self.disabled[model] = record.reason
        if failed and record.attempt.ticket < self.rested.get(model, 0):
            return  # asked before its rest began: that it failed says nothing new
        self.consecutive_failures[model] = self.consecutive_failures.get(model, 0) + 1 if failed else 0
        beyond = self.consecutive_failures[model] - MAX_FAILURES
        if beyond < 0 or record.outcome == OVER_BUDGET:
            return
        if record.outcome in PASSING:
            self.backoff_until[model] = at + min(REST_S * 2.0 ** min(beyond, 10), LONGEST_REST_S)
            self.rested[model] = next_ticket
        else:
            self.disabled[model] = f"{MAX_FAILURES} tickets in a row failed, the last one so: {record.reason}"

    @property
    def answers(self) -> int:
        """Tickets that an answer came to, whatever it was."""
        return self.tickets - sum(self.unanswered.values())

    def spent(self) -> tuple[str, ...]:
        """The limits of the budget that left no room for a call."""
        return tuple(f"budget.{cap}" for cap in sorted({cap_of(why) for why in self.over_cap.values()} - {""}))

    def on_budget(self, budget: Budget, next_ticket: int) -> None:
        """Other caps from here on: for ``next_ticket`` and later ones, and for what older ones have not asked yet."""
        self.ledger.caps = caps_of(budget)
        self.over_cap, self.caps_since = {}, next_ticket

    def is_available(self, model: str) -> bool:
        """Whether this model can be asked now."""
        return model in self.available and model not in self.disabled and model not in self.over_cap

    def in_vain(self, model: str) -> bool:
        """Whether a model had its rest and failed again in a run that no model ever answered: another rest is no use."""
        asks_for_time = self.found.get(model, ("", ""))[0] in ASKS_FOR_TIME
        return not self.heard and self.consecutive_failures.get(model, 0) > MAX_FAILURES and not asks_for_time

    @property
    def silent(self) -> bool:
        """Whether models were asked in this opening, and no model ever answered in this run."""
        return bool(self.found) and not self.heard


def caps_of(budget: Budget) -> Caps:
    """The part of a budget that limits model calls."""
    return Caps(budget.usd, budget.tokens, budget.calls)
