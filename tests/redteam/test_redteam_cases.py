"""The format of ``redteam/verdicts.json``, and attacks put into programs."""

from __future__ import annotations

import ast
import json
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

from evolve._errors import ProblemError
from evolve.problem._find import builtin_problems
from evolve.problem._load import load_problem
from evolve.redteam._cases import CORPUS, editable_python, general_programs, own_programs, splice_attack

GOOD = {"candidate": "good", "cheat": False, "expect": ["ok"]}
BAD = {"candidate": "bad", "cheat": True, "expect": ["crash"], "twin": "good"}


def folder_with(folder: Path, verdicts: object, names: tuple[str, ...] = ("good", "bad")) -> Path:
    texts = {"problem.yaml": "name: p\nmetric: m\ngoal: maximize\n", "evaluate.py": "", "initial/main.py": "x = 1\n"}
    texts |= {f"redteam/{name}/main.py": "x = 2\n" for name in names}
    texts["redteam/verdicts.json"] = verdicts if isinstance(verdicts, str) else json.dumps(verdicts)
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_a_corpus_is_read(tmp_path: Path) -> None:
    good, bad = own_programs(load_problem(folder_with(tmp_path, {"schema": 1, "verdicts": [GOOD, BAD]})))
    assert (good.name, good.cheat, good.files) == ("good", False, {"main.py": "x = 2\n"})
    assert (bad.cheat, bad.twin, [str(status) for status in bad.expected.statuses]) == (True, "good", ["crash"])


def test_a_program_of_other_params_is_not_tried(tmp_path: Path) -> None:
    lines = [GOOD, {**BAD, "params": {"form": "steps"}}]
    folder = folder_with(tmp_path, {"schema": 1, "verdicts": lines})
    (folder / "problem.yaml").write_text("name: p\nmetric: m\ngoal: maximize\nparams: {form: time}\n")
    assert [one.name for one in own_programs(load_problem(folder))] == ["good"]
    assert [one.name for one in own_programs(load_problem(folder, {"form": "steps"}))] == ["good", "bad"]
    lines = [{**GOOD, "params": {"form": "time"}}, {**BAD, "params": {"form": "steps"}, "no_better_than": "good"}]
    (folder / "redteam" / "verdicts.json").write_text(json.dumps({"schema": 1, "verdicts": lines}))
    with pytest.raises(ProblemError, match="bad: expected same_score_as and no_better_than to name honest programs"):
        own_programs(load_problem(folder))


def test_a_program_may_be_edits_of_the_initial_one(tmp_path: Path) -> None:
    other = {**BAD, "candidate": "elsewhere", "params": {"form": "steps"}, "edits": [["not there", ""]]}
    lines = [GOOD, BAD, {**BAD, "candidate": "edited", "edits": [["x = 1", "x = 9"], ["9\n", "9\ny = 2\n"]]}, other]
    folder = folder_with(tmp_path, {"schema": 1, "verdicts": lines})
    (folder / "problem.yaml").write_text("name: p\nmetric: m\ngoal: maximize\nparams: {form: time}\n")
    *_, edited = own_programs(load_problem(folder))  # what another initial program would be edited to nobody asks
    assert (edited.name, edited.files) == ("edited", {"main.py": "x = 9\ny = 2\n"})


def test_a_problem_without_the_folder_has_none(tmp_path: Path) -> None:
    problem = load_problem(folder_with(tmp_path, {}, names=()))
    (tmp_path / "redteam" / "verdicts.json").unlink()
    (tmp_path / "redteam").rmdir()
    assert own_programs(problem) == ()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([GOOD], "expected a line for the folder redteam/bad, found none"),
        ([GOOD, BAD, {**BAD, "candidate": "ugly"}], "expected a folder redteam/ugly, or edits of the initial program, found none"),
        ([GOOD, {**BAD, "edits": [["x", "y"]]}], "expected a folder redteam/bad, or edits of the initial program, found both"),
        ([GOOD, BAD, {**BAD, "candidate": "ugly", "edits": []}], "ugly: expected edits such as"),
        ([GOOD, BAD, {**BAD, "candidate": "ugly", "edits": [["x"]]}], "ugly: expected each edit to be two texts"),
        ([GOOD, BAD, {**BAD, "candidate": "ugly", "edits": [["z = 1", ""]]}], "ugly: expected 'z = 1' once in .* found 0 times"),
        ([GOOD, BAD, BAD], "expected one line a program, found bad twice"),
        ([GOOD, {**BAD, "twin": "bad"}], "bad: expected twin to name an honest program, found 'bad'"),
        ([GOOD, {**BAD, "twin": ""}], "bad: expected twin to name an honest program, found ''"),
        ([GOOD, {**BAD, "expect": ["crashes"]}], r"bad: expected expect to be a list of statuses among ok, .* found \['crashes'\]"),
        ([GOOD, {**BAD, "expect": []}], "bad: expected expect to be a list"),
        ([GOOD, {**BAD, "expect": ["evaluator_error"]}], "bad: expected expect to be a list"),
        ([GOOD, {**BAD, "expect": ["ok"]}], "bad: expected a cheat that may end as ok to have one of score_at_least"),
        ([{**GOOD, "expect": ["crash"]}, BAD], r'good: expected an honest program to expect \["ok"\]'),
        ([GOOD, {**BAD, "cheat": "yes"}], "bad: expected cheat to be true or false, found 'yes'"),
        ([GOOD, {**BAD, "score": 1}], "bad: expected keys among .* found score"),
        ([GOOD, {**BAD, "score_at_most": "1"}], "bad: expected score_at_most to be a number, found '1'"),
        ([GOOD, {**BAD, "no_better_than": "bad"}], "expected same_score_as and no_better_than to name honest programs"),
        ([GOOD, "bad"], "expected lines such as"),
        ([GOOD, {**BAD, "params": "steps"}], "bad: expected params such as .* found 'steps'"),
        ([GOOD, {**BAD, "params": {"form": "steps"}}], "bad: expected params of the problem, found 'form'"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(tmp_path: Path, lines: list[object], said: str) -> None:
    problem = load_problem(folder_with(tmp_path, {"schema": 1, "verdicts": lines}))
    with pytest.raises(ProblemError, match=said) as error:
        own_programs(problem)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("see docs/how-to/redteam.md.")


def test_another_schema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"expected \{.schema.: 1"):
        own_programs(load_problem(folder_with(tmp_path, {"schema": 2, "verdicts": []})))


