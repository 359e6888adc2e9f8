"""The words before the edits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.propose.prompts._statement import MAX_EXPECTED, MAX_HYPOTHESIS, MAX_PLAN, MAX_SUMMARY, Rationale, parse_rationale

EDIT = "<<<<<<< SEARCH\nPLAN: of the code\n=======\nx\n>>>>>>> REPLACE\n"
MEANT = Rationale("A smaller rate settles.", "-0.02 nats", "Halve it.")


@pytest.mark.parametrize(
    "text",
    [
        "HYPOTHESIS: A smaller rate settles.\nEXPECTED: -0.02 nats\nPLAN: Halve it.\n\n",
        "Sure!\n\n**Hypothesis:** A smaller rate settles.\n**Expected:** -0.02 nats\n**Plan:** Halve it.\n\n",
        "**HYPOTHESIS**: A smaller rate settles.\n\n**EXPECTED**: -0.02 nats\n\n**PLAN**: Halve it.\n",
        "## Hypothesis: A smaller rate settles.\n## Expected effect: -0.02 nats\n## Plan: Halve it.\n",
        "1. hypothesis: A smaller rate settles.\n2. expected: -0.02 nats\n3. plan: Halve it.\n",
        "PLAN: Halve it.\nEXPECTED:\n-0.02 nats\n\nHYPOTHESIS:\n\nA smaller\nrate settles.\n\nSome more talk.\n",
        "```\nHYPOTHESIS: A smaller rate settles.\nEXPECTED: -0.02 nats\nPLAN: Halve it.\n```\n\n",
        "HYPOTHESIS: A smaller rate settles.\r\nEXPECTED: -0.02 nats\r\nPLAN: Halve it.\r\n",
        "HYPOTHESIS: A smaller rate settles.\nEXPECTED: -0.02 nats\nPLAN: Halve it.\nHYPOTHESIS: Another.\n",
        "- *HYPOTHESIS:* A smaller rate settles.\n- *EXPECTED:* -0.02 nats\n- *PLAN:* **Halve it.**\n",
    ],
)
@pytest.mark.parametrize(
    "edits",
    [EDIT, f"file: train.py\n{EDIT}", f"train.py\n{EDIT}", "block 2\n```\nPLAN: x\n```\n", "`a.py`\n```python\nPLAN: x\n```\n", ""],
)
def test_how_it_may_be_written(text: str, edits: str) -> None:
    assert parse_rationale(text + edits) == MEANT


def test_a_plan_of_several_lines_ends_with_the_first_edit() -> None:
    found = parse_rationale(f"PLAN:\n1. Halve the rate.\n\n2. Train longer.\n\nfile: a.py\n{EDIT}")
    assert found.plan == "1. Halve the rate.\n2. Train longer."
    assert found.summary == "Halve the rate."
    assert parse_rationale("PLAN: do it\n```python\nHYPOTHESIS: in code\n```\n") == Rationale(plan="do it")


def test_what_is_missing_is_empty() -> None:
    assert parse_rationale("") == parse_rationale("no words") == parse_rationale(EDIT) == Rationale()
    assert Rationale().summary == ""
    assert parse_rationale("HYPOTHESIS: only this").summary == "only this"
    assert parse_rationale("the plan: is in a sentence of prose") == Rationale()
    assert parse_rationale("HYPOTHESIS: __init__ is slow *here*").hypothesis == "__init__ is slow *here"


def test_lengths_are_capped_and_controls_go() -> None:
    text = "".join(f"{label}: {'word ' * 3000}\x1b[31m\x07\n" for label in ("HYPOTHESIS", "EXPECTED", "PLAN"))
    found = parse_rationale(text)
    assert 0 < len(found.hypothesis) <= MAX_HYPOTHESIS
    assert 0 < len(found.expected) <= MAX_EXPECTED
    assert 0 < len(found.plan) <= MAX_PLAN
    assert 0 < len(found.summary) <= MAX_SUMMARY
    assert parse_rationale("PLAN: a\x1b[31mb\x07\u202ec").plan == "abc"


PIECES = st.sampled_from(
    ["HYPOTHESIS:", "plan", ":", "**", "```", "\n", "\r\n", "file: ", "a.py", "<<<<<<< SEARCH", " ", "\x1b[", "\ud800", "`" * 99]
)


@given(st.lists(PIECES | st.text(max_size=9), max_size=60).map("".join))
def test_any_text_has_a_statement_within_bounds(text: str) -> None:
    found = parse_rationale(text)
    assert len(found.hypothesis) <= MAX_HYPOTHESIS
    assert len(found.plan) <= MAX_PLAN
    assert "\n" not in found.hypothesis + found.expected + found.summary
    f"{found.hypothesis}{found.expected}{found.plan}".encode()
