"""Blocks of a calibrated stage: results count when the machine stood still, and each of them once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
from simulation import Simulation, build, contract

from archive import Attempt, BlockClosed, BlockEntry, BlockStatus, Measured, MeasureIssued, Measurement, Purpose, Status
from evolve.search.state._tickets import MAX_VOID_RETRIES, Tickets

STILL, NOISY, WILD = 0.01, 0.03, 0.4


class Patient:
    """In the place of a generator: a block ends only when nothing more can be handed out, so that children share blocks."""

    def random(self) -> float:
        return 0.99

    def integers(self, high: int) -> int:
        return 0


@dataclass
class Machine(Simulation):
    """A driver on a machine whose speed is scripted: ``drifts`` of the blocks in the order in which they end, then none.

    ``dies`` names the block that loses its grader before its last entry.
    """

    drifts: list[float] = field(default_factory=list)
    dies: int = -1
    ended: int = 0

    def finish(self, issued: MeasureIssued) -> None:
        drift = self.drifts[self.ended] if self.ended < len(self.drifts) else STILL
        lost = len(issued.entries) - 1 if self.ended == self.dies else None
        self.ended += 1
        for index in range(len(issued.entries) if lost is None else lost):
            self.executed.append((issued.attempt.ticket, issued.entries[index].candidate, issued.entries[index].seed))
            self.write(self.search.accept_entry(issued.attempt, index, self.measure(issued, index)))
        status = BlockStatus.LOST if lost is not None else BlockStatus.VOID if drift > 0.05 else BlockStatus.OK
        for record in self.search.accept_block(
            issued.attempt, status, skipped=(), drift=None if lost is not None else drift, reason="", lost=lost
        ):
            self.write(record)


def machine(*, block: int = 2, evaluations: int = 30, **script: object) -> Machine:
    declared = contract(block=block)
    declared = replace(declared, stages=tuple(replace(stage, calibrated=True) for stage in declared.stages))
    driver = Machine(build(declared, evaluations=evaluations), Patient(), wrongs=0.0, **script)  # type: ignore[arg-type]
    driver.begin()
    return driver


def times_counted(driver: Machine) -> dict[str, int]:
    """How often each candidate that was handed out counts, but for what was asked again."""
    population = driver.search.state.population
    issued = [record for record in (stamped.record for stamped in driver.log) if isinstance(record, MeasureIssued)]
    again = Counter(
        entry.candidate for one in issued for entry in one.entries if one.purpose is Purpose.RECHECK and one.attempt.n == 1
    )
    names = {entry.candidate for one in issued for entry in one.entries}
    return {name: population.n_measured(population.by_id[name]) - again[name] for name in names}


def issues(driver: Machine, ticket: int) -> list[MeasureIssued]:
    records = [stamped.record for stamped in driver.log]
    return [record for record in records if isinstance(record, MeasureIssued) and record.attempt.ticket == ticket]


def nothing_is_owed(driver: Machine) -> bool:
    return not any(row.n_in_flight for row in driver.search.state.population.candidates)


@pytest.mark.parametrize("voids", [1, MAX_VOID_RETRIES])
def test_a_void_block_is_repeated_with_the_same_seeds_and_counts_once(voids: int) -> None:
    driver = machine(drifts=[STILL] * 4 + [WILD] * voids)
    driver.run()
    assert set(times_counted(driver).values()) == {1}
    records = [stamped.record for stamped in driver.log]
    void = [one.attempt.ticket for one in records if isinstance(one, BlockClosed) and one.status is BlockStatus.VOID]
    assert len(void) == voids
    for ticket in void:
        first, *again = issues(driver, ticket)
        assert again
        assert all(one.entries == first.entries for one in again)
    assert nothing_is_owed(driver)


def test_drift_that_is_only_noticed_costs_no_repetition() -> None:
    driver = machine(drifts=[NOISY] * 1000)
    driver.run()
    assert set(times_counted(driver).values()) == {1}
    assert all(record.attempt.n == 1 for record in (s.record for s in driver.log) if isinstance(record, MeasureIssued))


@pytest.mark.parametrize("dies", range(4, 12))
def test_a_lost_grader_loses_no_result_of_a_calibrated_block(dies: int) -> None:
    driver = machine(dies=dies)
    driver.run()
    assert set(times_counted(driver).values()) == {1}
    assert nothing_is_owed(driver)


def test_results_that_waited_for_a_calibration_are_measured_again_by_the_next_driver() -> None:
    driver = machine()
    while not any(len(issued.entries) == 2 for issued in driver.in_hand):
        assert driver.step()
    half = next(issued for issued in driver.in_hand if len(issued.entries) == 2)
    record = driver.search.accept_entry(half.attempt, 0, driver.measure(half, 0))
    assert isinstance(record, Measured)
    driver.write(record)
    assert times_counted(driver)[half.entries[0].candidate] == 0
    driver.open()
    driver.run()
    assert set(times_counted(driver).values()) == {1}
    assert [one.entries for one in issues(driver, half.attempt.ticket)] == [half.entries] * 2
    assert nothing_is_owed(driver)


def test_what_a_void_failure_made_skip_is_run_again() -> None:
    tickets = Tickets()
    tickets.on_run_opened("e")
    entries = (BlockEntry("a", "full", 1), BlockEntry("b", "full", 1), BlockEntry("a", "full", 2))
    tickets.on_issued(MeasureIssued(Attempt("e", 0), "p", Purpose.SEARCH, entries))
    block = tickets.blocks[0]
    for index, status in enumerate((Status.TIMEOUT, Status.OK)):
        tickets.on_measured(block, index)
        block.uncalibrated.append(
            Measured(Attempt("e", 0), "p", index, Purpose.SEARCH, Measurement(entries[index].candidate, "full", 1, status))
        )
    assert tickets.n_unmeasured == {"p": 1}
    assert tickets.on_block_closed(BlockClosed(Attempt("e", 0), "p", BlockStatus.VOID, skipped=(2,), drift=WILD)) == []
    assert tickets.n_unmeasured == {"p": 3}
    again = tickets.reissue()
    assert isinstance(again, MeasureIssued)
    assert again.entries == entries


def test_what_a_failure_that_counts_made_skip_is_not_run_when_the_rest_is_lost() -> None:
    tickets = Tickets()
    tickets.on_run_opened("e")
    entries = (BlockEntry("a", "full", 1), BlockEntry("a", "full", 2), BlockEntry("b", "full", 1))
    tickets.on_issued(MeasureIssued(Attempt("e", 0), "p", Purpose.SEARCH, entries))
    tickets.on_measured(tickets.blocks[0], 0)
    assert tickets.on_block_closed(BlockClosed(Attempt("e", 0), "p", BlockStatus.LOST, skipped=(1,), lost=2)) == []
    again = tickets.reissue()
    assert isinstance(again, MeasureIssued)
    assert again.entries == entries[2:]


def test_a_machine_that_never_stands_still_ends_the_block_and_not_the_search() -> None:
    driver = machine(drifts=[STILL] * 4 + [WILD] * 10_000, evaluations=40)
    steps = driver.run(2000)
    assert steps < 2000
    executions = Counter(record.attempt.ticket for record in (s.record for s in driver.log) if isinstance(record, BlockClosed))
    assert max(executions.values()) == 1 + MAX_VOID_RETRIES