@pytest.mark.parametrize("name", builtin_problems())
def test_every_shipped_problem_has_a_corpus(name: str) -> None:
    programs = own_programs(load_problem(name, prepare=False))
    assert sum(program.cheat for program in programs) >= 10
    assert sum(not program.cheat for program in programs) >= 3


def test_the_general_corpus_is_whole() -> None:
    programs = general_programs(noisy=True)
    honest = {program.name for program in programs if not program.cheat}
    cheats = [program for program in programs if program.cheat]
    assert len(cheats) >= 25
    assert {program.twin for program in cheats} == honest
    assert {path.stem for path in CORPUS.glob("*.py")} == {program.name for program in programs} | {"prelude"}
    for program in programs:
        assert ast.get_docstring(ast.parse(program.text)), program.name


def test_what_needs_noise_is_not_tried_without() -> None:
    assert {one.name for one in general_programs(noisy=True)} - {one.name for one in general_programs(noisy=False)} == {
        "fixes_seeds",
        "seeds_its_own",
    }


PROGRAM = '''\
"""Adds."""

from __future__ import annotations

A = 1


def add(b: Nothing) -> int:
    return A + b
'''
PLAN = {
    "word": ("redteam-", "ab", "cd"),
    "marker": "/nowhere",
    "port": 1,
    "pid": 1,
    "files": (),
    "folders": (),
    "metric": "m",
    "better": 1,
}


def test_an_attack_runs_before_the_program_and_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = replace(load_problem(folder_with(tmp_path, {})), initial_files={"main.py": PROGRAM, "notes.txt": "n"})
    text = (
        "import sys\nsys.order = [WORD]\ndef after(program):\n    sys.order.append(program['add'](1))\n"
        "    around(program, lambda f: lambda b: -f(b))\n"
    )
    files = splice_attack(problem, text, PLAN)
    assert files["notes.txt"] == "n"
    assert "redteam-abcd" not in files["main.py"]  # or a traceback that quotes the text would look like a message
    module = types.ModuleType("main")
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    exec(compile(files["main.py"], "main.py", "exec"), module.__dict__)
    order = vars(sys).pop("order")
    assert order == ["redteam-abcd", 2]
    assert module.__doc__ == "Adds."
    assert module.add(2) == -3
    assert "WORD" not in vars(module)


def test_of_several_files_the_first_that_runs_brings_the_attack_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = replace(
        load_problem(folder_with(tmp_path, {})),
        initial_files={"main.py": "def f(x):\n    return helped(x) + 1\n", "lib.py": "def helped(x):\n    return x\n"},
    )
    problem = replace(problem, contract=replace(problem.contract, editable=("lib.py", "main.py")))
    text = "seen = globals().setdefault('runs', [])\nsys.runs = seen\nseen.append(WORD)\n"
    text += "def after(program):\n    around(program, lambda f: lambda x: 10 * f(x))\n"
    files = splice_attack(problem, text, PLAN)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    main, lib = types.ModuleType("main"), types.ModuleType("lib")
    exec(compile(files["lib.py"], "lib.py", "exec"), lib.__dict__)
    vars(main)["helped"] = lib.helped
    exec(compile(files["main.py"], "main.py", "exec"), main.__dict__)
    assert vars(sys).pop("runs") == ["redteam-abcd"]
    assert (main.f(1), lib.helped(1)) == (20, 10)  # what helps inside stays as it is, whichever file it lies in


def test_only_editable_python_is_touched(tmp_path: Path) -> None:
    problem = load_problem(folder_with(tmp_path, {}))
    problem = replace(
        problem,
        initial_files={"main.py": "x = 1\n", "fixed.py": "y = 1\n", "data.json": "{}"},
        contract=replace(problem.contract, editable=("main.py", "data.json")),
    )
    assert editable_python(problem) == ("main.py",)
    files = splice_attack(problem, "", PLAN)
    assert (files["fixed.py"], files["data.json"]) == ("y = 1\n", "{}")
    assert files["main.py"] != "x = 1\n"


def test_a_seed_program_that_does_not_parse_is_told(tmp_path: Path) -> None:
    problem = replace(load_problem(folder_with(tmp_path, {})), initial_files={"main.py": "def :\n"})
    with pytest.raises(ProblemError, match=r"initial/main.py: expected Python that parses"):
        splice_attack(problem, "", PLAN)
