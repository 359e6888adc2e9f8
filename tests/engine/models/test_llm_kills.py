"""kill -9 during calls: what was reserved is paid in full, what was lost is never sent again, nothing is counted twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from llm_kills import Chaos, judge
from llm_world import of, records_of, tickets_of_models

from archive import CallReserved, CallSettled, RunClosed
from evolve.config._json import config_to_json
from evolve.engine._reading import view_run
from evolve.engine._session import measure_ready, resume, start
from evolve.testing import AnsweringServer


def chaos(near, kills: int, seed: int | None):
    config = near("", llm={"max_concurrency": 8, "max_tokens": 500}, calls=1_000_000, usd=1000.0)
    with AnsweringServer(delay_s=0.25) as server:
        config.llm.base_url = server.url
        battle = Chaos(config_to_json(config), Path(config.out), server, seed)
        for _ in range(kills):
            battle.life()
        battle.last_life(more_calls=6)
        return judge(battle)


@pytest.mark.kill
def test_a_few_kills_during_calls(near):
    found = chaos(near, 2, seed=1)
    assert found["openings"] == 3
    assert found["lost"] > 0
    assert found["ok"] > 5


@pytest.mark.kill
@pytest.mark.slow
@pytest.mark.long
def test_many_kills_during_calls(near):
    found = chaos(near, 5, seed=0)
    assert found["openings"] == 6
    assert found["lost"] > 5


def cut_after_the_first_reservation(run: Path) -> None:
    """Leave the journal as a kill right after the first durable reservation would."""
    (segment,) = (run / "journal").iterdir()
    lines = segment.read_bytes().splitlines(keepends=True)
    last = next(i for i, line in enumerate(lines) if b'"kind":"call_reserved"' in line)
    segment.write_bytes(b"".join(lines[: last + 1]))
    for suffix in (".json", ".npz"):
        (run / "checkpoint").with_suffix(suffix).unlink()


def resume_without_room(run: Path) -> None:
    """Go on with a clock that leaves no time for a measurement."""
    view = view_run(str(run))
    resume(run, {"wall_s": view.state.run.usage.elapsed(view.now) + 1e-6})


@pytest.mark.parametrize("go_on", [
    lambda run: resume(run, {"calls": 1, "evaluations": 40}),
    resume_without_room,
    measure_ready,  # asks no models, and has nothing to do
])  # fmt: skip
def test_what_was_in_flight_is_closed_by_the_next_driver_whatever_it_may_do(near, go_on):
    with AnsweringServer() as server:
        config = near(server.url, llm={"max_concurrency": 1, "max_tokens": 500}, calls=5)
        config.search.policy = "one_plus_one"  # so that nothing else is open meanwhile
        run = Path(start(config).run)
        cut_after_the_first_reservation(run)
        asks = len(server.asks())
        go_on(run)
        assert len(server.asks()) == asks
    records = records_of(run)
    (reserved,), (settled,) = of(records, CallReserved), of(records, CallSettled)
    assert (settled.outcome, settled.usd) == ("lost", reserved.worst_usd)
    (issued, end), *_ = tickets_of_models(records).values()
    assert issued.attempt == end.attempt == reserved.attempt
    assert (end.status, end.outcome) == ("lost", "")
    assert isinstance(records[-1], RunClosed)
