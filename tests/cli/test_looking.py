"""Reading verbs on a run that has ended: what ``--json`` promises, and what text shows."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from cli_process import SETTINGS, Cli, Say, write_problem

from archive import RunCreated, candidate_id, read_journal
from evolve.cli import main

GOLDEN = Path(__file__).parent / "golden"
FREE = {"failures", "descriptors", "files", "metrics", "params", "parents"}  # what is in them is data
VERBS = {
    "status": ["status", "RUN"],
    "best": ["best", "RUN"],
    "show": ["show", "RUN", "seed"],
    "lineage": ["lineage", "RUN", "seed"],
    "query": ["query", "RUN", "SELECT status, score, parents FROM candidates WHERE operator = 'seed'"],
    "export": ["export", "RUN", "-o", "OUT"],
    "stop": ["stop", "RUN"],
    "list": ["list", "RUNS"],
    "claims": ["claims", "RUN"],
    "config": ["config", "problem=planted", "budget=minute"],
}


def skeleton(value: object, key: str = "") -> object:
    """The form of an answer: names and types, with the schema number as it is."""
    if key in FREE:
        return type(value).__name__
    if isinstance(value, dict):
        return {name: skeleton(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [skeleton(value[0])] if value else []
    return value if key == "schema" else "null" if value is None else type(value).__name__


@pytest.fixture
def answer(ended: tuple[Path, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Calls a verb on the run in this process; gives stdout."""

    def call(*words: str) -> str:
        places = {"RUN": str(ended[0]), "RUNS": str(ended[0].parent), "OUT": str(tmp_path / "out")}
        assert main([places.get(word, word) for word in words]) == 0
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return out

    return call


@pytest.mark.parametrize("verb", VERBS)
def test_json_keeps_its_form(verb: str, answer) -> None:
    found = json.loads(answer(*VERBS[verb], "--json"))
    assert next(iter(found)) == "schema"
    assert skeleton(found) == json.loads((GOLDEN / f"{verb}.json").read_text())


def test_the_summary_keeps_its_form(ended: tuple[Path, str, str]) -> None:
    assert skeleton(json.loads(ended[1])) == json.loads((GOLDEN / "run.json").read_text())


def test_scores_carry_the_problems_own_sign(answer) -> None:
    status, seed = json.loads(answer("status", "RUN", "--json")), json.loads(answer("show", "RUN", "seed", "--json"))
    assert status["seed_score"] == seed["score"] == 3.5
    assert status["best_score"] <= 3.5
    assert status["gain"] == pytest.approx(3.5 - status["best_score"])


def test_source_goes_out_as_it_is(answer, tmp_path: Path) -> None:
    best = json.loads(answer("best", "RUN", "--json"))
    assert answer("best", "RUN", "--source") == best["files"]["main.py"]
    assert candidate_id(best["files"]) == best["id"]
    answer("best", "RUN", "--source", "-o", str(tmp_path / "best.py"))
    assert (tmp_path / "best.py").read_text() == best["files"]["main.py"]
    (tmp_path / "folder").mkdir()
    answer("best", "RUN", "--source", "-o", str(tmp_path / "folder"))
    assert (tmp_path / "folder" / "main.py").read_text() == best["files"]["main.py"]


def test_what_goes_out_goes_where_it_was_meant_to(answer, say: Say, tmp_path: Path, ended: tuple[Path, str, str]) -> None:
    answer("best", "RUN", "--source", "-o", f"{tmp_path}/new/")
    answer("best", "RUN", "--source", "-o", str(tmp_path / "a" / "b" / "best.py"))
    assert (tmp_path / "new" / "main.py").read_text() == (tmp_path / "a" / "b" / "best.py").read_text()
    answer("best", "RUN", "--artifact", "-o", str(tmp_path / "new"))
    assert json.loads((tmp_path / "new" / "point.json").read_text())
    before = sorted(ended[0].rglob("*"))
    for words in (
        ["--source", "-o", ended[0]],
        ["--source", "-o", ended[0] / "x" / ".."],
        ["--artifact", "-o", ended[0] / "a.json"],
    ):
        assert "lies in the run's own folder" in say("best", ended[0], *words, code=2)
    assert sorted(ended[0].rglob("*")) == before


def test_a_place_without_a_thing_to_put_there_is_told_what_to_type(say: Say, ended: tuple[Path, str, str]) -> None:
    said = say("best", ended[0], "-o", "x y.py", code=2)
    assert said.endswith(f"found neither; type: evolve best {ended[0]} --source -o 'x y.py'\n")
    for word in ("--diff", "--json"):
        said = say("best", ended[0], word, "-o", "x", code=2)
        assert said.endswith(f"{word} goes to stdout, type: evolve best {ended[0]} {word} > x\n")


def test_an_artifact_can_be_scored_again(answer, tmp_path: Path) -> None:
    answer("best", "RUN", "--artifact", "point", "-o", str(tmp_path / "point.json"))
    x, y = json.loads((tmp_path / "point.json").read_text())
    assert abs(x - 1) + abs(y - 2) == pytest.approx(json.loads(answer("best", "RUN", "--json"))["score"])


