"""A command that is told to be typed can be typed: paths of people stand in it as a shell reads them."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import SETTINGS, Say, write_problem

from evolve.cli._main import VERBS

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(rf"\bevolve (?:{'|'.join(verb.name for verb in VERBS)})\b([^;\n`]*)")
# What stands in a command besides paths: numbers, ids, names of limits, texts of ours that hold no path or are quoted already.
PLAIN = {
    "_EXAMPLE", "_artifact_hint(opened)", "' --wait' if wait else ''", "answer.candidate", "asked.number", "found.id", "id_",
    "GAINS", "share", "names", "all_of_it", "nearest[1]", "row.id", "rows[told[0]].id", "some[0]",
    "ticket", "what", "2 * limit", "key", "max(2 * spent, 1)", "least",
    "_aside(run)",  # in brackets after the command
}  # fmt: skip


def unquoted(path: Path) -> Iterator[str]:
    """Expressions that stand in a command of an f-string and are not seen to be quoted."""
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        values = [one for one in node.values if isinstance(one, ast.FormattedValue)]
        text = "".join(str(one.value) if isinstance(one, ast.Constant) else "\0" for one in node.values)
        if not COMMAND.search(text):
            continue
        around = [one for one in functions if one.lineno <= node.lineno <= (one.end_lineno or 0)]
        assigned = "\n".join(ast.unparse(one) for function in around for one in ast.walk(function) if isinstance(one, ast.Assign))
        for command in COMMAND.finditer(text):
            first = text.count("\0", 0, command.start(1))
            for value in values[first : first + command[1].count("\0")]:
                said = ast.unparse(value.value)
                given = re.search(rf"^.*\b{re.escape(said)}\b.* = .*quote\(", assigned, re.MULTILINE)
                if "quote(" not in said and not given and said not in PLAIN and value.conversion == -1:  # not what was found: !r
                    yield f"{path.relative_to(ROOT)}:{node.lineno} {said}"


def test_what_stands_in_a_command_is_quoted() -> None:
    told = (path for path in sorted((ROOT / "evolve").rglob("*.py")) if path.name != "_tool_words.py")  # that one reads commands
    found = [each for path in told for each in unquoted(path)]
    assert found == []


def commands_in(text: str) -> list[list[str]]:
    """The words of every command, up to the end of its line, of a sentence's part or of a quotation in backquotes."""
    return [shlex.split(found[0].partition(" | ")[0]) for found in COMMAND.finditer(text)]


@pytest.mark.parametrize("words", [(), ("--speed",)])
def test_new_says_commands_that_can_be_typed(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for said in (say("new", "a b/x", *words), (tmp_path / "a b" / "x" / "README.md").read_text()):
        assert [one[:3] for one in commands_in(said)] == [["evolve", "validate", "a b/x"], ["evolve", "run", "problem=a b/x"]]


def test_a_run_in_a_folder_with_a_space_says_commands_that_can_be_typed(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_problem(tmp_path / "a b" / "tiny")
    said = say("run", "problem=a b/tiny", "search=fixed_candidates", "out=its run", *SETTINGS)
    for word in (["best"], ["status"], ["claims"]):
        said += say(*word, "its run")
    for words in (["show", "its run", "seed", "--prompt"], ["show", "its run", "zz"], ["tell", "its run", "99"], ["run", "a b"]):
        said += say(*words, code=2)
    said += say("run", "problem=a b/tiny", "out=its run", *SETTINGS, code=2)
    told = commands_in(said)
    assert {one[1] for one in told} >= {"best", "query", "ask", "show", "resume"}
    folders = {"its run", str(tmp_path / "its run")}
    assert [one for one in told if len(one) > 2 and one[1] != "config" and not folders & set(one)] == []
    assert "did you mean problem='a b'?" in said
