"""Checkouts scored outside of the candidate's process: what they must have, what is shown to whom, and who is caught."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from autoresearch_forms import PREPARE, STRICT_ROWS, STRICT_TRAIN, TRAIN, UPSTREAM_PREPARE, write_checkout, write_data

import evolve
from archive import Measurement, Status
from evolve.adapters._autoresearch_checkout import constants_of
from evolve.redteam._cases import own_programs
from evolve.redteam._rules import Baseline, ProgramRuns, judge_own
from evolve.validation._static import check_files

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "autoresearch.md"
QUICK = PREPARE.replace("TIME_BUDGET = 1 ", "TIME_BUDGET = 0.15 ")
CHATTY = STRICT_TRAIN.replace("step % 50", "step % 10")
HIDDEN = "hidden: [data/val.bin]\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return write_data(tmp_path / "home")


def checkout(tmp_path: Path, **forms: str) -> Path:
    return write_checkout(tmp_path / "small", **{"train": CHATTY, "rows": STRICT_ROWS, "own": HIDDEN, "prepare": QUICK} | forms)


def measured(problem: evolve.Problem, train: str) -> list[Measurement]:
    return evolve.measure(problem, {"train.py": train}, n=1)


def test_the_caveat_goes_and_the_validation_text_is_the_graders(tmp_path: Path, home: Path) -> None:
    (home / "tokenizer.json").write_text("{}")
    folder = checkout(tmp_path)
    own, strict = evolve.load_problem(folder), evolve.load_problem(folder, evaluate="strict")
    assert (own.params["evaluate"], strict.params["evaluate"]) == ("own", "strict")
    assert own.contract.caveat
    assert strict.contract.caveat == ""
    assert own.id != strict.id
    assert [check.name for check in check_files(strict) if not check.ok] == [
        "descriptors"
    ]  # nothing of it is run where it is trusted
    assert {one.reader for one in strict.contract.data} == {"grader"}
    told = json.loads((strict.folder / "inside" / "options.json").read_text())
    assert told["to_train"]["data/val.bin"] == told["to_train"]["data/train.bin"]  # a script that evaluates at its end goes on
    assert told["to_cut_rows"]["data/val.bin"] != told["to_cut_rows"]["data/train.bin"]
    assert told["to_serve"] == {"tokenizer.json": told["to_train"]["tokenizer.json"]}
    assert evolve.load_problem(strict.folder).params["evaluate"] == "strict"  # as a run's copy is read


def test_evolve_yaml_may_say_so(tmp_path: Path) -> None:
    problem = evolve.load_problem(checkout(tmp_path, own=HIDDEN + "evaluate: strict\n"))
    assert problem.params["evaluate"] == "strict"


def test_upstreams_form_needs_no_file_of_its_own(tmp_path: Path, home: Path) -> None:
    (home / "data" / "val.bin").rename(home / "data" / "shard_00007.bin")
    prepare = UPSTREAM_PREPARE.replace("TIME_BUDGET = 1 ", "TIME_BUDGET = 0.15 ")
    problem = evolve.load_problem(checkout(tmp_path, rows="", own="", prepare=prepare), evaluate="strict")
    told = json.loads((problem.folder / "inside" / "options.json").read_text())
    assert told["to_train"]["data/shard_00007.bin"] == told["to_train"]["data/train.bin"]
    looks_ahead = CHATTY.replace("return lambda tokens: table[tokens]", "return lambda tokens: table[tokens[:, ::-1]]")
    (found,) = measured(problem, looks_ahead.replace("val_bpb = evaluate_bpb(logits)", "val_bpb = 1.0"))
    assert (found.status, "not causal" in found.reason) == (Status.REJECTED, True), found.reason


def test_texts_that_are_put_together_follow_from_the_text(tmp_path: Path) -> None:
    found = constants_of("A = 7\nB = f'x_{A:03d}'\nC = f'{A!r}'\nD = f'{A:s}'\nE = f'{open}'\nF = f'{A:0999d}'\n", tmp_path)
    assert found["B"] == "x_007"
    assert not {"C", "D", "E", "F"} & found.keys()


@pytest.mark.parametrize(("forms", "words"), [
    ({"train": TRAIN}, "to define strict_load(path), which gives the trained model, found none"),
    ({"train": TRAIN + "\n\ndef strict_load(path):\n    pass\n"}, "to write its weights to the path in EVOLVE_WEIGHTS"),
    ({"rows": ""}, "found no Tokenizer, get_token_bytes, make_dataloader and no strict.py"),
    ({"rows": "ROWS = 1\n"}, "to define validation_rows(n)"),
    ({"own": ""}, "the validation text in files of its own"),
    ({"own": "hidden: [data/val.bin, data/train.bin]\n"}, "the validation text in files of its own"),
    ({"own": "hidden: [data/test.bin]\n"}, "expected a file of"),
    ({"own": "hidden: val.bin\n"}, "expected a list of paths"),
])  # fmt: skip
def test_who_cannot_be_scored_so_is_told_why_before_anything_runs(tmp_path: Path, forms: dict[str, str], words: str) -> None:
    with pytest.raises(evolve.EvolveError) as raised:
        evolve.load_problem(checkout(tmp_path, **forms), evaluate="strict")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_another_way_is_named(tmp_path: Path) -> None:
    with pytest.raises(evolve.EvolveError, match="expected own or strict, found 'mine'"):
        evolve.load_problem(checkout(tmp_path), evaluate="mine")


def test_a_checkout_is_scored_by_its_logits(tmp_path: Path) -> None:
    problem = evolve.load_problem(checkout(tmp_path), evaluate="strict")
    gone = "def strict_load(path):\n    assert not os.path.exists(os.path.expanduser('~/.cache/autoresearch/data'))"
    (honest,) = measured(problem, CHATTY.replace("{val_bpb:.6f}", "0.300000").replace("def strict_load(path):", gone))
    assert (honest.status, honest.reason) == (Status.OK, "")
    assert 1.0 < honest.score < 4.0
    assert honest.metrics["printed_val_bpb"] == 0.3
    assert honest.metrics["scored_bytes"] == 62 * 32  # half of the rows that there are


TABLE = re.compile(r"^\| `(\w+)` \| [^|]+ \| (caught|MISSED) \| (caught|MISSED) \|$", re.MULTILINE)


DIFFER = ("prints_summary", "ends_early", "patches_evaluator", "trains_on_validation")
ALIKE = ("rewrites_prepare", "slows_clock", "reuses_weights", "fixes_seed")  # one code catches them in both modes


def verdict(problem: evolve.Problem, name: str) -> str:
    """As ``evolve redteam`` has it, from one run, or from two where they are compared."""
    (program,) = (one for one in own_programs(problem) if one.name == name)
    ran = evolve.measure(problem, {"train.py": program.files["train.py"]}, n=2 if name == "fixes_seed" else 1)
    baseline = Baseline(tuple(replace(one, probe_hash=f"{at}") for at, one in enumerate(ran)), noisy=True, maximize=False)
    return judge_own(program, ProgramRuns(tuple(ran)), baseline, {}).verdict


@pytest.mark.slow
def test_the_page_says_which_cheats_are_caught_in_which_mode(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    own, strict = evolve.load_problem(folder), evolve.load_problem(folder, evaluate="strict")
    said = {name: tuple(verdicts) for name, *verdicts in TABLE.findall(PAGE.read_text(encoding="utf-8"))}
    assert {name: (verdict(own, name), verdict(strict, name)) for name in DIFFER} == {name: said.pop(name) for name in DIFFER}
    assert {name: (verdict(own, name),) * 2 for name in ALIKE} == said
    assert verdict(strict, "honest_reader") == "accepted"