def test_where_no_artifact_is_declared_none_is_asked_for_by_name(say: Say, tmp_path: Path) -> None:
    problem, run = write_problem(tmp_path / "plain"), tmp_path / "run"
    for file in (problem / "problem.yaml", problem / "evaluate.py"):
        file.write_text("\n".join(line for line in file.read_text().splitlines() if "artifacts" not in line))
    say("run", "--json", f"problem={problem}", "search=fixed_candidates", f"out={run}", *SETTINGS)
    for words in ((), ("point",)):
        said = say("best", run, "--artifact", *words, code=2)
        assert "tiny declares no artifacts" in said
        assert "--artifact NAME" not in said


def test_a_diff_applies_to_the_seed(answer) -> None:
    best = json.loads(answer("best", "RUN", "--json"))
    found = answer("best", "RUN", "--diff")
    if best["parents"]:
        assert found.startswith("--- a/main.py\n+++ b/main.py\n")
        added = [line[1:] for line in found.splitlines() if line.startswith("+") and not line.startswith("+++")]
        assert added
        assert all(line in best["files"]["main.py"].splitlines() for line in added)
    assert "+X = 4.0" in answer("show", "RUN", "seed", "--diff")


def test_an_id_may_be_cut_short(answer, ended: tuple[Path, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    best = json.loads(answer("best", "RUN", "--json"))["id"]
    assert json.loads(answer("show", "RUN", best[:12], "--json"))["id"] == best
    for word, said in (("zz", "has no candidate 'zz'"), ("", "takes no empty ID, found ''")):
        assert main(["show", str(ended[0]), word]) == 2
        assert said in capsys.readouterr().err


def test_words_of_a_candidate_cannot_reach_the_terminal(answer) -> None:
    log = answer("show", "RUN", "seed", "--log")
    assert "far" in log
    assert "\x1b" not in log


def test_a_query_sees_many_runs_and_says_when_there_are_more_rows(answer) -> None:
    assert json.loads(answer("query", "RUNS", "SELECT count(DISTINCT run) FROM candidates", "--json"))["rows"] == [[1]]
    text = answer("query", "RUN", "SELECT seq FROM measurements", "--limit", "2")
    assert "more than 2 rows" in text
    assert len(text.splitlines()) == 4


def test_a_reader_that_stops_early_is_no_error(cli: Cli, ended: tuple[Path, str, str]) -> None:
    process = cli.start("query", str(ended[0]), "SELECT repeat('x', 1000) FROM range(5000)", "--limit", "0", "--json")
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_a_query_is_given_up_when_its_time_is_over_or_somebody_interrupts_it(
    cli: Cli, ended: tuple[Path, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    endless = "WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT max(x) FROM t"
    assert main(["query", str(ended[0]), endless, "--seconds", "0.5"]) == 2
    assert capsys.readouterr().err == "evolve: the query was given up after 0.5 s; ask for less, or allow more time\n"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background, children would ignore it
    process = cli.start("query", str(ended[0]), endless)
    signal.signal(signal.SIGINT, before)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=4)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert process.stderr is not None
    assert process.stderr.read() == "interrupted\n"


def test_a_damaged_journal_is_named_and_not_skipped(
    ended: tuple[Path, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(ended[0], run)
    for path in run.glob("checkpoint.*"):
        path.unlink()
    segment = next((run / "journal").iterdir())
    damaged = bytearray(segment.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    segment.write_bytes(damaged)
    assert main(["status", str(run)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("evolve: ")
    assert segment.name in err
    assert main(["list", str(tmp_path)]) == 0
    assert "unreadable" in capsys.readouterr().out


LOOKS = [
    *VERBS.values(), ["show", "RUN", "seed", "--log"], ["best", "RUN", "--source"], ["list", "RUNS"],
    *(["query", "RUN", f"SELECT * FROM {table}"] for table in ("runs", "events", "raw.run_created", "measurements", "tickets")),
]  # fmt: skip


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_no_reading_verb_shows_what_measurement_seeds_derive_from(words: list[str], ended, answer, tmp_path: Path) -> None:
    created = next(one.record for one in read_journal(ended[0]) if isinstance(one.record, RunCreated))
    assert len(created.secret) == 64
    said = answer(*words) + (answer(*words, "--json") if "--source" not in words else "")
    exported = b"".join(path.read_bytes() for path in tmp_path.rglob("*.parquet"))
    assert said
    assert created.secret not in said + ended[1] + ended[2]
    assert created.secret.encode() not in exported
    assert created.secret not in "".join(path.read_text() for path in (ended[0] / "problem").rglob("*.*") if path.is_file())


def test_the_lab_journal_is_what_the_run_left_and_nothing_is_written_for_it(ended, answer) -> None:
    path = ended[0] / "journal.md"
    left = path.read_text(encoding="utf-8")
    before = path.stat().st_mtime_ns
    assert answer("status", "RUN", "--journal") == left
    assert path.stat().st_mtime_ns == before
    assert main(["status", str(ended[0]), "--journal", "--json"]) == 2
