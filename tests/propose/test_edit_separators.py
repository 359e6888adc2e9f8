"""Several files in one fence, after lines that name them."""

from __future__ import annotations

import pytest

from evolve.propose import EditScope
from evolve.propose.answers._formats import parse_answer
from evolve.propose.edits._apply import apply_edits
from evolve.propose.edits._edits import Applied, EditFailure, Format, ParsedAnswer, RewriteFile

COST = "WEIGHT = 2.0\n\n\ndef cost(job):\n    return WEIGHT * job\n"
ORDER = "def by_length(jobs):\n    return sorted(jobs)\n\n\ndef by_setup(jobs):\n    return jobs\n"
FILES = {
    "main.py": "from lib.cost import cost\nfrom lib.order import by_length\n\n\ndef plan(jobs):\n    return by_length(jobs)\n",
    "lib/__init__.py": "",
    "lib/cost.py": COST,
    "lib/order.py": ORDER,
    "conf.json": '{"rounds": 40}\n',
}
NEW_COST, NEW_ORDER = COST.replace("2.0", "2.5"), ORDER.replace("sorted(jobs)", "sorted(jobs)[::-1]")
SEPARATORS = (
    "# {}", "# ===== {} =====", "# --- {} ---", "# ==== file: {}", "# <{}>", "# === FILE: {} ===", "# [{}]", '"""{}"""', "// {}",
    "// ==== {} ====", "// [{}]", "-- {}", "-- === {} ===", "/* ==== {} ==== */", "# ======\n# {}\n# ======",
)  # fmt: skip


def fence(separator: str, *, before: str = "", between: str = "\n") -> str:
    first, second = (separator.format(path) for path in ("lib/cost.py", "lib/order.py"))
    return f"```python\n{before}{first}\n{NEW_COST}{between}{second}\n{NEW_ORDER}```\n"


def child(text: str, expected: Format) -> dict[str, str] | str:
    answer = parse_answer(text, expected, FILES)
    if isinstance(answer, EditFailure) or answer.rejected:
        return "refused"
    made = apply_edits(FILES, answer.edits, EditScope(tuple(FILES), may_add_files=True, max_bytes=10_000))
    return dict(made.files) if isinstance(made, Applied) else "refused"


@pytest.mark.parametrize("expected", [Format.FILE, Format.DIFF])
@pytest.mark.parametrize("between", ["\n", ""])
@pytest.mark.parametrize("before", ["", "\n"])
@pytest.mark.parametrize("separator", SEPARATORS)
def test_lines_that_name_files_separate_them(separator: str, before: str, between: str, expected: Format) -> None:
    wanted = {**FILES, "lib/cost.py": NEW_COST, "lib/order.py": NEW_ORDER}
    assert child(fence(separator, before=before, between=between), expected) == wanted


def test_a_fence_under_a_header_goes_on_with_another_file() -> None:
    text = f"file: lib/cost.py\n```python\n{NEW_COST}\n# === lib/order.py ===\n{NEW_ORDER}```\n"
    assert child(text, Format.FILE) == {**FILES, "lib/cost.py": NEW_COST, "lib/order.py": NEW_ORDER}


def test_of_a_fence_that_was_cut_off_only_the_files_before_the_last_are_whole() -> None:
    text = fence("# == {} ==").partition("    return jobs")[0]
    answer = parse_answer(text, Format.FILE, FILES, cut=True)
    assert isinstance(answer, ParsedAnswer)
    assert answer.edits == (RewriteFile(1, "lib/cost.py", NEW_COST),)
    assert [fault.number for fault in answer.rejected] == [2]


@pytest.mark.parametrize("expected", [Format.FILE, Format.DIFF])
@pytest.mark.parametrize("code", [
    NEW_COST + "\n" + NEW_ORDER,
    "def cost(job):\n    return job\n\n\ndef by_length(jobs):\n    return jobs\n",
    "def tabu(out):\n    return out\n",
    "from .cost import cost\n",
])  # fmt: skip
def test_code_without_a_name_is_never_taken_for_an_empty_file(code: str, expected: Format) -> None:
    assert child(f"```python\n{code}```\n", expected) == "refused"
