"""``benchmarks/search_quality.py`` runs: every arm to its end on a small budget, the tables, and what it says of wrong words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from quality import _openevolve
from quality._arms import ARMS, arm_of, refused
from quality._tasks import TASKS
from quality._world import Setting

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "search_quality.py"
MORE = ("openevolve+tuned", "openevolve+described", "auto+archive_size=8+in_flight=2+start=cold")
PEER = _openevolve.missing()


def here(arm: str):
    return pytest.param(arm, marks=pytest.mark.skipif(arm.startswith("openevolve") and PEER is not None, reason=str(PEER)))


@pytest.mark.parametrize("task", ["modes", "features", "rastrigin_described", "nk_noisy"])
@pytest.mark.parametrize("arm", [here(arm) for arm in (*ARMS, *MORE)])
def test_an_arm_runs_to_its_end(arm, task):
    played = arm_of(arm)(Setting(TASKS[task], 24, 1.0, "hidden", 7))
    begin = TASKS[task].true(TASKS[task].files).score
    assert played.by_evaluation == sorted(played.by_evaluation)
    assert played.by_evaluation[0] >= begin
    assert 12 <= len(played.by_evaluation) <= 24
    assert played.final <= played.by_evaluation[-1]
    assert arm == "no_model" or played.by_call
    if not TASKS[task].noise:
        assert played.claimed == pytest.approx(played.final)
        assert played.final >= begin


@pytest.mark.parametrize("arm", [here(arm) for arm in ("one_plus_one", "direct", "openevolve+tuned")])
def test_the_same_seed_gives_the_same_calls(arm):
    one, other = (arm_of(arm)(Setting(TASKS["hills"], 12, 1.0, "small", 3)) for _ in range(2))
    assert one.by_call == other.by_call


@pytest.mark.skipif(PEER is not None, reason=str(PEER))
@pytest.mark.parametrize(("tuned", "islands", "archive"), [(False, 5, 100), (True, 1, 10)])
def test_openevolve_is_as_it_comes_or_tuned(tuned, islands, archive, monkeypatch):
    made = []
    init = _openevolve._Run.__init__
    monkeypatch.setattr(_openevolve._Run, "__init__", lambda self, *given: (init(self, *given), made.append(self))[0])
    played = _openevolve.openevolve(Setting(TASKS["pairs"], 60, 1.0, "small", 1), tuned=tuned)
    database = made[0].database
    assert (len(database.islands), database.config.archive_size) == (islands, archive)
    assert sum(map(bool, database.islands)) == islands
    assert len(played.by_evaluation) == 60
    assert played.clock_s > 50


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ("nope", "no arm 'nope': expected one of default, auto"),
        ("direct+lag=2", "the arm direct takes no settings, and not 'lag=2'"),
        ("openevolve+fast", "the arm openevolve takes +tuned, described, and not 'fast'"),
        ("auto+fast=1", "the arm auto takes +NAME=VALUE with one of in_flight, "),
        ("auto+archive_size", "and not 'archive_size'"),
    ],
)
def test_an_arm_that_there_is_not_is_a_sentence(arm, said):
    assert said in refused(arm)


@pytest.mark.parametrize("found", [None, "0.2.0"])
def test_a_peer_that_is_not_installed_says_what_to_type(found, monkeypatch):
    def version(name: str) -> str:
        if found is None:
            raise _openevolve.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(_openevolve, "version", version)
    said = refused("openevolve+tuned")
    assert said.endswith("pip install openevolve==0.4.1")
    assert (found or "none of it") in said


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, text=True, timeout=120, check=False)


def test_what_was_played_is_kept_and_not_played_again(tmp_path):
    words = ["--arms", "one_plus_one,direct", "--tasks", "pairs,nk_noisy", "--seeds", "1-2", "--evaluations", 12]
    first = run(*words, "--keep", tmp_path / "kept")
    assert first.returncode == 0, first.stderr
    assert "| one_plus_one against | exact | deceptive and structural | noisy |" in first.stdout
    assert "| mean rank |" in first.stdout
    kept = (tmp_path / "kept").read_text(encoding="utf-8")
    assert len(kept.splitlines()) == 8
    again = run(*words, "--keep", tmp_path / "kept", "--json")
    assert json.loads(again.stdout)["results"] == [json.loads(line) for line in kept.splitlines()]
    assert (tmp_path / "kept").read_text(encoding="utf-8") == kept


@pytest.mark.parametrize("words", [("--arms", "nope"), ("--tasks", "nope"), ("--habits", "nope")])
def test_a_wrong_word_is_refused_before_anything_runs(words):
    ended = run(*words)
    assert ended.returncode == 2
    assert "'nope': expected one of " in ended.stderr
    assert "Traceback" not in ended.stderr
