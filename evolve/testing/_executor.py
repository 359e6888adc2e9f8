"""The contract every executor keeps, as tests.

    class TestMine(ExecutorContract):
        @pytest.fixture
        def make(self):
            return lambda problems, *, slots, sink: MyExecutor(problems, slots=slots, sink=sink)

``make`` must give an executor that kills an evaluator which hangs within a few seconds of its stage's ``time_s``.  Evaluations must
run on the machine of the tests.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archive import Attempt, BlockStatus, Resources, StartMode, Status
from evolve.execute import BlockReport, EntryReport, Report
from evolve.testing._executor_bench import LIMIT_S, Make, open_executor_bench
from evolve.testing._probe import Probe, action, is_running


class ExecutorContract:
    """Subclass it, give it a fixture ``make``, and let pytest collect it."""

    # -------------------------------------------------------------------------------------------- results

    def test_measures(self, make: Make, tmp_path: Path) -> None:
        probe = Probe(tmp_path)
        with open_executor_bench(make, probe) as bench:
            closed, (report,) = bench.run(action("score", value=2.5), seed=40)
            result = report.result
            assert (result.candidate, result.stage, result.seed, result.start) == ("c0", "full", 40, StartMode.COLD)
            assert (result.status, result.score) == (Status.OK, 42.5)
            assert (result.metrics, result.descriptors) == ({"extra": 2.0}, {"place": 0.5})
            assert result.tier
            assert result.machine
            assert result.wall_s > 0
            assert closed == BlockReport(report.attempt, BlockStatus.OK)
            assert bench.executor.pending == 0

    def test_reports_of_a_block_come_in_order_and_its_end_last(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path), slots=2) as bench:
            blocks = [
                bench.submit(*(action("score", f"{n}{i}", sleep_s=random.Random(n * 9 + i).random() / 20) for i in range(4)))
                for n in range(4)
            ]
            bench.wait(*blocks)
            for attempt in blocks:
                own = [report for report in bench.reports if report.attempt == attempt]
                assert [report.index for report in own if isinstance(report, EntryReport)] == [0, 1, 2, 3]
                assert isinstance(own[-1], BlockReport)

    def test_later_entries_of_a_failed_candidate_are_skipped(self, make: Make, tmp_path: Path) -> None:
        bad, good = action("fail"), action("score")
        with open_executor_bench(make, Probe(tmp_path)) as bench:
            closed, entries = bench.run(good, bad, good, bad, bad, good)
            assert [report.index for report in entries] == [0, 1, 2, 5]
            assert closed.status is BlockStatus.OK
            assert closed.skipped == (3, 4)

    def test_huge_output_is_capped_and_cleaned(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path)) as bench:
            _, (report,) = bench.run(action("bulk"))
            assert report.result.status is Status.OK
            assert len(report.result.feedback) < 10_000
            assert "\x1b" not in report.result.feedback
            assert len(report.result.artifacts["blob"]) >= 1 << 20

    def test_evaluators_do_not_write_to_the_terminal(self, make: Make, tmp_path: Path, capfd: Any) -> None:
        with open_executor_bench(make, Probe(tmp_path)) as bench:
            _, (report,) = bench.run(action("chatter"))
            assert report.result.status is Status.OK
        captured = capfd.readouterr()
        assert "xxx" not in captured.out
        assert "yyy" not in captured.err

    def test_evaluators_inherit_no_keys_and_no_home(self, make: Make, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setenv("SOME_API_KEY", "secret")
        monkeypatch.setenv("HOME", str(tmp_path))
        probe = Probe(tmp_path)
        with open_executor_bench(make, probe) as bench:
            bench.run(action("environment"))
        environment = json.loads((probe.trace / "environment").read_text())
        assert "HOME" not in environment
        assert "secret" not in environment.values()

    def test_evaluators_inherit_what_their_problem_names(self, make: Make, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
        monkeypatch.setenv("JUDGE_API_KEY", "a-long-secret")
        probe = Probe(tmp_path, environment=("JUDGE_API_KEY",))
        with open_executor_bench(make, probe) as bench:
            bench.run(action("environment"))
        environment = json.loads((probe.trace / "environment").read_text())
        assert environment["LD_LIBRARY_PATH"] == str(tmp_path)
        assert environment["JUDGE_API_KEY"] == "a-long-secret"

    def test_what_an_evaluator_left_behind_is_gone_when_the_next_measurement_begins(self, make: Make, tmp_path: Path) -> None:
        probe = Probe(tmp_path, time_s=20.0)
        with open_executor_bench(make, probe) as bench:
            _, (report,) = bench.run(action("litter"))
            assert report.result.status is Status.OK
            daemon = probe.wait_for_child(probe.wait_for("litter").pid)
            _, (report,) = bench.run(action("score"))
            assert report.result.status is Status.OK
            assert not is_running(daemon)
            assert [path for path in json.loads((probe.trace / "left").read_text()) if Path(path).exists()] == []

    def test_pools_over_functions_of_the_evaluator_work(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path, time_s=60.0)) as bench:
            for method in ("spawn", "forkserver", "fork", "forkserver"):
                _, (report,) = bench.run(action("pool", method=method))
                assert (report.result.status, report.result.score) == (Status.OK, 50.0), (method, report.result.reason)

    # -------------------------------------------------------------------------------------------- what goes wrong

    def test_a_sandbox_helper_that_is_killed_is_a_loss_and_no_verdict(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path)) as bench:
            for quiet in (False, True):
                closed, entries = bench.run(action("score"), action("lose", quiet=quiet), action("score", value=2.0))
                assert (closed.status, closed.lost) == (BlockStatus.LOST, 1)
                assert closed.reason
                assert [report.index for report in entries] == [0]
            closed, (report,) = bench.run(action("score"))
            assert (closed.status, report.result.status) == (BlockStatus.OK, Status.OK)

    def test_an_evaluator_that_does_not_load_at_first_is_tried_again(self, make: Make, tmp_path: Path) -> None:
        place = tmp_path / "hiccup"
        hiccup = f"import os\nif os.path.exists({str(place)!r}):\n    os.unlink({str(place)!r})\n    raise OSError('a hiccup')\n"
        probe = Probe(tmp_path, first=hiccup)
        with open_executor_bench(make, probe) as bench:
            for _ in range(2):
                place.touch()
                closed, (report,) = bench.run(action("score"))
                assert (closed.status, report.result.status) == (BlockStatus.OK, Status.OK)
                bench.run(action("die"))  # and so the evaluator is loaded again

    def test_the_evaluators_errors_are_not_the_candidates(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path)) as bench:
            for do, words in (("error", "the evaluator is broken"), ("leave", "SystemExit"), ("nothing", "NoneType")):
                closed, entries = bench.run(action(do), action(do))
                assert closed == BlockReport(closed.attempt, BlockStatus.OK)
                assert [report.result.status for report in entries] == [Status.EVALUATOR_ERROR] * 2
                assert words in entries[0].result.reason

    def test_an_evaluator_that_cannot_be_loaded_harms_no_other_problem(self, make: Make, tmp_path: Path) -> None:
        probe, broken = Probe(tmp_path), Probe(tmp_path, name="broken", evaluate="import a_module_that_is_missing\n")
        with open_executor_bench(make, probe, broken) as bench:
            for _ in range(2):
                closed, entries = bench.run(action("score"), action("score", value=2.0), problem="broken@1")
                assert closed.status is BlockStatus.OK
                assert [report.result.status for report in entries] == [Status.EVALUATOR_ERROR] * 2
                assert "a_module_that_is_missing" in entries[0].result.reason
            _, (report,) = bench.run(action("score"))
            assert report.result.status is Status.OK

    def test_a_grader_that_dies_loses_the_block_and_names_the_entry(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path)) as bench:
            closed, entries = bench.run(action("score"), action("die"), action("score", value=2.0))
            assert closed.status is BlockStatus.LOST
            assert closed.lost == 1
            assert closed.reason
            assert [report.index for report in entries] == [0]
            closed, entries = bench.run(action("score"))
            assert closed.status is BlockStatus.OK
            assert len(entries) == 1

    def test_a_candidate_that_does_not_end_is_a_timeout(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path)) as bench:
            closed, entries = bench.run(action("loop"), action("score"), action("loop"))
            assert [report.result.status for report in entries] == [Status.TIMEOUT, Status.OK]
            assert closed == BlockReport(closed.attempt, BlockStatus.OK, (2,))

    def test_an_evaluator_that_does_not_end_is_killed_and_the_block_goes_on(self, make: Make, tmp_path: Path) -> None:
        probe = Probe(tmp_path)
        with open_executor_bench(make, probe) as bench:
            closed, entries = bench.run(action("family"), action("score"))
            assert [report.result.status for report in entries] == [Status.EVALUATOR_ERROR, Status.OK]
            assert closed.status is BlockStatus.OK
            began = probe.wait_for("family")
            assert not is_running(began.pid)
            assert not is_running(probe.wait_for_child(began.pid))

    # -------------------------------------------------------------------------------------------- cancel and close

    def test_cancel_kills_what_runs(self, make: Make, tmp_path: Path) -> None:
        probe = Probe(tmp_path)
        with open_executor_bench(make, probe) as bench:
            attempt = bench.submit(action("score"), action("hang"), action("score", value=2.0))
            began = probe.wait_for("hang")
            bench.executor.cancel(attempt)
            bench.wait(attempt)
            assert bench.closed(attempt).status is BlockStatus.CANCELLED
            assert [report.index for report in bench.entries(attempt)] == [0]
            assert not is_running(began.pid)
            closed, _ = bench.run(action("score"))
            assert closed.status is BlockStatus.OK

    def test_cancel_takes_a_waiting_block_out(self, make: Make, tmp_path: Path) -> None:
        probe = Probe(tmp_path)
        with open_executor_bench(make, probe) as bench:
            first = bench.submit(action("score", sleep_s=0.5))
            waiting = bench.submit(action("score", "never"))
            bench.executor.cancel(waiting)
            bench.wait(first, waiting)
            assert bench.closed(first).status is BlockStatus.OK
            assert bench.closed(waiting).status is BlockStatus.CANCELLED
            assert bench.entries(waiting) == []
            assert probe.marks("never") == []

    def test_cancel_of_unknown_and_finished_attempts_does_nothing(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path)) as bench:
            bench.executor.cancel(Attempt("epoch", 999))
            closed, _ = bench.run(action("score"))
            bench.executor.cancel(closed.attempt)
            again, _ = bench.run(action("score", sleep_s=0.1))
            assert again.status is BlockStatus.OK
            bench.take_rest()
            assert sum(isinstance(report, BlockReport) for report in bench.reports) == 2

    def test_a_drain_finishes_what_is_in_hand_and_leaves_no_process(self, make: Make, tmp_path: Path) -> None:
        probe = Probe(tmp_path)
        with open_executor_bench(make, probe, slots=2) as bench:
            attempts = [bench.submit(action("score", f"d{i}", sleep_s=0.05)) for i in range(7)]
            bench.executor.close(drain=True)
            bench.take_rest()
            assert [bench.closed(attempt).status for attempt in attempts] == [BlockStatus.OK] * 7
            assert bench.executor.pending == 0
            assert not any(is_running(mark.pid) for mark in probe.marks())

    def test_closing_at_once_cancels_everything_and_leaves_no_process(self, make: Make, tmp_path: Path) -> None:
        probe = Probe(tmp_path)
        with open_executor_bench(make, probe) as bench:
            attempts = [bench.submit(action("family")), bench.submit(action("score"))]
            began = probe.wait_for("family")
            child = probe.wait_for_child(began.pid)
            bench.executor.close(drain=False)
            assert not is_running(began.pid)
            assert not is_running(child)
            bench.take_rest()
            assert [bench.closed(attempt).status for attempt in attempts] == [BlockStatus.CANCELLED] * 2
            assert bench.executor.pending == 0

    def test_close_is_idempotent_and_final(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path)) as bench:
            bench.run(action("score"))
            bench.executor.close(drain=True)
            bench.executor.close(drain=True)
            bench.executor.close(drain=False)
            assert bench.executor.room == 0
            refused = False
            try:
                bench.submit(action("score"))
            except RuntimeError:
                refused = True
            assert refused, "a closed executor takes no blocks"

    # -------------------------------------------------------------------------------------------- many blocks

    def test_a_flood_of_small_blocks(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path), slots=2) as bench:
            attempts = [bench.submit(action("score", value=float(n))) for n in range(500)]
            bench.wait(*attempts)
            scores = {report.attempt: report.result.score for report in bench.reports if isinstance(report, EntryReport)}
            assert [scores[attempt] for attempt in attempts] == [float(n) for n in range(500)]
            assert len(bench.reports) == 1000
            assert all(bench.closed(attempt).status is BlockStatus.OK for attempt in attempts)
            assert bench.executor.pending == 0

    def test_a_block_submitted_twice_invents_nothing(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path), slots=2) as bench:
            block = bench.block(action("score", value=3.0), action("fail"))
            bench.send(block)
            bench.send(block)
            last = bench.submit(action("score", sleep_s=0.2))
            bench.wait(block.attempt, last)
            bench.executor.close(drain=True)
            bench.take_rest()
            results = {(report.index, report.result.status, report.result.score) for report in bench.entries(block.attempt)}
            assert results == {(0, Status.OK, 3.0), (1, Status.CHECKS_FAILED, None)}
            assert bench.executor.pending == 0

    def test_room_and_pending_add_up(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path), slots=2) as bench:
            executor = bench.executor
            assert (executor.slots, executor.pending) == (2, 0)
            assert executor.room >= executor.slots
            attempts: list[Attempt] = []
            while executor.room > 0:
                attempts.append(bench.submit(action("score", f"r{len(attempts)}", sleep_s=0.3)))
                assert len(attempts) <= 4 * executor.slots, "room must shrink as blocks are submitted"
            assert len(attempts) >= executor.slots
            assert executor.pending <= len(attempts)
            bench.wait(*attempts)
            assert executor.pending == 0
            assert executor.room >= executor.slots

    def test_pending_never_misses_a_block_whose_report_is_to_come(self, make: Make, tmp_path: Path) -> None:
        """A loop may go on while ``pending`` and wait for one report each time round: it neither hangs nor misses one."""
        with open_executor_bench(make, Probe(tmp_path), slots=2) as bench:
            done = threading.Event()
            seen: list[Sequence[Report]] = []

            def loop() -> None:
                for n in range(60):
                    bench.submit(action("score", value=float(n)))
                while bench.executor.pending:
                    while not isinstance(bench.next_report(), BlockReport):
                        pass
                bench.take_rest()
                seen.append(bench.reports)
                done.set()

            threading.Thread(target=loop, daemon=True).start()
            assert done.wait(LIMIT_S), "the loop waits for a report that does not come"
            assert sum(isinstance(report, BlockReport) for report in seen[0]) == 60

    # -------------------------------------------------------------------------------------------- where and beside whom

    def test_a_block_pinned_to_this_machine_runs_and_one_pinned_elsewhere_is_lost(self, make: Make, tmp_path: Path) -> None:
        with open_executor_bench(make, Probe(tmp_path)) as bench:
            _, (report,) = bench.run(action("score"))
            closed, _ = bench.run(action("score"), needs=Resources(machine=report.result.machine))
            assert closed.status is BlockStatus.OK
            closed, entries = bench.run(action("score"), needs=Resources(machine="a-machine-that-is-not-here"))
            assert closed.status is BlockStatus.LOST
            assert "a-machine-that-is-not-here" in closed.reason
            assert closed.lost is None
            assert entries == []

    def test_a_block_that_asks_for_another_slot_is_measured_by_another_grader(self, make: Make, tmp_path: Path) -> None:
        probe = Probe(tmp_path)
        with open_executor_bench(make, probe, slots=2) as bench:
            for _ in range(3):
                bench.run(action("score", "again"), needs=Resources(elsewhere=True))
            graders = [mark.pid for mark in probe.marks("again", "began")]
            assert len(set(graders)) == 2
            assert graders[0] != graders[1] != graders[2]
        with open_executor_bench(make, Probe(tmp_path, name="alone"), slots=1) as bench:
            closed = [bench.run(action("score"), needs=Resources(elsewhere=True))[0] for _ in range(2)]
            assert [one.status for one in closed] == [BlockStatus.OK, BlockStatus.OK]

    def test_an_exclusive_block_runs_alone_and_does_not_starve(self, make: Make, tmp_path: Path) -> None:
        probe = Probe(tmp_path)
        with open_executor_bench(make, probe, slots=2) as bench:
            before = [bench.submit(action("score", f"before{i}", sleep_s=0.1)) for i in range(3)]
            alone = bench.submit(action("score", "alone", sleep_s=0.2), needs=Resources(exclusive=True))
            after = [bench.submit(action("score", f"after{i}", sleep_s=0.1)) for i in range(8)]
            bench.wait(*before, alone, *after)
            (began,), (ended,) = probe.marks("alone", "began"), probe.marks("alone", "ended")
            inside = [mark for mark in probe.marks() if mark.name != "alone" and began.at <= mark.at <= ended.at]
            assert inside == [], "something ran beside an exclusive block"
            starts = [mark.name for mark in probe.marks(what="began")]
            assert starts.index("alone") < starts.index("after7")
