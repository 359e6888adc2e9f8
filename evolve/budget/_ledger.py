"""The ledger: what calls have cost and may yet cost.  Pure: records in, refusals out.

A reservation is made before an HTTP request and settled after it.  What is settled and what is reserved never exceed a cap
together, with any number of requests in flight, as long as no server charges more than the worst case that was reserved; what one
charges beyond it is counted in ``overrun``, and what is charged because nobody counted it in ``assumed``.  The same records give
the same ledger, so a reopened run reads it from the journal.
"""

from __future__ import annotations

from dataclasses import dataclass

from archive import Attempt, CallReserved, CallSettled

NANO = 1_000_000_000
LOST = "lost"  # outcome of a reservation that nobody came back to settle

CallId = tuple[Attempt, int]


def nano(usd: float) -> int:
    """Nano-dollars of a record's dollars."""
    return round(usd * NANO)


def usd(amount: int) -> float:
    """Dollars, for a record, of nano-dollars."""
    return amount / NANO


@dataclass(frozen=True, slots=True)
class Caps:
    """What may be spent: dollars, tokens in and out, HTTP requests.  None is no limit."""

    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    """Nano-dollars, tokens, HTTP requests."""

    nano: int = 0
    tokens: int = 0
    calls: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.nano + other.nano, self.tokens + other.tokens, self.calls + other.calls)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.nano - other.nano, self.tokens - other.tokens, self.calls - other.calls)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a reservation does not fit.  ``passing``: it may fit once requests in flight have been settled."""

    cap: str
    sentence: str
    passing: bool


class Ledger:
    """What is settled and what is reserved, under caps that may change."""

    __slots__ = ("_open", "assumed", "caps", "overrun", "reserved", "settled")

    def __init__(self, caps: Caps | None = None) -> None:
        self.caps = caps or Caps()
        self.settled = Amount()
        self.reserved = Amount()
        self.overrun = Amount()
        self.assumed = Amount()
        self._open: dict[CallId, tuple[CallReserved, Amount]] = {}

    def refusal(self, record: CallReserved) -> Refusal | None:
        """Why this reservation does not fit now, or None."""
        asked = _asked(record)
        caps = self.caps
        lines = (
            ("usd", nano(caps.usd) if caps.usd is not None else None, self.settled.nano, self.reserved.nano, asked.nano),
            ("tokens", caps.tokens, self.settled.tokens, self.reserved.tokens, asked.tokens),
            ("calls", caps.calls, self.settled.calls, self.reserved.calls, asked.calls),
        )
        refusals = [
            Refusal(name, _sentence(name, cap, settled, reserved, more), passing=settled + more <= cap)
            for name, cap, settled, reserved, more in lines
            if cap is not None and settled + reserved + more > cap
        ]
        return min(refusals, key=lambda refusal: refusal.passing, default=None)

    def apply(self, record: CallReserved | CallSettled) -> None:
        """Take in a record, as it is written or as it is read from the journal.

        Raises:
            ValueError: A call that is reserved twice, or settled without being reserved.
        """
        call = (record.attempt, record.call)
        if isinstance(record, CallReserved):
            if call in self._open and record.batch:  # older versions told the batch of a call in a second record
                return
            if call in self._open:
                raise ValueError(f"the call {call} is reserved already.")
            amount = _asked(record)
            self._open[call] = (record, amount)
            self.reserved += amount
            return
        if call not in self._open:
            raise ValueError(f"the call {call} is not reserved.")
        _, asked = self._open.pop(call)
        charged = Amount(nano(record.usd), record.tokens_in + record.tokens_out + record.tokens_assumed, 1)
        self.reserved -= asked
        self.settled += charged
        if record.tokens_assumed or record.usd_assumed:
            self.assumed += Amount(nano(record.usd_assumed), record.tokens_assumed, 1)
        beyond = charged - asked
        self.overrun += Amount(max(beyond.nano, 0), max(beyond.tokens, 0))

    def reservation(self, attempt: Attempt, call: int) -> CallReserved | None:
        """The reservation of a call that is open."""
        found = self._open.get((attempt, call))
        return found[0] if found is not None else None

    def lost(self) -> tuple[CallSettled, ...]:
        """Settlements in full of what is reserved: after reopening, nobody knows what became of those requests."""
        return tuple(in_full(record, LOST, "open when the run was reopened") for record, _ in self._open.values())

    def copy(self) -> Ledger:
        """Another ledger in the same state, for another thread."""
        twin = Ledger(self.caps)
        twin.settled, twin.reserved, twin.overrun, twin.assumed = self.settled, self.reserved, self.overrun, self.assumed
        twin._open = dict(self._open)
        return twin

    def dump(self) -> tuple[Amount, Amount, Amount, tuple[CallReserved, ...]]:
        """The state; ``load`` of it is exact."""
        return self.settled, self.overrun, self.assumed, tuple(record for record, _ in self._open.values())

    def load(self, dumped: tuple[Amount, Amount, Amount, tuple[CallReserved, ...]]) -> None:
        """Take the state of ``dump``."""
        self.settled, self.overrun, self.assumed, records = dumped
        self._open = {(record.attempt, record.call): (record, _asked(record)) for record in records}
        self.reserved = sum((amount for _, amount in self._open.values()), Amount())


def in_full(record: CallReserved, outcome: str, reason: str) -> CallSettled:
    """A settlement that charges the whole reservation."""
    return CallSettled(
        attempt=record.attempt,
        call=record.call,
        outcome=outcome,
        usd=record.worst_usd,
        reason=reason,
        tokens_assumed=record.worst_tokens,
        usd_assumed=record.worst_usd,
    )


def _asked(record: CallReserved) -> Amount:
    return Amount(nano(record.worst_usd), record.worst_tokens, 1)


def _sentence(name: str, cap: int, settled: int, reserved: int, more: int) -> str:
    shown = [f"${usd(value):.4f}" if name == "usd" else str(value) for value in (cap, settled, reserved, more)]
    return "the cap on {} is {}: {} spent, {} reserved, {} asked for".format(name, *shown)


def cap_of(sentence: str) -> str:
    """Which cap the sentence of a refusal names: usd, tokens or calls; "" where it is none."""
    return next((cap for cap in ("usd", "tokens", "calls") if f"the cap on {cap} is " in sentence), "")
