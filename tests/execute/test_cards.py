"""What the local executor does with GPUs, on a machine whose GPUs are none."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gpu_stand_in import Card, StandIn, needs_compiler

import evolve
from archive import Attempt, BlockEntry, BlockStatus, Measurement, Resources, Status
from evolve._errors import EnvironmentFault
from evolve.evaluate.isolation._gpu import SIGNAL
from evolve.execute import Block, LocalExecutor, _cards, _gpu_locks, need_gpus
from evolve.execute._cards import Cards
from evolve.testing import ExecutorContract, Probe, action, open_executor_bench
from evolve.testing._executor_bench import ExecutorBench

pytestmark = needs_compiler

# Besides what the probe does: fail as CUDA does, tell what the sandbox has.
_MORE = """
def broken(trial, words="", status="crash", sleep_s=0.0):
    time.sleep(sleep_s)
    return Outcome(status=Status(status), reason=words, feedback=words)


def inside(trial):
    code = "import json, os; print(json.dumps([sorted(os.listdir('/dev')), os.environ['CUDA_VISIBLE_DEVICES']]))"
    Path(trial.params["trace"], "inside").write_text(trial.sandbox.run(["python", "-c", code]).log)
    return score(trial)


DO |= {"broken": broken, "inside": inside}
"""


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests have cards of the same names."""
    monkeypatch.setattr(_gpu_locks, "FOLDER", tmp_path / "locks")


@pytest.mark.parametrize(("rule", "gpus", "refused"), [("none", 1.0, False), ("wall", 0.0, False), ("wall", 1.0, True)])
def test_cards_of_several_kinds_serve_where_scores_do_not_hang_on_speed(
    tmp_path: Path, rule: str, gpus: float, refused: bool
) -> None:
    machine = StandIn(tmp_path, [Card(0), Card(1)])
    contract = probe_with(tmp_path / "p", gpus).problem.contract
    timed = replace(contract, compute_rule=rule)
    other = replace(contract, stages=(replace(contract.stages[0], gpus=1.0),))  # of a suite
    if not refused:
        assert need_gpus([timed, other], machine.driver) is not None
        return
    with pytest.raises(EnvironmentFault) as told:
        need_gpus([timed, other], machine.driver)
    assert str(told.value) == (
        "expected GPUs of one kind, since scores of probe hang on speed, found "
        "Stand-in 0 (clocks 1500/2619): GPU-0000-stand-in; Stand-in 1 (clocks 1500/2619): GPU-0001-stand-in; "
        "choose, for example: export CUDA_VISIBLE_DEVICES=GPU-0000-stand-in"
    )


def probe_with(folder: Path, gpus: float, **options: Any) -> Probe:
    """The probe problem with a stage that needs GPUs."""
    from evolve.testing import _probe

    probe = Probe(folder, evaluate=_probe._EVALUATE + _MORE, **options)
    stage = replace(probe.problem.contract.stages[0], gpus=gpus)
    probe.problem = replace(probe.problem, contract=replace(probe.problem.contract, stages=(stage,)))
    return probe


@contextmanager
def bench_on(machine: StandIn, probe: Probe, *, slots: int = 1, tier: str = "none", **options: Any) -> Iterator[ExecutorBench]:
    def make(problems: Any, *, slots: int, sink: Any) -> LocalExecutor:
        return LocalExecutor(problems, slots=slots, tier=tier, sink=sink, grace_s=1.0, gpus=machine.driver, **options)

    with open_executor_bench(make, probe, slots=slots) as bench:
        yield bench


ONE = Resources(gpus=1)


class TestContract(ExecutorContract):
    """An executor that lends GPUs keeps the contract of all executors."""

    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[..., LocalExecutor]:
        machine = StandIn(tmp_path / "stand-in", [Card(0)])
        return lambda problems, *, slots, sink: LocalExecutor(
            {
                id_: replace(p, contract=replace(p.contract, stages=tuple(replace(s, gpus=0.25) for s in p.contract.stages)))
                for id_, p in problems.items()
            },
            slots=slots,
            tier="none",
            sink=sink,
            grace_s=1.0,
            gpus=machine.driver,
        )


