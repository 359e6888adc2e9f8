"""Scripted runs that keep a lab journal: by mechanical operators, by a scripted model, on a noisy problem."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from evolve.config._llm import LlmConfig
from evolve.config._schema import BudgetConfig, SearchConfig
from evolve.engine._notebook import NotebookWriter
from evolve.models import ModelReply, ModelRequest, Scripted, TokenUsage
from evolve.testing import Harness, Script, move_a_number, plain_contract, scored
from evolve.testing.models._answering import asked
from evolve.views._run_view import RunView

FILES = {"main.py": "X = 0.25\nY = 0.75\nZ = [1, 2, 3]\n\n\ndef point():\n    return [X, Y]\n"}
MODELS = LlmConfig(provider="anthropic", models=("small",), prices=("*=1/5",), max_concurrency=1)
HOSTILE = "HYPOTHESIS: `Z` is too short | <b>loud</b>\nPLAN: Raise `Z` [x](http://evil.example) \x1b[31m\u202e\n\n"


def height(files, seed: int) -> float | None:
    space: dict = {}
    try:
        exec(files["main.py"], space)
        return -sum((value - 0.5) ** 2 for value in space["point"]())
    except (ArithmeticError, NameError, TypeError, ValueError, KeyError):
        return None


def noisy_height(files, seed: int) -> float | None:
    found = height(files, seed)
    return None if found is None else found + 0.01 * float(np.random.default_rng(seed % 2**32).standard_normal())


class Answers:
    """Moves a number; every third answer says that it does something else."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, request: ModelRequest) -> ModelReply:
        self.n += 1
        turns = ["\n\n".join(b.text for b in m.blocks) for m in request.messages if m.role == "user"]
        shown = asked("\n\n".join(block.text for block in request.system), turns)
        text = move_a_number(replace(shown, text=f"{self.n} {shown.files['main.py']}"))
        if self.n % 3 == 0:
            text = HOSTILE + text.partition("\n\n")[2]
        return ModelReply(text, "end_turn", TokenUsage(input=900, output=len(text)))


def script(**more) -> Script:
    fields = {
        "search": SearchConfig(policy="map_elites", operators=("tune", "ast_edit", "crossover")), "slots": 1,
        "budget": BudgetConfig(evaluations=40), "contract": plain_contract(("main.py",)), "answer": scored(height),
    } | more  # fmt: skip
    return Script(seed_files=FILES, **fields)


def with_models() -> dict:
    """What makes a script ask a model, whose answers begin anew."""
    return {"llm": MODELS, "provider": Scripted(Answers(), prices_from="anthropic")}


NOISY = {"contract": plain_contract(("main.py",), noisy=True), "answer": scored(noisy_height)}


def views_of(run: Harness, status: str, reason: str) -> list[RunView]:
    pairs = zip(run.problems, run.search.states, strict=True)
    return [RunView(run.run, run.script.config, one, state, run.texts, status, reason, 0.0) for one, state in pairs]


def writer(run: Harness, **more) -> NotebookWriter:
    """A writer that is called after each record of a harness."""
    made = NotebookWriter(run.run, partial(views_of, run), "running", **more)
    run.recorder.hooks = (*run.recorder.hooks, made)
    return made


def driven(folder: Path, **more) -> str:
    """The journal of a run that is driven to its end."""
    with Harness(script(**more), folder) as run:
        kept = writer(run)
        why = run.drive()
        run.finish()
        kept.write("done", why)
    return (folder / "journal.md").read_text()
