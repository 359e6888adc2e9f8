"""What keeps ``evaluate.py`` from being imported is found by reading it."""

from __future__ import annotations

from pathlib import Path

import pytest
from problem_folders import EVALUATE, write_problem

from evolve._errors import ProblemError
from evolve.problem._find import builtin_problems
from evolve.problem._importable import check_importable
from evolve.problem._load import load_problem


@pytest.mark.parametrize("name", builtin_problems())
def test_built_in_problems_can_be_imported(name: str) -> None:
    check_importable(load_problem(name, prepare=False))


BAD = {
    "no Python": ({"evaluate_py": "def (\n"}, "no Python: invalid syntax (evaluate.py, line 1)"),
    "a NUL": ({"evaluate_py": "x = '\0'\n"}, "evaluate.py"),
    "a return outside a function": ({"evaluate_py": EVALUATE + "return\n"}, "(evaluate.py, line 6)"),
    "a missing module": (
        {"evaluate_py": "import json, nowhere.at.all\n" + EVALUATE},
        "no module nowhere, which evaluate.py imports in line 1",
    ),
    "from a missing module": ({"evaluate_py": "from nowhere import x\n" + EVALUATE}, "no module nowhere"),
    "a helper that is no Python": ({"evaluate_py": "import helper\n" + EVALUATE, "helper_py": "x =\n"}, "(helper.py, line 1)"),
    "a helper's missing module": (
        {"evaluate_py": "import helper\n" + EVALUATE, "helper_py": "import evaluate, nowhere\n"},
        "no module nowhere, which helper.py imports in line 1",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_imported_is_said(case: str, tmp_path: Path) -> None:
    files, words = BAD[case]
    problem = load_problem(write_problem(tmp_path / "tiny", **files))
    with pytest.raises(ProblemError, match=r"expected an evaluate\.py of tiny that can be imported, found") as refused:
        check_importable(problem)
    assert words in str(refused.value)
    assert str(refused.value).endswith(f"evolve validate {tmp_path / 'tiny'}")


GOOD = {
    "it can do without": {"evaluate_py": "try:\n    import nowhere\nexcept ImportError:\n    nowhere = None\n" + EVALUATE},
    "only a function needs it": {"evaluate_py": EVALUATE + "    import nowhere\n"},
    "it says where": {"evaluate_py": "import sys\nsys.path.append('/opt/x')\nimport nowhere\n" + EVALUATE},
    "a folder beside it": {"evaluate_py": "import tools.one\n" + EVALUATE, "tools__one_py": "x = 1\n"},
    "an installed module goes first": {"evaluate_py": "import json\n" + EVALUATE, "json_py": "x =\n"},
    "only a warning": {"evaluate_py": "x = '\\d'\n" + EVALUATE},
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", GOOD)
def test_what_may_be_imported_is_let_through(case: str, tmp_path: Path) -> None:
    check_importable(load_problem(write_problem(tmp_path / "tiny", **GOOD[case])))


def test_what_is_too_deep_to_be_read_or_compiled_already_is_left_to_the_grader(tmp_path: Path) -> None:
    deep = load_problem(write_problem(tmp_path / "deep", evaluate_py=EVALUATE + "X = " + "-" * 100_000 + "1\n"))
    check_importable(deep)
    built = load_problem(write_problem(tmp_path / "built", evaluate_py="import fast\n" + EVALUATE))
    (built.folder / "fast.pyc").write_bytes(b"")
    check_importable(built)
