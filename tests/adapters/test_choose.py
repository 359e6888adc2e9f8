"""Which problem a path means: ours, or what the surest adapter makes of it; and a sentence for everything else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from openevolve_forms import write_form

import evolve
from evolve._errors import ProblemError
from evolve._plugins import PluginBroken
from evolve.adapters._choose import adapter_notes, load_problem, problem_folder
from evolve.cli import main
from evolve.problem._find import find_problem
from evolve.problem._packaged import resource_folder

CARDS = """
from pathlib import Path
class Adapter:
    name = "{name}"
    def detect(self, path):
        {detect}
    def convert(self, path, into):
        {convert}
"""
CONVERT = """
        (into / "problem.yaml").write_text("name: card\\nmetric: m\\ngoal: maximize\\n")
        (into / "evaluate.py").write_text("def evaluate(trial): pass\\n")
        (into / "initial").mkdir()
        (into / "initial" / "main.py").write_text("x = 1\\n")
        return into
"""


def cards(name: str = "cards", detect: str = "return 0.5", convert: str = CONVERT) -> str:
    return CARDS.format(name=name, detect=detect, convert=convert)


def test_a_problem_folder_is_ours_whatever_else_lies_in_it(package, tmp_path: Path, cache: Path) -> None:
    package(cards(detect="raise RuntimeError('asked')"))
    folder = shutil.copytree(resource_folder("problems") / "circle_packing", tmp_path / "p")
    write_form(folder)
    assert problem_folder(str(folder)) == problem_folder(folder) == find_problem(folder)
    assert load_problem("circle_packing", prepare=False).contract.name == "circle_packing"
    assert adapter_notes("circle_packing") == ()
    assert not cache.exists()


def test_an_adapter_is_told_the_params_that_it_asks_for(package, tmp_path: Path) -> None:
    text = cards(convert=CONVERT.replace("goal: maximize\\n", 'goal: maximize\\nparams: {deck: " + deck + "}\\n'))
    package(text.replace("def convert(self, path, into)", 'asks = ("deck",)\n    def convert(self, path, into, deck="old")'))
    (tmp_path / "p").mkdir()
    assert load_problem(tmp_path / "p").params == {"deck": "old"}
    assert load_problem(tmp_path / "p", {"deck": "new"}).params == {"deck": "new"}
    assert problem_folder(tmp_path / "p", {"deck": "new"}) != problem_folder(tmp_path / "p")


@pytest.mark.parametrize(
    "where", ["p", *(pytest.param(one, marks=pytest.mark.slow) for one in ("./p", "openevolve:p")), ".", "openevolve:./p"]
)
def test_a_folder_of_another_form_is_converted(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_form(tmp_path / "p")
    monkeypatch.chdir(folder if where == "." else tmp_path)
    problem = load_problem(where)
    assert problem.contract.name == "p"
    assert problem.folder != folder
    assert evolve.load_problem(where).evaluator == problem.evaluator
    assert evolve.load_problem(folder).folder == problem.folder


def test_what_was_converted_lies_there_once_and_is_made_anew_where_somebody_changed_it(tmp_path: Path, cache: Path) -> None:
    folder = write_form(tmp_path / "p")
    first = problem_folder(folder)
    assert problem_folder(folder) == first
    (first / "evaluate.py").write_text("changed")
    assert problem_folder(folder) == first
    assert "changed" not in (first / "evaluate.py").read_text()
    (folder / "evaluator.py").write_text((folder / "evaluator.py").read_text() + "\n")
    assert problem_folder(folder) != first
    assert sorted(one.name for one in (cache / "adapted").iterdir() if one.name.startswith(".")) == []


def test_nothing_fits_and_the_forms_are_named(package, tmp_path: Path) -> None:
    package(cards(detect="return 0"))
    (tmp_path / "p").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(ProblemError) as caught:
        load_problem(tmp_path / "p")
    ours = f"expected a file problem.yaml in {tmp_path / 'p'}, found none; see `evolve new` for a working one."
    forms = "Other forms that are understood: autoresearch, openevolve, cards; problem=NAME:PATH reads a folder as one of them."
    assert str(caught.value) == f"{ours} {forms}"
    with pytest.raises(
        ProblemError, match=r"found a file; make one: evolve new DIR\. Other forms that are understood: autoresearch"
    ):
        load_problem(tmp_path / "file")
    with pytest.raises(ProblemError, match=r"found nothing; make one: evolve new DIR$"):
        load_problem(tmp_path / "nowhere")
    with pytest.raises(ProblemError, match=r"expected something that the adapter openevolve can read at nowhere, found nothing"):
        load_problem("openevolve:nowhere")


def test_the_surest_is_taken_and_of_two_equally_sure_ones_neither(package, tmp_path: Path) -> None:
    package(cards("low", detect="return 0.2"), "low")
    package(cards("cards"))
    folder = tmp_path / "p"
    folder.mkdir()
    assert load_problem(folder).contract.name == "card"
    package(cards("tied"), "tied")
    with pytest.raises(ProblemError) as caught:
        load_problem(folder)
    typed = f"type problem=cards:{folder} or problem=tied:{folder}"
    assert str(caught.value) == f"{folder} fits the adapters cards and tied equally well; {typed}"
    assert load_problem(f"tied:{folder}").contract.name == "card"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("class Adapter:\n    def __init__(self):\n        raise ValueError", "ValueError"),
        ("class Adapter:\n    name = 'cards'", "an adapter has a name and the methods detect and convert, and it has not"),
        (cards("other"), "it calls itself 'other'"),
        (cards(detect="raise KeyError('x')"), "detect raised KeyError: 'x'"),
        (cards(detect="return 7"), "detect gave 7, expected a number from 0 to 1"),
        (cards(detect="return True"), "detect gave True"),
        (cards(convert="raise SystemExit(3)"), "convert raised SystemExit: 3"),
        (cards(convert="return into"), "convert wrote no problem.yaml"),
        (cards(convert="return path"), "expected the folder that it was to write into"),
        (cards(convert="return None"), "convert gave None"),
    ],
)
def test_a_broken_one_is_a_sentence_where_nothing_else_fits(package, tmp_path: Path, cache: Path, text: str, why: str) -> None:
    package(text)
    (tmp_path / "p").mkdir()
    with pytest.raises(PluginBroken) as caught:
        load_problem(tmp_path / "p")
    assert str(caught.value).startswith("the adapter cards of the package cards 1.0 cannot be used: ")
    assert why in str(caught.value)
    assert str(caught.value).endswith("; type: pip install --upgrade cards, or leave cards out")
    assert not cache.exists() or not list((cache / "adapted").iterdir())


def test_a_broken_one_is_nobody_elses_trouble(package, tmp_path: Path) -> None:
    package("import nothing_of_this_name")
    assert load_problem(write_form(tmp_path / "p")).contract.name == "p"


def test_a_mistake_in_the_problem_is_told_in_the_adapters_own_words(package, tmp_path: Path) -> None:
    package("from evolve._errors import ProblemError\n" + cards(convert="raise ProblemError('card.yaml: no name')"))
    (tmp_path / "p").mkdir()
    with pytest.raises(ProblemError, match=r"^card\.yaml: no name$"):
        load_problem(tmp_path / "p")


@pytest.mark.slow
def test_every_verb_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write_form(tmp_path / "p", config="evaluator: {timeouts: 3}\n")
    notes = adapter_notes("p")
    assert notes[-1] == "Not used of config.yaml: evaluator.timeouts."
    for words in (["config", "problem=p"], ["doctor", "p"]):
        assert main(words) == 0
    assert main(["validate", "p", "sandbox=none", "--json"]) == 0
    assert capsys.readouterr().err.splitlines()[-len(notes) :] == list(notes)
    words = ["problem=p", "sandbox=none", "executor.slots=1", "budget.evaluations=3", "out=r", "--json"]
    assert main(["run", *words]) == 0
    assert capsys.readouterr().err.splitlines()[: len(notes)] == list(notes)
