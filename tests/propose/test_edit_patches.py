"""Patches that would move or delete files."""

from __future__ import annotations

import pytest

from evolve.propose.answers._formats import parse_answer
from evolve.propose.edits._edits import EditFailure, Fault, Format

FILES = {"main.py": "from cost import W\n", "cost.py": "W = 2.0\n"}
UPDATE = "*** Begin Patch\n*** Update File: cost.py\n{}@@\n-W = 2.0\n+W = 2.5\n*** End Patch\n"
GIT = "diff --git a/cost.py b/price.py\nsimilarity index 90%\n{}--- a/cost.py\n+++ {}\n@@ -1,1 +1,1 @@\n-W = 2.0\n{}"


@pytest.mark.parametrize("around", ["{}", "```diff\n{}```\n"])
@pytest.mark.parametrize(("patch", "does"), [
    (UPDATE.format("*** Move to: price.py\n"), "moves"),
    ("*** Begin Patch\n*** Update File: cost.py\n*** Move to: price.py\n*** End Patch\n", "moves"),
    ("*** Begin Patch\n*** Delete File: cost.py\n*** End Patch\n", "deletes"),
    (GIT.format("rename from cost.py\nrename to price.py\n", "b/price.py", "+W = 2.5\n"), "moves"),
    (GIT.format("copy from cost.py\ncopy to price.py\n", "b/price.py", "+W = 2.5\n"), "copies"),
    (GIT.format("deleted file mode 100644\n", "/dev/null", ""), "deletes"),
])  # fmt: skip
def test_files_stay_where_they_are(patch: str, does: str, around: str) -> None:
    answer = parse_answer(around.format(patch), Format.DIFF, FILES)
    faults = answer.faults if isinstance(answer, EditFailure) else answer.rejected
    assert [(fault.fault, fault.feedback) for fault in faults] == [
        (Fault.SCOPE, f"Block 1 {does} 'cost.py'; files stay where they are.")
    ]
    assert "W = 2" not in "".join(str(edit) for edit in getattr(answer, "edits", ()) if edit.path == "cost.py")


def test_an_update_without_a_move_is_taken() -> None:
    answer = parse_answer(UPDATE.format(""), Format.DIFF, FILES)
    assert [edit.path for edit in answer.edits] == ["cost.py"]
