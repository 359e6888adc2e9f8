"""Reading an answer costs in proportion to its length, whatever it holds: four times the text, about four times the CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from evolve.propose import EditScope
from evolve.propose._model_operator import AnswerParser
from evolve.propose.answers._labels import label_kind
from evolve.propose.answers._names import LONGEST_MARK, Names
from evolve.propose.edits._edits import Format

ONE = {"main.py": "import math\n\n\ndef f(x):\n    return x\n\n\ndef solve(x):\n    return f(x)\n"}
TWO = {**ONE, "lib/a.c": "int f(int x)\n{\n    return x;\n}\n"}
SMALL = 12_000  # characters
TIMES = 4  # as many in the long one
WORST = 2.0 * TIMES  # a quadratic reader has TIMES**2
TICK = 0.01  # seconds of CPU: below it a ratio says nothing
UNITS = {
    "labels": "a" * 190 + "\n```\nx\n```\n",
    "paths": "ab.cd/" * 31 + "\n<<<<<<< SEARCH\n",
    "fences": "```\n",
    "other fences": "~~~ a\n",
    "backticks": "`",
    "inline code": "`a` " * 40 + "\n",
    "angle brackets": "<",
    "lines of them": "<" * 100 + "\n",
    "search markers": "<<<<<<< SEARCH\n",
    "equal signs": "=======\n",
    "replace markers": ">>>>>>> REPLACE\n",
    "plus markers": "+++++++ REPLACE\n",
    "edits": "<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n",
    "brackets": "[",
    "brackets in lines": "[\n",
    "braces": "{",
    "braces in lines": '{"a":\n',
    "quotes": '"',
    "escaped quotes": '\\"',
    "escapes of HTML": "&lt;",
    "git headers": "diff --git a/x b/x\n",
    "sides": "--- a\n+++ b\n",
    "hunks": "@@ -1,3 +1,3 @@\n",
    "diffs": "--- a/main.py\n+++ b/main.py\n@@\n-x\n+y\n",
    "patches": "*** Begin Patch\n",
    "updates": "*** Update File: main.py\n",
    "tags": "<search>",
    "tags with ends": "<path>x</path><search>a</search><replace>b</replace>",
    "parameters": '<parameter name="old_str">',
    "character data": "<search><![CDATA[",
    "thinking": "<think>",
    "ends of thinking": "</think>\n",
    "channels": "<|channel|>analysis<|message|>",
    "final channels": "<|channel|>final<|message|>",
    "spaces": " ",
    "blank lines": "\t\n",
    "quotation": "> a\n",
    "line numbers": "1: a\n",
    "before and after": "Before:\n```\nx\n```\nAfter:\n```\ny\n```\n",
    "headings": "# main.py\n",
    "files": "file: main.py\n```\nx\n```\n",
    "new files": "new file: q.py\n```\nx\n```\n",
    "folded": "<details><summary>Thinking</summary>\n",
    "stand-ins": "# the rest of " * 10 + "\n",
    "objects": '{"file": "main.py", "search": "x", "replace": "y"}\n',
    "long lines": "x" * 1000 + "\n",
    "open calls": '[TOOL_CALLS][{"name": ',
    "shell": "apply_patch <<'EOF'\n",
    "statements": "HYPOTHESIS: a\nPLAN: b\n",
}


def cpu(work: Callable[[], object]) -> float:
    """The least CPU time of two tries, so that what else the process does counts little."""
    found = []
    for _ in range(2):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


@pytest.mark.parametrize("name", UNITS)
def test_an_answer_four_times_as_long_costs_about_four_times_as_much(name: str) -> None:
    unit = UNITS[name]
    for files in (ONE, TWO):
        scope = EditScope(tuple(files), may_add_files=True, max_bytes=1_000_000)
        short = unit * (SMALL // len(unit))
        spent = _reading(files, scope, short), _reading(files, scope, short * TIMES)
        assert spent[1] <= WORST * max(spent[0], TICK), spent


def _reading(files: Mapping[str, str], scope: EditScope, text: str) -> float:
    return cpu(lambda: AnswerParser(files, Format.DIFF, scope).apply(text, partial=True))


LINES = {
    "word": "a",
    "folders": "ab/",
    "endings": "a.",
    "folders with endings": "ab.cd/",
    "signs": "-+",
    "backslashes": "a\\",
    "stars": "**",
    "digits": "1.",
    "words": "the old ",
    "replace": "replace with ",
    "spaces": " ",
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_twice_as_long_costs_about_twice_as_much(name: str) -> None:
    """Lines longer than a name can be are not looked into, so what grows with a power of their length hides in a constant."""
    names = Names(TWO)

    def all_of(line: str) -> None:
        for _ in range(200):
            names.in_words(line)
            names.header(line)
            names.in_info(line)
            names.in_comment("# " + line[2:])
            names.fresh(line)
            label_kind(line, pending=True)

    unit = LINES[name] * LONGEST_MARK
    half, whole = unit[: LONGEST_MARK // 2] + "!", unit[: LONGEST_MARK - 1] + "!"
    spent = cpu(lambda: all_of(half)), cpu(lambda: all_of(whole))
    assert spent[1] <= 3.0 * max(spent[0], TICK), spent
