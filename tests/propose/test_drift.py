"""What is said of a change beside the change: drift is named where it is plain, and let pass where it may be meant otherwise."""

from __future__ import annotations

import time

import pytest
from model_answers import model_answers

from evolve.propose._drift import drift
from evolve.propose.prompts._statement import parse_rationale

BEFORE = {
    "train.py": """
import math

LEARNING_RATE = 0.01
WARMUP = 10
BATCH_SIZE = 32


class Block:
    def __init__(self, width):
        self.width = width
        self.scale = 1.0

    def forward(self, x):
        return x * self.scale


def schedule(step):
    return LEARNING_RATE * min(1.0, step / WARMUP)


def loss_of(x):
    return math.sqrt(x)
""",
    "data.py": "def load(split):\n    return split\n",
}


def changed(old: str, new: str, path: str = "train.py") -> dict[str, str]:
    assert old in BEFORE[path]
    return BEFORE | {path: BEFORE[path].replace(old, new)}


NUMBER = changed("BATCH_SIZE = 32", "BATCH_SIZE = 64")
STRUCTURE = changed("return math.sqrt(x)", "return math.sqrt(x) + x * x")


@pytest.mark.parametrize(("after", "words", "found"), [
    (NUMBER, {"summary": "Raise `LEARNING_RATE`"}, "LEARNING_RATE, and the change touches none of it (it touches BATCH_SIZE)"),
    (NUMBER, {"summary": "raise LEARNING_RATE a little"}, "names LEARNING_RATE"),
    (NUMBER, {"summary": "faster", "hypothesis": "Lowering `WARMUP` helps."}, "names WARMUP"),
    (NUMBER, {"summary": "faster", "plan": "1. rewrite schedule()\n2. measure"}, "names schedule"),
    (STRUCTURE, {"summary": "rewrite `Block.forward`"}, "names Block.forward"),
    (STRUCTURE, {"summary": "cache what data.py loads"}, "names data.py"),
    (STRUCTURE, {"summary": "introduce `ema_decay`"}, "names ema_decay"),
    (NUMBER, {"summary": "Add momentum to the update"}, "says “Add momentum to the update”, and only numbers changed (BATCH_SIZE)"),
    (NUMBER, {"summary": "a new optimiser"}, "says “a new optimiser”"),
    (NUMBER, {"summary": "Replace attention by convolution.", "plan": "convolve"}, "only numbers changed"),
])  # fmt: skip
def test_drift_is_named(after, words, found):
    assert found in drift(BEFORE, after, **{"summary": "", **words})


@pytest.mark.parametrize(("after", "words"), [
    (NUMBER, {"summary": "Raise `BATCH_SIZE`"}),
    (NUMBER, {"summary": "raise `batch_size` and keep `LEARNING_RATE`"}),
    (NUMBER, {"summary": "train.py: larger batches"}),
    (NUMBER, {"summary": "larger batches; `LEARNING_RATE` is left as it is"}),
    (NUMBER, {"summary": "larger batches", "hypothesis": "Gradients are noisy because `LEARNING_RATE` is high."}),
    (NUMBER, {"summary": "larger batches", "hypothesis": "`loss_of` shows that noise dominates."}),
    (NUMBER, {"summary": "bigger `bs`"}),  # which may be short for something
    (NUMBER, {"summary": "Replace 32 by 64"}),
    (NUMBER, {"summary": "a new value for the batch"}),
    (NUMBER, {"summary": "Remove half of the steps"}),
    (NUMBER, {"summary": "Add more rows to each batch"}),
    (NUMBER, {"summary": "introduce larger batches"}),  # batch is what the line is about
    (changed("WARMUP = 10", "WARMUP = 100"), {"summary": "Add a warmup phase"}),
    (STRUCTURE, {"summary": "add a term to `loss_of`"}),
    (STRUCTURE, {"summary": "Add a square"}),
    (STRUCTURE, {"summary": "In `train.py` the loss grows faster", "plan": "then look at `Block`"}),
    (changed("        self.scale = 1.0", "        self.scale = 0.5"), {"summary": "smaller steps in `Block`"}),
    (changed("return split", "return split[::-1]", "data.py"), {"summary": "reverse the data in `load`"}),
    (BEFORE | {"new.py": "X = 1\n"}, {"summary": "add `new.py`"}),
    (BEFORE, {"summary": "`LEARNING_RATE`"}),  # nothing changed: that is said elsewhere
    (NUMBER, {"summary": ""}),
    (NUMBER, {"summary": "a new optimum lies there", "hypothesis": "a new optimum lies there, I believe"}),
])  # fmt: skip
def test_what_may_be_meant_otherwise_passes(after, words):
    assert drift(BEFORE, after, **words) == ""


def test_hostile_words_and_programs_cost_no_more_than_they_are_long():
    words = {"summary": "`" * 5000 + "add " * 5000, "hypothesis": "a." * 50_000, "plan": "_a" * 50_000}
    programs = [{"a.py": "x = " + "(" * 100_000 + "\n" * 1000}, {"a.py": "".join(f"x{i}\n" for i in range(1900)) + "9" * 100_000}]
    began = time.process_time()
    drift(programs[0], programs[1], **words)
    assert time.process_time() - began < 2.0
    assert drift({"a.py": "x\n" * 3000}, {"a.py": "y\n" * 3000}, summary="`zebra`") == ""  # too long to be compared


def test_what_is_found_is_one_clean_line():
    found = drift({"a.py": "LR = 1\nB = 2\n"}, {"a.py": "LR = 1\nB = 3\n"}, summary="raise `LR\x1b[31m|\u202e`\n# no")
    assert found.startswith("names LR|, and")
    assert found.isprintable()


def stated():
    """Answers in the manner of models that state something and lead to another program, with what they state."""
    found = [(answer, parse_rationale(answer.text)) for answer in model_answers() if answer.children]
    return [(answer, said) for answer, said in found if said.summary and dict(answer.children[0]) != dict(answer.parent)]


def named(parent, child, said) -> bool:
    return bool(drift(parent, child, summary=said.summary, hypothesis=said.hypothesis, plan=said.plan))


def test_no_statement_in_the_manner_of_models_is_said_to_differ_from_its_own_change():
    found = stated()
    assert len(found) > 100
    assert [answer.name for answer, said in found if named(answer.parent, answer.children[0], said)] == []


def test_some_statements_beside_another_change_of_the_same_program_are():
    """Few, for most of them name nothing."""
    others = [one for one in model_answers() if one.children and dict(one.children[0]) != dict(one.parent)]
    pairs = [
        named(answer.parent, other.children[0], said)
        for answer, said in stated()
        for other in others
        if dict(other.parent) == dict(answer.parent) and dict(other.children[0]) != dict(answer.children[0])
    ]
    print(f"{sum(pairs)} of {len(pairs)}")
    assert sum(pairs) > 0.02 * len(pairs)
