"""Searches with models whose answers are scripted: the same decisions, children and costs every time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from llm_world import records_of

from archive import CallSettled, Proposed, ProposeIssued, Record
from evolve.config._llm import LlmConfig
from evolve.config._schema import BudgetConfig, SearchConfig
from evolve.models import ModelReply, ModelRequest, Scripted, TokenUsage
from evolve.testing import Asked, Harness, Script, move_a_number, plain_contract, scored
from evolve.testing.models._answering import asked

GOLDEN = Path(__file__).parents[2] / "golden"
LAST = "    return [X, Y, Z / 7.0]"
UNUSED = "OFF = [8]"
SEED_FILES = {"main.py": f"X = 0.25\nY = 0.75\nZ = 3.5\n{UNUSED}\n\n\ndef point():\n{LAST}\n"}
EDIT = "file: main.py\n<<<<<<< SEARCH\n{}\n=======\n{}\n>>>>>>> REPLACE\n"
MODELS = LlmConfig(
    provider="anthropic", models=("small", "other"), strong_model="big", prices=("*=1/5", "big=10/50"), max_concurrency=1,
    stagnation=6, hour_usd=1.0,
)  # fmt: skip


class Answers:
    """Moves numbers; some answers are of no use, and the model ``other`` is the worse one.

    What is said, and its tokens, depend on the program shown and on how many questions came before, not on the words of prompts.
    """

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, request: ModelRequest) -> ModelReply:
        self.n += 1
        turns = ["\n\n".join(b.text for b in m.blocks) for m in request.messages if m.role == "user"]
        shown = asked("\n\n".join(block.text for block in request.system), turns)
        main = shown.files["main.py"]
        shown = replace(shown, text=f"{self.n} {shown.turns} {main}")
        text = self.say(shown, shown.draw("fault").random() * (0.7 if request.model == "other" else 1.0))
        return ModelReply(text, "end_turn", TokenUsage(input=900 + len(main), output=len(text)))

    def say(self, shown: Asked, drawn: float) -> str:
        main = shown.files["main.py"]
        if drawn < 0.08:
            return "I would rather not change anything."
        if drawn < 0.2 and shown.turns == 1:
            return EDIT.format("W = 1.0", "W = 2.0")
        last = main.splitlines()[-1]
        if drawn < 0.35 and "Z / " in last:
            return EDIT.format(last, last.replace("Z / ", "Z / V / "))
        if drawn < 0.5 and UNUSED in main:
            return EDIT.format(UNUSED, "")
        return move_a_number(shown)


def height(files, seed: int) -> float | None:
    space: dict = {}
    try:
        exec(files["main.py"], space)
        return -sum((value - 0.5) ** 2 for value in space["point"]())
    except (ArithmeticError, NameError, TypeError, ValueError):
        return None


def script(policy: str, **more) -> Script:
    fields = {
        "search": SearchConfig(policy=policy, operators=("tune", "ast_edit", "crossover")),
        "llm": MODELS, "budget": BudgetConfig(evaluations=60), "slots": 1,
        "provider": Scripted(Answers(), prices_from="anthropic"), "contract": plain_contract(("main.py",)),
    } | more  # fmt: skip
    return Script(seed_files=SEED_FILES, answer=scored(height), **fields)


def trajectory(records: Iterable[Record]) -> str:
    """One line a decision, call and outcome."""
    lines = []
    for record in records:
        match record:
            case ProposeIssued(attempt, _, arm, parents, _, inspirations, propensity):
                who = " ".join(part for part in (arm.operator, arm.model, arm.format) if part)
                lines.append(f"{attempt.ticket} {who} of {','.join(parents)} p={propensity:.6f} with {','.join(inspirations)}")
            case CallSettled(attempt, call, outcome, usd, tokens_in, tokens_out):
                lines.append(f"{attempt.ticket} call {call} {outcome} ${usd:.9f} {tokens_in}+{tokens_out}")
            case Proposed(attempt, _, status, candidate):
                more = candidate.id if candidate else record.outcome
                lines.append(f"{attempt.ticket} {status} {more}".rstrip())
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("policy", ["map_elites", "one_plus_one"])
def test_the_trajectory_with_models_is_the_golden_one_twice(tmp_path, policy):
    found = []
    for name in ("first", "second"):
        with Harness(script(policy), tmp_path / name) as run:
            run.drive()
        found.append(trajectory(records_of(tmp_path / name)))
    assert found[0] == found[1]
    golden = GOLDEN / f"models_{policy}.txt"
    assert found[0] == golden.read_text()


def test_the_golden_trajectory_has_everything_in_it():
    """Else it would guard less than it seems to."""
    text = (GOLDEN / "models_map_elites.txt").read_text()
    words = ["llm_mutate", "llm_crossover", "llm_simplify", "llm_repair", "llm_paradigm", "big", "ast_edit", "child"]
    for word in (*words, "invalid empty", "call 2"):
        assert word in text, word
