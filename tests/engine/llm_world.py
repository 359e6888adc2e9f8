"""What tests of runs with models share: the records of a run, and what must hold of them whatever happened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from archive import Arm, BudgetSet, CallReserved, CallSettled, Proposed, ProposeIssued, Record, RunCreated, read_journal
from evolve.budget._ledger import Caps, Ledger, nano
from evolve.budget._model_limits import caps_of
from evolve.config._json import config_from_json
from evolve.models import PriceBook, TokenUsage, price_rows
from evolve.problem.contract._contract import Budget

R = TypeVar("R")
PRICES = PriceBook(price_rows(["*=1/5"]))
MODEL = "claude-test"


def records_of(run: Path) -> list[Record]:
    return [stamped.record for stamped in read_journal(run)]


def of(records: Iterable[Record], kind: type[R]) -> list[R]:
    return [record for record in records if isinstance(record, kind)]


def caps_at_start(records: Sequence[Record]) -> Caps:
    budget = config_from_json(of(records, RunCreated)[0].config).budget
    return Caps(budget.usd, budget.tokens, budget.calls)


def audited(records: Sequence[Record]) -> Ledger:
    """The ledger of these records; at no record is more settled and reserved than the caps of that moment allow."""
    ledger = Ledger(caps_at_start(records))
    for record in records:
        if isinstance(record, BudgetSet):
            ledger.caps = caps_of(Budget(usd=record.usd, tokens=record.tokens, calls=record.calls))
        elif isinstance(record, CallReserved | CallSettled):
            ledger.apply(record)
            assert_within(ledger)
    return ledger


def assert_within(ledger: Ledger) -> None:
    caps, both = ledger.caps, ledger.settled + ledger.reserved
    assert caps.usd is None or both.nano <= nano(caps.usd)
    assert caps.tokens is None or both.tokens <= caps.tokens
    assert caps.calls is None or both.calls <= caps.calls


def bill(counted: Iterable[tuple[object, dict]], prices: PriceBook = PRICES) -> int:
    """Nano-dollars that a server's own counts come to: Anthropic's form of usage."""
    row = prices.row("anthropic", MODEL)
    total = 0
    for _, usage in counted:
        parts = usage["cache_creation"]
        found = TokenUsage(
            input=usage["input_tokens"],
            cached=usage["cache_read_input_tokens"],
            written_5m=parts["ephemeral_5m_input_tokens"],
            written_1h=parts["ephemeral_1h_input_tokens"],
            output=usage["output_tokens"],
        )
        total += row.cost(found, 0)
    return total


def tickets_of_models(records: Sequence[Record]) -> dict[int, tuple[ProposeIssued, Proposed | None]]:
    """Every ticket that went to a model, with its end."""
    ended = {record.attempt.ticket: record for record in of(records, Proposed)}
    issued = {record.attempt.ticket: record for record in of(records, ProposeIssued) if record.arm.model}
    return {ticket: (record, ended.get(ticket)) for ticket, record in issued.items()}


def ends(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Status and outcome of the tickets of models that have ended, in order of their ends."""
    tickets = tickets_of_models(records)
    return [(str(one.status), one.outcome) for one in of(records, Proposed) if one.attempt.ticket in tickets]


def arms(records: Sequence[Record]) -> list[Arm]:
    return [record.arm for record in of(records, ProposeIssued)]
