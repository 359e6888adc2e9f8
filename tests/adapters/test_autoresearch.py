"""A checkout of autoresearch or of a fork is read without being run, and what is wrong with one is a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from autoresearch_forms import EXTRA_KEYS, PREPARE, RESULTS, TRAIN, WIDE, write_checkout, write_data

import evolve
from evolve.adapters._adapter import notes_of
from evolve.adapters._autoresearch_checkout import constants_of, read_checkout, read_history


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write_data(tmp_path / "home")
    return tmp_path / "home"


def refusal(folder: Path) -> str:
    with pytest.raises(evolve.EvolveError) as raised:
        evolve.load_problem(folder)
    return str(raised.value)


def test_a_checkout_is_a_problem(tmp_path: Path, home: Path) -> None:
    problem = evolve.load_problem(write_checkout(tmp_path / "small", results=RESULTS, minutes="3"))
    contract = problem.contract
    assert (contract.name, contract.metric, contract.goal, contract.noisy) == ("small", "val_bpb", "minimize", True)
    assert (contract.editable, dict(problem.initial_files)) == (("train.py",), {"train.py": TRAIN})
    assert (contract.stages[0].time_s, contract.stages[0].gpus) == (180.0, 0.0)
    assert [(one.path, one.reader) for one in contract.data] == [(str(home / ".cache" / "autoresearch"), "candidate")]
    assert contract.caveat
    assert contract.depends_on_speed
    assert "a1b2c3d | 4.997900 | 0.4 | keep | baseline" in problem.statement
    assert (problem.folder / "program.md").read_text().startswith("# autoresearch")
    assert any("2 of 2 experiments" in note for note in notes_of(problem.folder))


def test_the_program_is_no_part_of_what_is_protected(tmp_path: Path) -> None:
    folder = write_checkout(tmp_path / "small")
    first = evolve.load_problem(folder)
    (folder / "run.log").write_text("noise")
    assert evolve.load_problem(folder).evaluator == first.evaluator
    (folder / "prepare.py").write_text(PREPARE.replace("2 * 1024", "4 * 1024"))
    assert evolve.load_problem(folder).evaluator != first.evaluator


def test_constants_follow_from_the_text(tmp_path: Path, home: Path) -> None:
    text = PREPARE + "\nHALF = TIME_BUDGET / 2\nODD = open('x')\nNONE = 1 / 0\nWORD = 'a' 'b'\n"
    found = constants_of(text, tmp_path)
    assert (found["MAX_SEQ_LEN"], found["EVAL_TOKENS"], found["HALF"], found["WORD"]) == (32, 2048, 0.5, "ab")
    assert found["CACHE_DIR"] == str(home / ".cache" / "autoresearch")
    assert not {"ODD", "NONE"} & found.keys()


@pytest.mark.parametrize(("line", "words", "settings"), [
    ("uv run train.py", ("train.py",), {}),
    ("python3 train.py --device cpu --smoke-test", ("train.py", "--device", "cpu", "--smoke-test"), {}),
    ("OMP_NUM_THREADS=1 uv run python -u train.py", ("train.py",), {"OMP_NUM_THREADS": "1"}),
])  # fmt: skip
def test_the_command_is_the_one_that_program_md_runs(tmp_path: Path, line: str, words: tuple[str, ...], settings) -> None:
    found = read_checkout(write_checkout(tmp_path / "small", command=line))
    assert (found.command, dict(found.settings)) == (words, settings)


def test_another_command_than_python_is_refused_until_it_is_named(tmp_path: Path) -> None:
    folder = write_checkout(tmp_path / "small", command="make train")
    (folder / "program.md").write_text("4. Run the experiment: `make train > run.log 2>&1`\n")
    assert "found 'make train > run.log 2>&1'; write what runs it into evolve.yaml" in refusal(folder)
    (folder / "evolve.yaml").write_text("command: python train.py --device cpu\nbudget: {evaluations: 5}\n")
    problem = evolve.load_problem(folder)
    assert json.loads((problem.folder / "inside" / "options.json").read_text())["command"] == ["train.py", "--device", "cpu"]
    assert problem.contract.budget.evaluations == 5


def test_what_program_md_lets_be_modified_besides(tmp_path: Path) -> None:
    folder = write_checkout(tmp_path / "small")
    (folder / "model.py").write_text("WIDTH = 8.0\n")
    text = (folder / "program.md").read_text()
    (folder / "program.md").write_text(text.replace("- Modify `train.py` -", "- Modify `train.py` and `model.py` -"))
    assert evolve.load_problem(folder).contract.editable == ("train.py", "model.py")


@pytest.mark.parametrize(("code", "gpus"), [
    ("device = 'cuda'", 1),
    ("device = 'cuda' if torch.cuda.is_available() else 'cpu'", 0),
    ("", 0),
])  # fmt: skip
def test_who_can_do_without_a_card_does_where_there_is_none(tmp_path: Path, monkeypatch, code: str, gpus: int) -> None:
    monkeypatch.setattr("evolve.adapters._autoresearch._DEVICE_FILE", tmp_path / "no card")
    problem = evolve.load_problem(write_checkout(tmp_path / "small", train=TRAIN + code))
    stage = problem.contract.stages[0]
    assert (stage.gpus, stage.exclusive) == (gpus, bool(gpus))


def test_who_compiles_without_a_card_is_told_what_it_takes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("evolve.adapters._autoresearch._DEVICE_FILE", tmp_path / "no card")
    folder = write_checkout(tmp_path / "small", train=TRAIN + "model = torch.compile(1)\n")
    said = next(note for note in notes_of(evolve.load_problem(folder).folder) if "C++" in note)
    assert "command: TORCHDYNAMO_DISABLE=1 python train.py in evolve.yaml" in said
    (folder / "evolve.yaml").write_text("command: TORCHDYNAMO_DISABLE=1 python train.py\n")
    assert not any("C++" in note for note in notes_of(evolve.load_problem(folder).folder))


def test_a_table_of_any_width_is_read_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "r.tsv").write_text(WIDE)
    found = read_history(tmp_path / "r.tsv")
    assert found is not None
    assert (len(found.columns), found.columns[-1]) == (10, "description")
    assert (found.rows[1]["status"], found.rows[1]["description"]) == ("parked", "halve\tthe rate")
    assert found.rows[2] == {"commit": "c3d4e5f", "val_bpb": "4.97"}


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda folder: (folder / "train.py").unlink(), "expected train.py in"),
    (lambda folder: (folder / "prepare.py").write_text("TIME_BUDGET = budget()\n"), "expected TIME_BUDGET"),
    (lambda folder: (folder / "prepare.py").write_text("TIME_BUDGET = 1\ndef ("), "expected Python, found a mistake"),
    (lambda folder: (folder / "evolve.yaml").write_text("metric: loss\n"), "metric is not to be chosen"),
    (lambda folder: (folder / "evolve.yaml").write_text("command: make all\n"), "expected a command that runs a Python script"),
    (lambda folder: (folder / "prepare.py").write_text(f"TIME_BUDGET = 10 ** 3\nA = {'9' * 400} * 1.5\n"), "expected TIME_BUDGET"),
    (lambda folder: (folder / "program.md").write_text("`python ../train.py > run.log`\n"), "inside the checkout"),
    (lambda folder: (folder / "prepare.py").write_text(f"TIME_BUDGET = {'9' * 400}\n"), "expected TIME_BUDGET"),
    (lambda folder: (folder / "evolve.yaml").write_text("params: {a: 1}\n"), "params is not to be chosen"),
    (lambda folder: (folder / "train.py").write_bytes(b"\xff\xfe\x00"), "expected a readable UTF-8 file"),
])  # fmt: skip
def test_what_is_wrong_is_a_sentence(tmp_path: Path, spoil, words: str) -> None:
    folder = write_checkout(tmp_path / "small")
    spoil(folder)
    found = refusal(folder)
    assert words in found
    assert "\n" not in found


def test_nothing_outside_the_checkout_is_taken(tmp_path: Path) -> None:
    folder = write_checkout(tmp_path / "small")
    (tmp_path / "mk.py").write_text("X = 1\n")
    text = (folder / "program.md").read_text()
    (folder / "program.md").write_text(text.replace("- Modify `train.py` -", "- Modify `train.py`, `../mk.py` and `/etc/passwd` -"))
    assert evolve.load_problem(folder).contract.editable == ("train.py",)


def test_a_place_of_the_data_that_is_computed_is_a_guess_and_said(tmp_path: Path, home: Path) -> None:
    prepare = PREPARE.replace("CACHE_DIR = os.path.join(", "CACHE_DIR = str(").replace(
        'os.path.expanduser("~"), ".cache", "autoresearch")', "x)"
    )
    folder = write_checkout(
        tmp_path / "small", prepare=prepare, results="commit\tval_bpb\tdescription\na\t1.0\t" + "x" * 200_000 + "\n"
    )
    problem = evolve.load_problem(folder)
    assert any("does not follow from its text" in note for note in notes_of(problem.folder))
    assert len(problem.statement) < 5000
    (home / "mine").mkdir()
    (home / "mine" / "a").write_text("data")
    (folder / "evolve.yaml").write_text("cache: ~/mine\n")
    problem = evolve.load_problem(folder)
    assert problem.contract.data[0].path == str(home / "mine")
    assert not any("does not follow" in note for note in notes_of(problem.folder))


def test_a_script_that_lies_a_folder_below_is_pointed_to(tmp_path: Path) -> None:
    folder = write_checkout(tmp_path / "small")
    (folder / "mlx").mkdir()
    (folder / "train.py").rename(folder / "mlx" / "train.py")
    assert f"type for example problem={folder / 'mlx'}" in refusal(folder)


def test_data_that_are_not_there_are_said_with_what_makes_them(tmp_path: Path, home: Path) -> None:
    folder = write_checkout(tmp_path / "small")
    (home / ".cache").rename(home / "elsewhere")
    assert f"found nothing there; type (it needs a network): cd {folder} && uv run prepare.py" in refusal(folder)
    assert not evolve.load_problem(write_checkout(tmp_path / "own", prepare="TIME_BUDGET = 1\n")).contract.data


def test_keys_that_nobody_knows_are_kept(tmp_path: Path) -> None:
    problem = evolve.load_problem(write_checkout(tmp_path / "small", train=TRAIN + EXTRA_KEYS, results=WIDE))
    assert "c3d4e5f | 4.97 | " in problem.statement
