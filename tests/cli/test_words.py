"""What is typed wrong, the help texts, and the page made of them."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cli_process import write_problem
from hypothesis import given
from hypothesis import strategies as st

from archive import Claim
from evolve import cli
from evolve.cli import main
from evolve.cli._command import reference
from evolve.cli._main import VERBS, overview
from evolve.cli.show._text import duration, gain, number, one_line, score, signed
from evolve.cli.show._vaults import claim_text

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
NAMES = [
    "run",
    "resume",
    "stop",
    "rebin",
    "status",
    "best",
    "show",
    "lineage",
    "claims",
    "retract",
    "ask",
    "tell",
    "result",
    "note",
    "mcp",
    "agent-guide",
    "query",
    "export",
    "ablate",
    "new",
    "validate",
    "list",
    "redteam",
    "speedrun",
    "config",
    "doctor",
]


def test_a_new_verb_is_a_decision() -> None:
    assert [verb.name for verb in VERBS] == NAMES


def test_the_page_is_made_of_the_help_texts() -> None:
    assert PAGE.read_text() == reference(overview(), VERBS), (
        "write it anew: python -m evolve.cli._reference > docs/reference/cli.md"
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_has_a_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: evolve {name}")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["bets"], 2, "found 'bets'; did you mean evolve best?"),
        (["best"], 2, "RUN; type: evolve best RUN"),
        (["best", "a", "b"], 2, "takes no further word, found 'b'"),
        (["best", "a", "--sorce"], 2, "has no option --sorce; did you mean --source?"),
        (["best", "EMPTY"], 2, "expected a run's folder, found no run.json"),
        (["best", "EMPTY", "--source", "--diff"], 2, "--source and --diff are two questions; ask one."),
        (["best", "nowhere"], 2, "expected a run's folder"),
        (["stop", "EMPTY"], 2, "expected a run's folder"),
        (["resume", "EMPTY"], 2, "expected a run's folder"),
        (["resume", "EMPTY", "seed=1"], 2, "a run keeps its configuration; expected one of budget.wall_s"),
        (["query", "EMPTY"], 2, "expected runs and then one SELECT"),
        (["query", "EMPTY", "SELECT 1", "--seconds", "soon"], 2, "--seconds takes a time above 0, at most 86400, found 'soon'"),
        (["query", "EMPTY", "SELECT 1", "--seconds", "nan"], 2, "--seconds takes a time above 0"),
        (["query", "EMPTY", "SELECT 1", "--seconds", "0"], 2, "--seconds takes a time above 0"),
        (["query", "nowhere", "SELECT 1"], 2, "found nothing at nowhere"),
        (["export", "EMPTY"], 2, "expected a run's folder"),
        (["run", "circle_packing"], 2, "did you mean problem=circle_packing?"),
        (["run", "tier=none"], 2, "did you mean sandbox.tier?"),
        (["run", "--seed", "3"], 2, "evolve run has no option --seed; write settings as key=value: seed=VALUE"),
        (["run", "problem=nope"], 2, "found 'nope'"),
        (["run", "problem=EMPTY"], 2, "problem.yaml"),
        (["run", "problem=BROKEN"], 2, "problem.yaml: stages[0].tme_s: no such key; did you mean time_s?"),
        (["run", "out=EMPTY/file/x", "sandbox=none"], 2, "cannot be made"),
        (["validate", "nope"], 2, "found 'nope'"),
        (["validate", "--quick"], 2, "the following arguments are required: PROBLEM; type: evolve validate PROBLEM [FILE...]"),
        (["validate", "planted", "--quick"], 2, "type: evolve validate planted FILE... --quick; the problem alone is checked by a"),
        (
            ["validate", "planted", "--target", "3"],
            2,
            "no file of one is named; type: evolve validate planted FILE... --target X\n",
        ),
        (["new", "BROKEN"], 2, "expected a new or empty folder"),
        (["new", ""], 2, "evolve new takes no empty DIR, found ''; type: evolve new DIR"),
        (["agent-guide", ""], 2, "evolve agent-guide takes no empty DIR, found ''"),
        (["status", ""], 2, "evolve status takes no empty RUN, found ''"),
        (["export", "EMPTY", ""], 2, "evolve export takes no empty RUN, found ''"),
        (["ask", "EMPTY", "--out", ""], 2, "evolve ask takes no empty DIR, found ''"),
        (["best", "EMPTY", "--out="], 2, "evolve best takes no empty FILE, found ''"),
        (["validate", "EMPTY", "--against", ""], 2, "evolve validate takes no empty FILES, found ''"),
        (["lineage", "EMPTY", ""], 2, "evolve lineage takes no empty ID, found ''"),
        (["ask", "EMPTY", "--parent", ""], 2, "evolve ask takes no empty ID, found ''"),
        (["redteam", "planted", "--only", ""], 2, "evolve redteam takes no empty NAMES, found ''"),
        (["note", "EMPTY", " "], 2, "expected a note of 1 to 4000 characters, found only space"),
        (["note", "EMPTY", "a", "--author", "b" * 101], 2, "author in at most 100 characters, found 101"),
        (["run", "seed=-1"], 2, "seed must be a whole number from 0, found -1"),
        (["resume", "EMPTY", "bugdet.wall_s=1"], 2, "found 'bugdet.wall_s'; did you mean budget.wall_s?"),
        (["config", "sed=1"], 2, "did you mean seed?"),
        (["show", "OLD", "best"], 2, "another format"),
        (["status", "CUT"], 2, "killed before its first record"),
    ],
)
def test_a_mistake_is_one_sentence(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("EMPTY").mkdir()
    Path("EMPTY/file").write_text("")
    broken = write_problem(Path("BROKEN")) / "problem.yaml"
    broken.write_text(broken.read_text().replace("time_s", "tme_s"))
    Path("OLD").mkdir()
    Path("OLD/run.json").write_text(json.dumps({"format": 99, "run": "x", "problem": "y"}))
    Path("CUT").mkdir()
    Path("CUT/run.json").write_text(json.dumps({"format": 1, "run": "x", "problem": "y"}))
    assert main(words) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("evolve: ")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", [["run", "problem=planted", "sandbox=none"], ["config"], ["new", "x"], ["ask", "somewhere"]])
def test_a_removed_working_folder_is_one_sentence(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.startswith("evolve: expected a ")
    assert err.count("\n") == 1


def test_a_new_problem_validates_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine"]) == 0
    assert "evolve run problem=./mine" in capsys.readouterr().out
    assert main(["validate", "./mine", "sandbox=none"]) == 0
    assert "mine is fine." in capsys.readouterr().out
    Path("bad.py").write_text("def approximate(x):\n    return x * float('nan')\n")
    assert main(["validate", "./mine", "bad.py", "sandbox=none", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["ok"]) == (1, False)
    assert list(found["checks"][0]) == ["name", "ok", "found", "remedy", "hint"]


@pytest.mark.parametrize("words", [["--help"], ["best", "--help"]])
def test_help_brings_nothing_heavy(words: list[str]) -> None:
    heavy = ["hydra", "omegaconf", "duckdb", "ray", "anthropic", "rich", "scipy", "torch", "typer", "yaml", "mcp", "pydantic"]
    script = f"import sys; from evolve.cli import main; main({words!r}); print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_best_brings_only_what_it_needs(ended: tuple[Path, str, str]) -> None:
    heavy = ["hydra", "omegaconf", "duckdb", "ray", "anthropic", "rich", "scipy", "evolve.execute"]
    heavy += [f"evolve.propose.{name}" for name in ("_model_operator", "mutate._ast_edit", "mutate._tune", "prompts._prompt")]
    script = (
        f"import sys; from evolve.cli import main; main(['best', sys.argv[1]]); print([n for n in {heavy!r} if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(ended[0])], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    assert not any(ord(c) < 32 for c in one_line(text))
    assert "\n" not in one_line(text)
    assert len(one_line(text, 20)) <= 20


def test_durations() -> None:
    assert [duration(s) for s in (-1, 0, 59.6, 754, 12000)] == ["0:00", "0:00", "1:00", "12:34", "3:20:00"]


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e300))
def test_any_score_and_gain_can_be_told(value: float, base: float, sd: float) -> None:
    said = f"{score(value, sd, 3)} {gain(value, base, sd)} {number(base)} {duration(abs(value))}"
    assert "inf" not in said
    assert "nan" not in said
    assert float(number(value)) == pytest.approx(value, rel=1e-6)


@given(st.integers(-(2**53), 2**53))
def test_whole_numbers_keep_all_their_digits(value: int) -> None:
    assert float(number(float(value))) == value or abs(value) < 1e4


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1e20, "1e+20"), (-0.0, "0"), (1.32, "1.32"), (2.6359830849176, "2.635983"), (123456789.0, "123456789"),
        (1e14 + 0.5, "100000000000000.5"), (1234567.891, "1234567.89"), (1.7e308, "1.7e+308"), (5e-324, "4.940656e-324"),
    ],
)  # fmt: skip
def test_scores_are_told_with_the_digits_that_matter(value: float, said: str) -> None:
    assert number(value) == said


def test_a_gain_is_told_in_percent_where_that_says_something() -> None:
    assert gain(3.275e307, 3.325e307) == "+3.275e+307 (+98.50 %)"
    assert gain(1.0, 0.0) == "+1"
    assert gain(1.0, 1e-320) == "+1"
    assert gain(1.0, 9007199254740994.0) == "+1 (+0.00 %)"


def test_a_claim_of_scores_that_count_as_something_else_is_not_told_as_an_effect() -> None:
    claim = Claim(0, "p", "c" * 12, "r", True, 0.001, 0.2, 0.1, 0.3)
    told = "confirmed: cccccccccc against r"
    assert claim_text(claim) == f"{told}, effect +0.2 (0.1 to 0.3)"
    assert claim_text(replace(claim, effect=1e150)) == f"{told}, see evolve claims"


def test_a_score_says_how_many_measurements_are_not_in_it() -> None:
    assert score(3.0, 0.5, 4) == "3 ± 0.5 (n=4)"
    assert score(3.0, 0.5, 4, far=1) == "3 ± 0.5 (n=4; 1 of 5 measurements is far off and not in this number)"
    assert score(3.0, 0.5, 4, far=2) == "3 ± 0.5 (n=4; 2 of 6 measurements are far off and not in this number)"
    none = "1 of 1 measurement is far off and not in this number, which is what its relatives say"
    assert score(3.0, 0.5, 0, far=1) == f"3 ± 0.5 (n=0; {none})"


_COUNTED = re.compile(r"\} (?:candidates|measurements|cells|elites|vaults|calls|tokens|answers|programs|literals)\b")


def test_one_of_a_thing_is_told_in_the_singular() -> None:
    folder = Path(cli.__file__).parent
    lines = [line for place in folder.rglob("*.py") for line in place.read_text(encoding="utf-8").splitlines()]
    assert not list(filter(_COUNTED.search, lines))


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e6))
def test_a_mean_has_the_digits_that_its_error_needs(mean: float, error: float) -> None:
    step = 10.0 ** (math.floor(math.log10(error)) - 1)  # of the error's second digit
    near = max(step, 4 * math.ulp(mean))  # no more digits than a float has
    for text in (score(mean, error, 3).partition(" ")[0], number(mean, error), signed(mean, error)):
        assert abs(float(text) - mean) <= near
        assert len(re.sub(r"e.*|[-+.]", "", text).lstrip("0")) <= 17


def test_a_large_mean_with_a_small_error_is_shown_to_that_error() -> None:
    assert score(1e9 + 0.0012, 0.001, 9) == "1000000000.0012 ± 0.001 (n=9)"
    assert signed(-3.14159265358, 1e-9) == "-3.1415926536"
    assert (number(0.5), number(12345.678), signed(0.5)) == ("0.5", "12345.68", "+0.5")
