"""The ledger: whatever happens in whatever order, what is settled and what is reserved stay under the caps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from archive import Attempt, CallReserved, CallSettled
from evolve.budget._ledger import Amount, Caps, Ledger, Refusal

ATTEMPT = Attempt("epoch", 1)
NANO = 1_000_000_000


def reserved(call: int, usd: float = 0.01, tokens: int = 10) -> CallReserved:
    return CallReserved(ATTEMPT, call, "anthropic", "m", "{}", usd, worst_tokens=tokens)


def settled(call: int, usd: float = 0.0, tokens_in: int = 0, tokens_out: int = 0) -> CallSettled:
    return CallSettled(ATTEMPT, call, "ok", usd, tokens_in, tokens_out)


def test_a_reservation_becomes_what_the_call_cost():
    ledger = Ledger()
    ledger.apply(reserved(1, 0.5, 100))
    assert (ledger.reserved, ledger.settled) == (Amount(NANO // 2, 100, 1), Amount())
    ledger.apply(settled(1, 0.1, 20, 5))
    assert (ledger.reserved, ledger.settled, ledger.overrun) == (Amount(), Amount(NANO // 10, 25, 1), Amount())


@pytest.mark.parametrize("caps", [Caps(usd=0.05), Caps(tokens=50), Caps(calls=5)], ids=["usd", "tokens", "calls"])
def test_a_cap_is_filled_to_the_last_call_and_no_further(caps):
    ledger = Ledger(caps)
    for call in range(5):
        assert ledger.refusal(reserved(call)) is None
        ledger.apply(reserved(call))
    refusal = ledger.refusal(reserved(9))
    assert isinstance(refusal, Refusal)
    assert getattr(caps, refusal.cap) is not None
    assert refusal.passing
    for call in range(5):
        ledger.apply(settled(call, 0.01, 10))
    assert not ledger.refusal(reserved(9)).passing


def test_a_refusal_says_how_much_there_is():
    ledger = Ledger(Caps(usd=1.0))
    ledger.apply(reserved(1, 0.25))
    ledger.apply(settled(1, 0.2))
    ledger.apply(reserved(2, 0.5))
    expected = "the cap on usd is $1.0000: $0.2000 spent, $0.5000 reserved, $0.7500 asked for"
    assert ledger.refusal(reserved(3, 0.75)) == Refusal("usd", expected, passing=True)


def test_a_final_refusal_goes_before_a_passing_one():
    ledger = Ledger(Caps(usd=0.01, tokens=5))
    ledger.apply(reserved(1, 0.01, 0))
    assert ledger.refusal(reserved(2, 0.01, 10)) == Refusal(
        "tokens", "the cap on tokens is 5: 0 spent, 0 reserved, 10 asked for", passing=False
    )


def test_a_call_has_one_reservation_and_one_settlement():
    ledger = Ledger()
    with pytest.raises(ValueError, match="not reserved"):
        ledger.apply(settled(1))
    ledger.apply(reserved(1))
    with pytest.raises(ValueError, match="reserved already"):
        ledger.apply(reserved(1))
    ledger.apply(settled(1))
    with pytest.raises(ValueError, match="not reserved"):
        ledger.apply(settled(1))


def test_what_is_open_when_a_run_is_reopened_is_charged_in_full():
    ledger = Ledger()
    for record in (reserved(1, 0.5, 100), reserved(2, 0.25, 50), settled(1, 0.1, 7)):
        ledger.apply(record)
    lost = ledger.lost()
    for record in lost:
        ledger.apply(record)
    assert [(record.call, record.outcome, record.usd, record.tokens_assumed, record.tokens_in) for record in lost] == [
        (2, "lost", 0.25, 50, 0)
    ]
    assert ledger.assumed == Amount(250_000_000, 50, 1)
    assert (ledger.reserved, ledger.settled) == (Amount(), Amount(350_000_000, 57, 2))
    assert ledger.lost() == ()


def test_a_charge_beyond_the_worst_case_is_counted_and_shown():
    ledger = Ledger(Caps(usd=0.1))
    ledger.apply(reserved(1, 0.1, 10))
    ledger.apply(settled(1, 0.3, 20))
    assert (ledger.settled, ledger.overrun) == (Amount(300_000_000, 20, 1), Amount(200_000_000, 10))
    assert not ledger.refusal(reserved(2, 0.0, 0)).passing


@given(st.lists(st.integers(0, 10**15), max_size=50))
def test_dollars_of_records_add_up_without_rounding(amounts):
    ledger = Ledger()
    for call, nano in enumerate(amounts):
        ledger.apply(reserved(call, nano / NANO, 1))
        ledger.apply(settled(call, nano / NANO, 1))
    assert ledger.settled.nano == sum(amounts)
    assert ledger.overrun == Amount()


def test_a_second_record_of_an_older_version_tells_a_batch_and_counts_nothing():
    ledger = Ledger()
    ledger.apply(reserved(1, 0.5, 100))
    ledger.apply(replace(reserved(1, 0.5, 100), batch="b1"))
    assert (ledger.reserved, ledger.settled) == (Amount(NANO // 2, 100, 1), Amount())
    (lost,) = ledger.lost()
    assert (lost.usd, lost.usd_assumed) == (0.5, 0.5)
    ledger.apply(settled(1, 0.1, 20))
    assert (ledger.reserved, ledger.settled) == (Amount(), Amount(NANO // 10, 20, 1))


class Spending(RuleBasedStateMachine):
    """Calls begin and end in any order; each costs at most what was reserved; now and then the run is killed and reopened."""

    def __init__(self) -> None:
        super().__init__()
        self.caps = Caps(usd=1.0, tokens=1000, calls=20)
        self.ledger = Ledger(self.caps)
        self.journal: list[CallReserved | CallSettled] = []
        self.open: list[CallReserved] = []
        self.calls = 0

    def write(self, record: CallReserved | CallSettled) -> None:
        self.ledger.apply(record)
        self.journal.append(record)

    @rule(nano=st.integers(0, NANO // 2), tokens=st.integers(0, 400))
    def begin(self, nano: int, tokens: int) -> None:
        self.calls += 1
        record = reserved(self.calls, nano / NANO, tokens)
        if self.ledger.refusal(record) is None:
            self.write(record)
            self.open.append(record)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        record = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        tokens_in = data.draw(st.integers(0, record.worst_tokens))
        tokens_out = data.draw(st.integers(0, record.worst_tokens - tokens_in))
        nano = data.draw(st.integers(0, round(record.worst_usd * NANO)))
        self.write(settled(record.call, nano / NANO, tokens_in, tokens_out))

    @rule()
    def reopen(self) -> None:
        before = self.ledger
        self.ledger = Ledger(self.caps)
        for record in self.journal:
            self.ledger.apply(record)
        assert (self.ledger.settled, self.ledger.reserved) == (before.settled, before.reserved)
        for record in self.ledger.lost():
            self.write(record)
        self.open = []
        assert self.ledger.settled + self.ledger.reserved == before.settled + before.reserved

    @invariant()
    def under_the_caps(self) -> None:
        total = self.ledger.settled + self.ledger.reserved
        assert total.nano <= NANO
        assert total.tokens <= 1000
        assert total.calls <= 20
        assert self.ledger.overrun == Amount()

    @invariant()
    def what_is_reserved_is_what_is_open(self) -> None:
        assert self.ledger.reserved.calls == len(self.open)
        assert self.ledger.reserved.nano == sum(round(record.worst_usd * NANO) for record in self.open)


TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