# ---------------------------------------------------------------------------------------------------- what is lent


def test_more_than_there_are_are_refused_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = StandIn(tmp_path, [Card(0), Card(1)])
    probe = probe_with(tmp_path, 3)
    with pytest.raises(EnvironmentFault) as caught:
        LocalExecutor({"p": probe.problem}, slots=1, tier="none", sink=print, gpus=machine.driver)
    assert "the stage full of probe needs 3 GPUs, this machine has 2 (Stand-in 0, Stand-in 1) to lend" in str(caught.value)
    assert "evolve doctor" in str(caught.value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(EnvironmentFault, match=r"1 \(Stand-in 1\), CUDA_VISIBLE_DEVICES hides 1 to lend"):
        need_gpus([replace(probe.problem.contract, stages=(replace(probe.problem.contract.stages[0], gpus=2),))], machine.driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    machine.say(Card(0, fault="pending"), Card(1))
    with pytest.raises(EnvironmentFault, match="GPU-0000-stand-in is not well"):
        need_gpus([replace(probe.problem.contract, stages=(replace(probe.problem.contract.stages[0], gpus=2),))], machine.driver)
    machine.fail(18)
    with pytest.raises(EnvironmentFault, match="none, Driver/library version mismatch"):
        need_gpus([probe.problem.contract], machine.driver)


def test_a_problem_without_gpus_asks_no_driver(tmp_path: Path) -> None:
    machine = StandIn(tmp_path, [Card(0)])
    machine.fail(9)
    assert need_gpus([Probe(tmp_path).problem.contract], machine.driver) is None


def test_a_block_that_asks_for_more_than_there_are_is_given_back(tmp_path: Path) -> None:
    with bench_on(StandIn(tmp_path, [Card(0)]), probe_with(tmp_path, 1)) as bench:
        closed, entries = bench.run(action("score"), needs=Resources(gpus=2))
        assert (closed.status, entries) == (BlockStatus.LOST, [])
        assert "needs 2 GPUs, this machine has 1" in closed.reason


def test_the_evaluator_and_the_sandbox_see_what_was_lent_and_no_other(tmp_path: Path) -> None:
    machine, probe = StandIn(tmp_path, [Card(0), Card(1)]), probe_with(tmp_path, 1, time_s=20.0)
    with bench_on(machine, probe, tier="strict") as bench:
        if machine.root.owner() == "root":
            for folder in (tmp_path, *tmp_path.parents[:2]):
                folder.chmod(0o755)
        bench.run(action("environment"), needs=ONE)
        assert json.loads((probe.trace / "environment").read_text())["CUDA_VISIBLE_DEVICES"] == "GPU-0000-stand-in"
        bench.run(action("inside"), needs=ONE)
        nodes, visible = json.loads((probe.trace / "inside").read_text())
        assert visible == "GPU-0000-stand-in"
        assert "nvidia0" in nodes
        assert "nvidia1" not in nodes
        bench.run(action("inside"))  # of a block that needs none
        nodes, visible = json.loads((probe.trace / "inside").read_text())
        assert (visible, [name for name in nodes if "nvidia" in name]) == ("", [])


def test_an_evaluator_without_gpus_sees_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    probe = Probe(tmp_path, environment=("CUDA_VISIBLE_DEVICES",))
    with bench_on(StandIn(tmp_path, [Card(0)]), probe) as bench:
        bench.run(action("environment"))
    assert json.loads((probe.trace / "environment").read_text())["CUDA_VISIBLE_DEVICES"] == ""


def spans(probe: Probe, *names: str) -> list[tuple[float, float]]:
    return [(probe.wait_for(name).at, probe.wait_for(name, "ended").at) for name in names]


def overlap(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def test_a_card_that_is_lent_whole_is_lent_to_one(tmp_path: Path) -> None:
    probe = probe_with(tmp_path, 1, time_s=20.0)
    with bench_on(StandIn(tmp_path, [Card(0)]), probe, slots=3) as bench:
        names = [f"b{i}" for i in range(4)]
        bench.wait(*(bench.submit(action("score", name, sleep_s=0.2), needs=ONE) for name in names))
        alone = spans(probe, *names)
        assert not any(overlap(a, b) for i, a in enumerate(alone) for b in alone[:i])


def test_two_cards_serve_two(tmp_path: Path) -> None:
    probe = probe_with(tmp_path, 1, time_s=20.0)
    with bench_on(StandIn(tmp_path, [Card(0), Card(1)]), probe, slots=2) as bench:
        bench.wait(*(bench.submit(action("score", f"first{i}"), needs=ONE) for i in range(2)))
        bench.wait(*(bench.submit(action("score", f"b{i}", sleep_s=1.0), needs=ONE) for i in range(2)))
        assert overlap(*spans(probe, "b0", "b1"))


def test_parts_share_a_card_and_never_with_one_that_is_timed(tmp_path: Path) -> None:
    probe = probe_with(tmp_path, 0.5, time_s=20.0)
    with bench_on(StandIn(tmp_path, [Card(0)]), probe, slots=3) as bench:
        bench.wait(*(bench.submit(action("score", f"warm{i}", sleep_s=1.5), needs=Resources(gpus=0.25)) for i in range(3)))
        parts = [bench.submit(action("score", f"part{i}", sleep_s=1.5), needs=Resources(gpus=0.5)) for i in range(2)]
        whole = bench.submit(action("score", "whole", sleep_s=0.2), needs=ONE)
        late = bench.submit(action("score", "late", sleep_s=0.2), needs=Resources(gpus=0.1))
        bench.wait(*parts, whole, late)
        first, second, alone, after = spans(probe, "part0", "part1", "whole", "late")
        assert overlap(first, second)
        assert not any(overlap(alone, other) for other in (first, second, after))
        assert alone[1] <= after[0]


def test_what_needs_no_gpu_passes_what_waits_for_one(tmp_path: Path) -> None:
    probe = probe_with(tmp_path, 1, time_s=20.0)
    with bench_on(StandIn(tmp_path, [Card(0)]), probe, slots=2) as bench:
        bench.wait(*(bench.submit(action("score", f"warm{i}", sleep_s=1.5)) for i in range(2)))
        blocks = [bench.submit(action("score", name, sleep_s=2.0), needs=ONE) for name in ("first", "second")]
        bench.wait(*blocks, bench.submit(action("score", "plain")))
        first, second, plain = spans(probe, "first", "second", "plain")
        assert plain[1] < second[0]
        assert first[1] <= second[0]


def test_a_slot_keeps_its_card_and_another_lets_it_go(tmp_path: Path) -> None:
    probe = probe_with(tmp_path, 1, time_s=20.0)
    with bench_on(StandIn(tmp_path, [Card(0)]), probe, slots=2) as bench:
        for i in range(4):
            bench.run(action("score", f"b{i}"), needs=ONE)
        assert len({probe.wait_for(f"b{i}").pid for i in range(4)}) == 1, (
            "an idle slot that has a grader with the card gets the block"
        )
        bench.wait(*(bench.submit(action("score", f"c{i}", sleep_s=0.1), needs=ONE) for i in range(6)))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            holders = [grader for slot in bench.executor._fleet for grader in slot._graders.values() if grader.gpus]  # type: ignore[attr-defined]
            if len(holders) == 1:
                break
            time.sleep(0.05)
        assert len(holders) == 1


# ---------------------------------------------------------------------------------------------------- cards that fail


def test_what_failed_on_a_failed_card_is_measured_elsewhere(tmp_path: Path) -> None:
    machine, probe = StandIn(tmp_path, [Card(0), Card(1)]), probe_with(tmp_path, 1, time_s=20.0)
    with bench_on(machine, probe) as bench:
        bench.run(action("score"), needs=ONE)
        machine.say(Card(0, fault="lost"), Card(1))
        words = "CUDA error: uncorrectable ECC error encountered"
        closed, entries = bench.run(action("score"), action("broken", words=words), needs=ONE)
        assert (closed.status, closed.lost, len(entries)) == (BlockStatus.LOST, 1, 1)
        assert "GPU-0000-stand-in: GPU 0 does not answer" in closed.reason
        assert words in closed.reason
        closed, (report,) = bench.run(action("environment"), needs=ONE)
        assert report.result.status is Status.OK
        assert json.loads((probe.trace / "environment").read_text())["CUDA_VISIBLE_DEVICES"] == "GPU-0001-stand-in"


@pytest.mark.parametrize(
    "words", ["CUDA error: uncorrectable ECC error encountered", "GPU has fallen off the bus", "out of memory"]
)
def test_on_a_card_that_is_well_a_failure_is_the_candidates(tmp_path: Path, words: str) -> None:
    with bench_on(StandIn(tmp_path, [Card(0)]), probe_with(tmp_path, 1)) as bench:
        for _ in range(3):
            closed, (report,) = bench.run(action("broken", words=words), needs=ONE)
            assert (closed.status, report.result.status) == (BlockStatus.OK, Status.CRASH)


def test_a_card_whose_memory_others_have_is_suspect_the_second_time(tmp_path: Path) -> None:
    machine = StandIn(tmp_path, [Card(0, pid=1), Card(1)])  # process 1 is none of ours
    with bench_on(machine, probe_with(tmp_path, 0.5)) as bench:
        full = action("broken", words="CUDA out of memory. Tried to allocate 2 GiB")
        closed, _ = bench.run(full, needs=Resources(gpus=0.5))
        assert closed.status is BlockStatus.OK
        closed, _ = bench.run(full, needs=Resources(gpus=0.5))
        assert (closed.status, closed.lost) == (BlockStatus.LOST, 0)
        assert "others have its memory (process 1)" in closed.reason
        assert list(bench.executor._cards.leases.suspect) == ["GPU-0000-stand-in"]  # type: ignore[attr-defined]


def test_a_suspect_card_is_lent_again_when_it_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cards, "RECHECK_S", 0.2)
    machine = StandIn(tmp_path, [Card(0)])
    with bench_on(machine, probe_with(tmp_path, 1)) as bench:
        machine.say(Card(0, ecc=1))
        assert bench.run(action("broken", words="ECC error"), needs=ONE)[0].status is BlockStatus.LOST
        waiting = bench.submit(action("score"), needs=ONE)
        plain = bench.submit(action("score"))
        bench.wait(plain)
        machine.say(Card(0))
        bench.wait(waiting)
        assert bench.closed(waiting).status is BlockStatus.OK


def test_a_block_whose_card_stays_ill_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cards, "RECHECK_S", 0.2)
    machine = StandIn(tmp_path, [Card(0)])
    with bench_on(machine, probe_with(tmp_path, 1), patience_s=1.0) as bench:
        machine.say(Card(0, fault="pending"))
        bench.run(action("broken", words="Xid 79"), needs=ONE)
        closed, entries = bench.run(action("score"), needs=ONE)
        assert (closed.status, closed.lost, entries) == (BlockStatus.LOST, None, [])
        assert "0 are sound (GPU-0000-stand-in: rows of its memory wait for a reset" in closed.reason
        assert "evolve doctor" in closed.reason


def test_a_candidate_that_hangs_on_a_sound_card_is_a_timeout_and_on_another_no_verdict(tmp_path: Path) -> None:
    machine = StandIn(tmp_path, [Card(0), Card(1)])
    with bench_on(machine, probe_with(tmp_path, 1)) as bench:
        closed, (report,) = bench.run(action("loop"), needs=ONE)
        assert report.result.status is Status.TIMEOUT
        machine.say(Card(0, fault="lost"), Card(1))
        closed, entries = bench.run(action("loop"), needs=ONE)
        assert (closed.status, closed.lost, entries) == (BlockStatus.LOST, 0, [])


def test_a_grader_that_dies_has_its_card_looked_at(tmp_path: Path) -> None:
    machine = StandIn(tmp_path, [Card(0), Card(1)])
    with bench_on(machine, probe_with(tmp_path, 1)) as bench:
        machine.say(Card(0, fault="lost"), Card(1))
        closed, _ = bench.run(action("die"), needs=ONE)
        assert "of its GPUs GPU-0000-stand-in" in closed.reason
        assert list(bench.executor._cards.leases.suspect) == ["GPU-0000-stand-in"]  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------------------------- strangers


def test_strangers_on_the_card_of_what_is_timed_are_recorded(tmp_path: Path) -> None:
    machine, probe = StandIn(tmp_path, [Card(0)]), probe_with(tmp_path, 1)

    def seen(needs: Resources) -> list[bool]:
        _, entries = bench.run(action("score"), action("score", "other"), needs=needs)
        return [SIGNAL in report.result.signals for report in entries]

    with bench_on(machine, probe) as bench:
        assert seen(ONE) == [False, False]
        machine.say(Card(0, pid=os.getpid()))
        assert seen(ONE) == [False, False], "its own processes are none"
        machine.say(Card(0, pid=1))
        assert seen(ONE) == [True, True]
        assert seen(Resources(gpus=0.5)) == [False, False], "a part is shared anyway"
        assert seen(Resources(gpus=0.5, exclusive=True)) == [True, True]


def test_a_count_of_full_memory_ends_with_a_measurement_that_went_well(tmp_path: Path) -> None:
    machine = StandIn(tmp_path, [Card(0, pid=1)])
    cards = Cards(machine.driver, machine.driver.survey())
    gpus = machine.driver.survey().gpus
    full = Measurement(candidate="c", stage="s", seed=0, status=Status.CRASH, reason="CUDA out of memory")
    well = replace(full, status=Status.OK, score=1.0, reason="")
    assert [cards.wrong(gpus, one) != "" for one in (full, well, full, full)] == [False, False, False, True]
    assert cards.leases.sound == 0


def test_blocks_of_one_attempt_hold_one_lease(tmp_path: Path) -> None:
    machine, probe = StandIn(tmp_path, [Card(0), Card(1)]), probe_with(tmp_path, 2, time_s=20.0)
    with bench_on(machine, probe) as bench:
        entries = (BlockEntry("c0", "full", 0), BlockEntry("c0", "full", 1))
        block = Block(Attempt("epoch", 900), probe.problem.id, entries, {"c0": action("environment")}, Resources(gpus=2))
        bench.send(block)
        bench.wait(block.attempt)
        visible = json.loads((probe.trace / "environment").read_text())["CUDA_VISIBLE_DEVICES"]
        assert visible == "GPU-0000-stand-in,GPU-0001-stand-in"
        assert bench.executor._cards.leases.find(Resources(gpus=2)) is not None  # type: ignore[attr-defined]


def test_two_executors_keep_off_each_others_cards(tmp_path: Path) -> None:
    machine = StandIn(tmp_path, [Card(0), Card(1)])
    first, second = probe_with(tmp_path, 1, name="first", time_s=20.0), probe_with(tmp_path, 1, name="second", time_s=20.0)
    with bench_on(machine, first) as one, bench_on(machine, second) as other:
        long = one.submit(action("score", "long", sleep_s=3.0), needs=ONE)
        first.wait_for("long")
        other.run(action("environment"), needs=ONE)
        assert json.loads((second.trace / "environment").read_text())["CUDA_VISIBLE_DEVICES"] == "GPU-0001-stand-in"
        other.run(action("score", "both"), needs=Resources(gpus=2))
        one.wait(long)
        assert first.wait_for("long", "ended").at <= second.wait_for("both").at


def test_a_run_is_refused_before_it_is_made(tmp_path: Path) -> None:
    home = tmp_path / "many"
    (home / "initial").mkdir(parents=True)
    (home / "initial/main.py").write_text("X = 1.0\n")
    (home / "evaluate.py").write_text("def evaluate(trial):\n    raise NotImplementedError\n")
    (home / "task.md").write_text("Use very many cards.\n")
    (home / "problem.yaml").write_text("name: many\nmetric: value\ngoal: maximize\nstages: [{name: full, gpus: 64}]\n")
    with pytest.raises(EnvironmentFault, match="the stage full of many needs 64 GPUs, this machine has"):
        evolve.create_run(home, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
