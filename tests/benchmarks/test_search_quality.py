"""``benchmarks/search_quality.py`` runs: every arm to its end on a small budget, the tables, and what it says of wrong words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from quality import _openevolve, _peers, _shinka
from quality._arms import ARMS, PEERS, arm_of, refused
from quality._report import Cell
from quality._tasks import TASKS
from quality._world import Setting
from search_quality import kept, line, play

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "search_quality.py"
MORE = ("openevolve+tuned", "openevolve+described", "auto+archive_size=8+in_flight=2+start=cold")
MISSING = {name: _peers.missing(*package) for name, package in PEERS.items()}


def here(arm: str):
    why = MISSING.get(arm.partition("+")[0])
    return pytest.param(arm, marks=pytest.mark.skipif(why is not None, reason=str(why)))


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


@pytest.mark.skipif(MISSING["openevolve"] is not None, reason=str(MISSING["openevolve"]))
@pytest.mark.parametrize(("changes", "islands", "archive"), [({}, 5, 100), (_openevolve.TUNED, 1, 10)])
def test_openevolve_is_as_it_comes_or_tuned(changes, islands, archive):
    peer = _openevolve.Database(1, changes)
    played = _peers.Workers(Setting(TASKS["pairs"], 60, 1.0, "small", 1), peer).play()
    assert (peer.lanes, peer.base.config.archive_size) == (islands, archive)
    assert sum(map(bool, peer.base.islands)) == islands
    assert len(played.by_evaluation) == 60
    assert played.clock_s > 50


@pytest.mark.skipif(MISSING["shinka"] is not None, reason=str(MISSING["shinka"]))
def test_a_child_that_fails_is_not_correct_for_shinka():
    peer = _shinka.Database(1)
    played = _peers.Workers(Setting(TASKS["pairs"], 60, 1.0, "small", 1), peer).play()
    failed = [program for program in peer.base.get_all_programs() if not program.correct]
    assert len(failed) == played.failed > 0
    assert len({program.island_idx for program in peer.base.get_all_programs()}) == 2


class Kept:
    """A peer that draws what it has last, and knows who is under way."""

    lanes, ahead = 2, 2

    def __init__(self):
        self.rows, self.under_way, self.most = [], 0, 0

    def draw(self, lane):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        return _peers.Drawn(lane, self.rows[-1][0], tuple(text for text, *_ in self.rows[-3:]))

    def add(self, text, judged, seen, made, lane):
        self.under_way -= made is not None
        assert made is None or made.parent == lane
        self.rows.append((text, seen))

    def best(self):
        return max(self.rows, key=lambda row: row[1])


@pytest.mark.parametrize(("call_s", "clock_s"), [(0.0, 50), (1.0, 100), (10.0, 550)])
def test_workers_call_and_measure_in_turn_and_no_more_are_drawn_ahead_than_the_peer_says(call_s, clock_s):
    peer = Kept()
    played = _peers.Workers(Setting(TASKS["hills"], 100, call_s, "small", 1), peer).play()
    assert len(played.by_evaluation) == len(peer.rows) == 100
    assert peer.most == 4
    assert played.clock_s == pytest.approx(clock_s, rel=0.15)
    assert played.final == max(seen for _, seen in peer.rows)


def test_a_child_that_is_its_parent_is_a_call_and_no_measurement(monkeypatch):
    monkeypatch.setattr(_peers, "mutate", lambda parent, others, rng, habits: parent)
    played = _peers.Workers(Setting(TASKS["hills"], 10, 1.0, "small", 1), Kept()).play()
    assert len(played.by_evaluation) == 1
    assert len(played.by_call) == 40


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ("nope", "no arm 'nope': expected one of auto, map_elites"),
        ("direct+lag=2", "the arm direct takes no settings, and not 'lag=2'"),
        ("openevolve+fast", "the arm openevolve takes +tuned, described, and not 'fast'"),
        ("auto+fast=1", "the arm auto takes +NAME=VALUE with one of in_flight, "),
        ("auto+archive_size", "and not 'archive_size'"),
    ],
)
def test_an_arm_that_there_is_not_is_a_sentence(arm, said):
    assert said in refused(arm)


@pytest.mark.parametrize(("arm", "typed"), [("openevolve+tuned", "openevolve==0.4.1"), ("shinka", "shinka-evolve==0.0.7")])
@pytest.mark.parametrize("found", [None, "0.0.1"])
def test_a_peer_that_is_not_installed_says_what_to_type(arm, typed, found, monkeypatch):
    def version(name: str) -> str:
        if found is None:
            raise _peers.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(_peers, "version", version)
    said = refused(arm)
    assert said.endswith(f": pip install {typed}")
    assert (found or "none of it") in said


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, text=True, timeout=120, check=False)


def test_what_was_played_is_kept_and_not_played_again(tmp_path):
    words = ["--arms", "one_plus_one,direct", "--tasks", "pairs,nk_noisy", "--seeds", "1-2", "--evaluations", 12]
    first = run(*words, "--keep", tmp_path / "kept")
    assert first.returncode == 0, first.stderr
    assert "| one_plus_one against | exact | deceptive and structural | noisy |" in first.stdout
    assert "| mean rank |" in first.stdout
    before = (tmp_path / "kept").read_text(encoding="utf-8")
    assert len(before.splitlines()) == 8
    again = run(*words, "--keep", tmp_path / "kept", "--json")
    assert json.loads(again.stdout)["results"] == [json.loads(row) for row in before.splitlines()]
    assert (tmp_path / "kept").read_text(encoding="utf-8") == before


def test_curves_are_kept_whole_and_with_their_commit(tmp_path):
    key = "direct", Cell("pairs", 30, 1.0, "small", 1)
    played = play(*key)
    (tmp_path / "kept").write_text(line(key, played, "abc1234"), encoding="utf-8")
    found, commit = kept(tmp_path / "kept")[key]
    assert commit == "abc1234"
    assert found.by_evaluation == pytest.approx(played.by_evaluation)
    assert found.by_call == pytest.approx(played.by_call)
    assert found.final == played.final


def test_results_of_other_commits_are_said_to_be_so_and_older_files_refused(tmp_path):
    key = "direct", Cell("pairs", 12, 1.0, "small", 1)
    row = line(key, play(*key), "abc1234")
    words = ["--arms", "direct", "--tasks", "pairs", "--seeds", 1, "--evaluations", 12, "--keep", tmp_path / "kept"]
    (tmp_path / "kept").write_text(row, encoding="utf-8")
    assert "Some of it was played before, at abc1234." in run(*words).stdout
    (tmp_path / "kept").write_text(row.replace('"commit"', '"other"'), encoding="utf-8")
    ended = run(*words)
    assert ended.returncode == 1
    assert "older version of this script: name another file with --keep" in ended.stderr


@pytest.mark.parametrize(
    "words", [("--arms", "nope"), ("--tasks", "nope"), ("--habits", "nope"), ("--seeds", "nope"), ("--call-s", "nope")]
)
def test_a_wrong_word_is_refused_before_anything_runs(words):
    ended = run(*words)
    assert ended.returncode == 2
    assert "'nope'" in ended.stderr
    assert "Traceback" not in ended.stderr
