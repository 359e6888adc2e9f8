"""claims, retract, and validate with files, on a noisy and on a deterministic problem."""

from __future__ import annotations

import json
import re
import shutil
import statistics
from pathlib import Path

import pytest
from cli_process import SEED, SETTINGS, Cli, n_records, wait_for, write_problem

import evolve
from archive import Purpose, Retraction, find_records
from evolve.cli import main
from evolve.cli.show._live import rows as live_rows
from evolve.cli.show._text import duration


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(list(words)) == code, capsys.readouterr().err
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return out


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_problem(tmp_path_factory.mktemp("noisy") / "noisy", noisy=True)


@pytest.fixture(scope="module")
def claimed(noisy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A noisy run with room for vaults."""
    run = tmp_path_factory.mktemp("claimed") / "run"
    assert main(["run", "--json", f"problem={noisy}", "budget.evaluations=160", f"out={run}", *SETTINGS]) == 0
    return run


@pytest.fixture
def copy(claimed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(claimed, tmp_path / "run"))


def test_a_claim_has_a_report_card(claimed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "claims", str(claimed), "--json"))["claims"]
    assert found["openings"] == len(found["cards"]) >= 1
    card = next(card for card in found["cards"] if card["confirmed"])
    assert card["status"] == "confirmed"
    assert card["effect"] < 0  # less is better
    assert card["ci_low"] < card["effect"] < card["ci_high"]
    assert card["p_value"] < 0.01
    assert all(one["e_value"] >= 300 for one in found["cards"])  # what opened each vault
    assert card["runs"]["vault"] >= card["gate"][0] + card["estimate"][0]  # more where it was a reference later
    assert card["tiers"] == ["none"]
    (seen,) = find_records(claimed, ("hardware_seen",))
    assert card["hardware"] == [str(seen.record.hardware)]
    assert card["occasions"] == 1  # one opening, no gap
    at = [one.at for one in find_records(claimed, ("measured",), mention=card["candidate"])]
    assert 0 < card["over_s"] <= max(at) - min(at)
    text = said(capsys, "claims", str(claimed))
    assert f"made on 1 separate occasion, over {duration(card['over_s'])} in all" in " ".join(text.split())
    assert f"measured on {card['hardware'][0]}" in " ".join(text.split())
    assert "confirmed" in text
    assert found["evaluator"] in text
    status = json.loads(said(capsys, "status", str(claimed), "--json"))
    assert status["claims"] == sum(card["confirmed"] for card in found["cards"])
    assert status["word"] == "confirmed"


def test_a_retracted_claim_stays_visible_as_withdrawn_and_the_next_best_moves_up(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = json.loads(said(capsys, "best", str(copy), "--json"))["id"]
    answer = json.loads(said(capsys, "retract", str(copy), best[:8], "--why", "it read the clock", "--json"))
    assert answer["candidate"] == best
    (record,) = [stamped.record for stamped in find_records(copy, ("retraction",))]
    assert isinstance(record, Retraction)
    assert record.why == "it read the clock"
    cards = json.loads(said(capsys, "claims", str(copy), "--json"))["claims"]["cards"]
    assert [card["status"] for card in cards if card["candidate"] == best] == ["withdrawn"]
    assert json.loads(said(capsys, "best", str(copy), "--json"))["id"] != best
    assert "retracted already" in _refused(capsys, "retract", str(copy), best, "--why", "again")


@pytest.mark.parametrize("driven", [False, True])
def test_a_retraction_names_what_measures_its_heirs_unless_a_driver_does(
    copy: Path, cli: Cli, capsys: pytest.CaptureFixture[str], driven: bool
) -> None:
    grandchild = "SELECT a.id FROM candidates a JOIN candidates b ON list_contains(b.parents, a.id) WHERE len(a.parents) > 0"
    parent = evolve.open_run(copy).query(grandchild).rows[0][0]
    if driven:
        cli.start("resume", str(copy), "budget.evaluations=100000")
        wait_for(lambda: evolve.open_run(copy).status == "running")
    text = said(capsys, "retract", str(copy), parent, "--why", "it read the clock")
    assert "descended from it" in text
    assert ("next: evolve resume" in text) is not driven


def test_a_retraction_needs_a_candidate_and_a_reason(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "the initial program cannot be retracted" in _refused(capsys, "retract", str(copy), "seed", "--why", "x")
    best = json.loads(said(capsys, "best", str(copy), "--json"))["id"]
    assert "type --why TEXT" in _refused(capsys, "retract", str(copy), best)
    assert "has no candidate" in _refused(capsys, "retract", str(copy), "zzzz", "--why", "x")


def _refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("x", "code", "status"), [("1.5", 0, "confirmed"), pytest.param("4.001", 1, "not confirmed", marks=pytest.mark.slow)]
)
def test_any_program_gets_the_same_treatment(
    noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], x: str, code: int, status: str
) -> None:
    file = tmp_path / "main.py"
    file.write_text(SEED.replace("X = 4.0", f"X = {x}"))
    words = ("validate", str(noisy), str(file), "budget.evaluations=120", *SETTINGS)
    found = json.loads(said(capsys, *words, "--json", code=code))
    assert found["confirmed"] is (code == 0)
    assert found["card"]["status"] == status
    assert found["claims"]["evaluator"]
    if code:
        assert "too weak" in found["card"]["reason"]


@pytest.mark.slow
def test_a_comparison_whose_budget_holds_no_vault_says_so_and_which_would(
    noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "main.py"
    file.write_text(SEED.replace("X = 4.0", "X = 1.5"))
    words = ("validate", str(noisy), str(file), "--json", *SETTINGS)
    reason = json.loads(said(capsys, *words, "budget.evaluations=40", code=1))["card"]["reason"]
    takes = "a vault takes 20 measurements, and 30 % of the budget pays for 12"
    assert f"the budget holds no vault ({takes}); about budget.evaluations=67 holds one" in reason
    assert "too weak" not in reason
    assert json.loads(said(capsys, *words, "budget.evaluations=67"))["confirmed"] is True


def test_against_another_program(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, x in (("good", "1.5"), ("better", "1.0")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.py").write_text(SEED.replace("X = 4.0", f"X = {x}"))
    good, better = str(tmp_path / "good"), str(tmp_path / "better")
    limit = ("budget.evaluations=80", *SETTINGS)
    found = json.loads(said(capsys, "validate", str(noisy), good, *limit, "--against", better, "--json", code=1))
    given_up = r"too weak for a vault: e = \S+, expected 300; given up after (\d+) runs against (\d+): they speak against a gain of"
    runs = re.search(given_up, found["card"]["reason"])  # though it beats the initial program
    assert runs is not None
    assert 20 <= int(runs[1]) + int(runs[2]) - 2 < 78  # not before the noise is known, and not all that there are
    found = json.loads(said(capsys, "validate", str(noisy), better, *limit, "--against", better, "--json", code=1))
    assert found["card"]["reason"] == "it is the reference itself"


@pytest.mark.parametrize(("x", "code"), [("1.5", 0), ("9.0", 1)])
def test_a_deterministic_program_is_compared_exactly(
    problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], x: str, code: int
) -> None:
    file = tmp_path / "main.py"
    file.write_text(SEED.replace("X = 4.0", f"X = {x}"))
    found = json.loads(said(capsys, "validate", str(problem), str(file), *SETTINGS, "--json", code=code))
    assert found["confirmed"] is (code == 0)
    assert found["exact"]["status"] == ("measured" if code == 0 else "nothing")
    assert found["card"] is None


@pytest.mark.parametrize("words", [("--target", "nan"), ("--target", "low"), ("--target", "3", "--against", "main.py")])
def test_a_target_that_is_none_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    problem, measured = write_problem(tmp_path / "noisy", noisy=True), tmp_path / "measured"
    evaluate = problem / "evaluate.py"
    evaluate.write_text(f"{evaluate.read_text()}\nopen({str(measured)!r}, 'w').close()\n")
    told = _refused(capsys, "validate", str(problem), str(problem / "initial"), *words, *SETTINGS)
    assert ("--target takes a score" in told) is (len(words) == 2)
    assert ("keep one of the two" in told) is (len(words) == 4)
    assert not measured.exists()


@pytest.mark.parametrize(("target", "code"), [("3.9", 0), pytest.param("3.5", 1, marks=pytest.mark.slow), ("2.0", 1)])
def test_a_race_to_a_target(noisy: Path, capsys: pytest.CaptureFixture[str], target: str, code: int) -> None:
    words = ("validate", str(noisy), str(noisy / "initial"), "--target", target, "budget.evaluations=15", *SETTINGS)
    race = json.loads(said(capsys, *words, "--json", code=code))["race"]
    assert race["beaten"] is (race["e_value"] >= 100) is (code == 0)
    assert len(set(race["scores"])) == len(race["scores"]) <= 15
    if code == 0:
        assert race["p_value"] < 0.01
    else:
        assert len(race["scores"]) == 15


@pytest.mark.parametrize(
    ("target", "verdict"),
    [("3.6", "beats 3.6"), ("3.5", "does not beat 3.5"), pytest.param("2.0", "does not beat 2", marks=pytest.mark.slow)],
)
def test_on_a_deterministic_problem_a_race_is_decided_by_the_score(
    problem: Path, capsys: pytest.CaptureFixture[str], target: str, verdict: str
) -> None:
    words, code = ("validate", str(problem), str(problem / "initial"), "--target", target, *SETTINGS), int("not" in verdict)
    race = json.loads(said(capsys, *words, "--json", code=code))["race"]
    assert (race["scores"], race["e_value"], race["p_value"]) == ([3.5, 3.5], None, None)
    assert f"the candidate {verdict}: 3.5, the same in 2 fresh processes" in said(capsys, *words, code=code)


def test_a_race_on_scores_that_do_not_repeat_is_not_decided_as_if_they_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = write_problem(tmp_path / "noisy", noisy=True)
    contract = problem / "problem.yaml"
    contract.write_text(contract.read_text().replace("noise: noisy", "noise: deterministic"))
    text = said(capsys, "validate", str(problem), str(problem / "initial"), "--target", "9", *SETTINGS, code=1)
    assert "the candidate is not shown to beat 9: it scored" in text
    assert "write noise: noisy in problem.yaml" in text


def test_claims_of_a_run_that_measured_nothing_say_that_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem, run = write_problem(tmp_path / "broken"), tmp_path / "run"
    (problem / "initial" / "main.py").write_text(SEED.replace("X = 4.0", "X = 1 / 0"))
    said(capsys, "run", f"problem={problem}", f"out={run}", *SETTINGS, code=1)
    text = said(capsys, "claims", str(run))
    assert "nothing was measured: the initial program failed (crash)" in text
    assert main(["best", str(run)]) == 2
    assert "has no program with a score: the initial program failed (crash)" in capsys.readouterr().err
    assert "nothing better" not in text


def test_where_scores_are_too_large_to_compare_claims_do_not_advise_to_spend_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem, run = write_problem(tmp_path / "big", noisy=True), tmp_path / "run"
    evaluate = problem / "evaluate.py"
    evaluate.write_text(evaluate.read_text().replace("score=abs", "score=1e200 + 1e190 * abs"))
    said(capsys, "run", "--json", f"problem={problem}", "budget.evaluations=12", f"out={run}", *SETTINGS)
    text = said(capsys, "claims", str(run))
    assert "nothing is claimed" in text
    assert "write another unit, or the logarithm, in evaluate.py" in text
    assert "budget.confirm" not in text


def test_after_final_runs_every_verb_states_their_gain_and_its_error(
    noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    end = said(capsys, "run", f"problem={noisy}", "budget.evaluations=40", f"out={run}", *SETTINGS)
    final = evolve.open_run(run).summary().final
    measured = [one.record for one in find_records(run, ("measured",)) if one.record.purpose is Purpose.FINAL]
    best, initial = (
        [one.result.score for one in measured if (one.result.candidate == final.candidate) == mine] for mine in (True, False)
    )
    assert final.gain == pytest.approx(statistics.mean(initial) - statistics.mean(best))  # less is better
    assert final.gain_se == pytest.approx(
        (statistics.variance(best) / len(best) + statistics.variance(initial) / len(initial)) ** 0.5
    )
    status, shown = (json.loads(said(capsys, *words, "--json")) for words in (("status", str(run)), ("best", str(run))))
    stated = (final.gain, final.gain_se, "final runs")
    assert final.gain > 0
    for one in (status, shown):
        assert (one["gain"], one["gain_se"], one["gain_from"]) == stated
    assert status["final"]["seed_mean"] - status["final"]["best_mean"] == pytest.approx(status["gain"])
    assert ", in the final runs" in said(capsys, "result", str(run), final.candidate)
    assert json.loads(said(capsys, "claims", str(run), "--json"))["final"]["gain_se"] == final.gain_se
    rows = _final_rows(end)
    assert "standard error" in rows[3]
    assert [row.split()[0] for row in rows] == ["final", "best", "initial", "gain"]
    text = said(capsys, "claims", str(run))
    assert re.search(r"; with more to spend: (.*)$", text, re.M)[1] in end  # the same as the end of the run says
    for verb in ("status", "best", "claims"):
        assert _final_rows(said(capsys, verb, str(run))) == rows, verb


@pytest.mark.parametrize("words", [("search.final_runs=1",), ("search.final_runs=3",), ("budget.evaluations=1",)])
def test_a_gain_is_the_difference_of_the_scores_beside_it_or_says_of_what_else(
    noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    run, few = tmp_path / "run", [] if "budget.evaluations=1" in words else ["budget.evaluations=40"]
    said(capsys, "run", "--json", f"problem={noisy}", f"out={run}", *few, *words, *SETTINGS)
    found = json.loads(said(capsys, "status", str(run), "--json"))
    of = {"scores": (found["seed_score"], found["best_score"])}
    if found["final"] is not None:
        of["final runs"] = (found["final"]["seed_mean"], found["final"]["best_mean"])
    initial, best = of[found["gain_from"]]
    assert found["gain"] == pytest.approx(initial - best)  # less is better
    seen = evolve.open_run(run).progress
    assert ("in the final runs" in live_rows(seen, 1.0, 1.0)[0][1]) == (
        seen.gain_from == "final runs" and seen.best.id != seen.seed.id
    )


def _final_rows(text: str) -> list[str]:
    lines = [" ".join(line.split()) for line in text.splitlines()]
    first = next(n for n, line in enumerate(lines) if line.startswith("final "))
    return lines[first : first + 4]


def test_a_run_that_was_stopped_without_a_vault_is_told_to_go_on(noisy: Path, tmp_path: Path, cli: Cli) -> None:
    run = tmp_path / "run"
    process = cli.start("run", f"problem={noisy}", f"out={run}", "budget.evaluations=100000", *SETTINGS)
    wait_for(lambda: n_records(run, "measured") >= 2)
    cli("stop", str(run))
    process.wait(timeout=60)
    assert cli("claims", str(run))[1].endswith(f"; to go on: evolve resume {run}\n")


def test_without_a_share_for_claims_they_say_that_there_is_to_be_one(
    noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    said(capsys, "run", f"problem={noisy}", "budget.evaluations=12", "budget.confirm_share=0", f"out={run}", *SETTINGS)
    assert said(capsys, "claims", str(run)).endswith(f"evolve resume {run} budget.evaluations=24 budget.confirm_share=0.3\n")


def test_a_live_run_without_a_vault_is_not_told_to_spend_more(cli: Cli) -> None:
    problem = write_problem(cli.folder / "slow", noisy=True)
    cli.start("run", f"problem={problem}", "out=run", "problem.params.sleep=50", "budget.evaluations=200", *SETTINGS)
    wait_for(lambda: n_records(cli.folder / "run", "measure_issued") >= 1)
    text = cli("claims", "run")[1]
    assert "nothing is claimed" in text
    assert "the run goes on: a vault opens once a program has the evidence" in text
    assert "evolve resume" not in text


def test_quick_only_looks_whether_it_runs(problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "main.py"
    file.write_text(SEED.replace("X = 4.0", "X = 9.0"))
    found = json.loads(said(capsys, "validate", str(problem), str(file), *SETTINGS, "--quick", "--json"))
    assert found["confirmed"] is None
    assert "no file of one is named" in _refused(capsys, "validate", str(problem), *SETTINGS, "--quick")


def test_a_deterministic_runs_best_is_verified_from_its_artifact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = write_problem(tmp_path / "exact")
    (problem / "verify.py").write_text(
        "import json, sys\nx, y = json.load(open(sys.argv[1]))\nprint('distance', abs(x - 1.0) + abs(y - 2.0))\n"
    )
    run = tmp_path / "run"
    said(capsys, "run", "--json", f"problem={problem}", "budget.evaluations=30", f"out={run}", *SETTINGS)
    exact = json.loads(said(capsys, "claims", str(run), "--json"))["exact"]
    assert exact["status"] == "verified"
    assert exact["recomputed"] == pytest.approx(exact["score"])
    assert "verified" in said(capsys, "claims", str(run))


def test_an_artifact_that_does_not_hold_what_was_scored_is_refuted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = write_problem(tmp_path / "exact")
    (problem / "verify.py").write_text("print('distance 17.0')\n")
    run = tmp_path / "run"
    said(capsys, "run", "--json", f"problem={problem}", "budget.evaluations=30", f"out={run}", *SETTINGS)
    exact = json.loads(said(capsys, "claims", str(run), "--json"))["exact"]
    assert (exact["status"], exact["gain"]) == ("refuted", None)
