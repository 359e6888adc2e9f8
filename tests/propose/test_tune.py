"""The tuner's text side: which numbers it finds, under which names, and that writing them changes nothing else."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from propose_sources import HOSTILE, STDLIB, TRAIN

from archive import Literal, ProposalStatus, TunerSample
from evolve.propose import ConstantTuner, EditScope, Files, Proposal, ProposalTask, canonical_hash
from evolve.propose.mutate._literals import MAX_LITERALS, find
from evolve.select import open_tuner

SCOPE = EditScope(("*.py",), may_add_files=False, max_bytes=1 << 20)
RNG = np.random.Generator(np.random.Philox(0))


def opened(text: str) -> tuple[Literal, ...]:
    return ConstantTuner().propose(ProposalTask(({"a.py": text},), (), SCOPE), RNG).literals


def names(text: str) -> list[str]:
    return [literal.path.removeprefix("a.py::") for literal in opened(text)]


def sampled(files: Files, literals: tuple[Literal, ...], values: list[float]) -> Proposal:
    sample = TunerSample(1, 0, (0.0,) * len(values), tuple(values))
    return ConstantTuner().propose(ProposalTask((files,), (), SCOPE, sample, literals), RNG)


def test_what_is_found_in_a_training_script() -> None:
    assert names(TRAIN) == [
        "DEPTH/0", "matrix_lr/0", "CFG/'wd':/0", "norm/eps=/0", "norm/return/pow/0", "Model.forward/return/0",
        "Model.forward/return/tanh/0", "lr_at/warmup=/0", "lr_at/return/0", "train/steps=/0", "train/opt/AdamW/betas=/0",
        "train/opt/AdamW/betas=/1", "train/opt/AdamW/weight_decay=/0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "x = y[3]\n", "x = y[2:5]\n", "x = zeros((26, 2))\n", "x = y.reshape(4, 7)\n", "x = y.mean(axis=2)\n", "x = y ** 2\n",
        "x = rng.random((n, 2))\n",
        "x = 1\n", "x = -1\n", "x = 0\n", "x = True\n", "seed = 42\n", "x = default_rng(1234)\n", "torch.manual_seed(7)\n",
        "def f(seed=5): pass\n", "c = {'seed': 5}\n", "x = f(random_seed=9)\n", "x = f'{2.5:.3f}'\n", "x = '2.5'\n", "x = 2j\n",
        "x = 1e999\n", "x = 2.5  # tune: off\n", "x: int\n", "# x = 2.5\n", "x = 64\n", "x = 1e-10\n", '"""2.5"""\n',
    ],
)  # fmt: skip
def test_what_is_left_alone(text: str) -> None:
    assert names(text) == []


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("x = 0.02\n", ("x/0", 0.02, "float", "log")),
        ("x = -2.5\n", ("x/0", -2.5, "float", "linear")),
        ("x = - 2.5\n", ("x/0", -2.5, "float", "linear")),
        ("x = 0.95\n", ("x/0", 0.95, "float", "linear")),
        ("x = 4\n", ("x/0", 4.0, "int", "linear")),
        ("x = 2_000\n", ("x/0", 2000.0, "int", "log")),
        ("x = 0x14\n", ("x/0", 20.0, "int", "log")),
        ("self.x.y = 3.5\n", ("self.x.y/0", 3.5, "float", "log")),
        ("x += y * 3.5\n", ("x/0", 3.5, "float", "log")),
        ("x['lr'] = 3.5\n", ("x['lr']/0", 3.5, "float", "log")),
        ("for i in range(20): pass\n", ("for/range/0", 20.0, "int", "log")),
        ("class A:\n  def f(self):\n    return max(3.5, x)\n", ("A.f/return/max/0", 3.5, "float", "log")),
        ("x = [a * 2.5 for a in b]\n", ("x/0", 2.5, "float", "log")),
        ("x = normal(0, 0.02, (3, 4))\n", ("x/normal/0", 0.02, "float", "log")),
    ],
)
def test_names_kinds_and_scales(text: str, literal: tuple[str, float, str, str]) -> None:
    (found,) = opened(text)
    assert (found.path.removeprefix("a.py::"), found.value, found.kind, found.scale) == literal
    assert found.low < found.value < found.high


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("AMPLITUDE = 1.0\nPHASE = 0.0\nSIGN = -1.0\n", {"AMPLITUDE/0": 1.0, "PHASE/0": 0.0, "SIGN/0": -1.0}),
        ("def f(x):\n    gain: float = 1.0\n    return gain * x\n", {"f/gain/0": 1.0}),
        (
            "class A:\n    rate = 1.0\n    def __init__(self):\n        self.a.b = 0.0\n",
            {"A/rate/0": 1.0, "A.__init__/self.a.b/0": 0.0},
        ),
        ("a, (b, c) = 1.0, (0.0, 2.5)\n", {"a,b,c/0": 1.0, "a,b,c/1": 0.0, "a,b,c/2": 2.5}),
        ("PAIR = [1.0, 0.0]\nBY = {'low': -1.0, 'n': 1}\n", {"PAIR/0": 1.0, "PAIR/1": 0.0, "BY/'low':/0": -1.0}),
        ("def f(x, gain=1.0, *, bias=0.0):\n    return x\n", {"f/gain=/0": 1.0, "f/bias=/0": 0.0}),
        ("y = f(1.0, std=1.0)\n", {"y/f/std=/0": 1.0}),
    ],
)
def test_a_one_or_zero_that_is_plainly_a_parameter_is_a_number_like_others(text: str, found: dict[str, float]) -> None:
    assert {literal.path.removeprefix("a.py::"): literal.value for literal in opened(text)} == found


@pytest.mark.parametrize(
    "text",
    [
        "x = y + 1.0\n", "x = 1.0 / n\n", "x = y ** 1.0\n", "x = y > 0.0\n", "x = f(1.0, 0.0)\n",
        "def f(x):\n    return 1.0\n", "if x < 1.0:\n    pass\n", "for x in (0.0, 1.0):\n    pass\n", "x[0] = 1.0\n", "x += 1.0\n",
        "x = [y, 1.0]\n", "x = 1.0 if y else 0.0\n", "BY = {'n': 1, 'on': 0}\n", "def f(n=1):\n    return n\n", "y = f(k=0)\n",
        "def f(xs):\n    total = 0.0\n    for x in xs:\n        total += x\n    return total\n",
        "def f(xs):\n    best = 0.0\n    for x in xs:\n        best = max(best, x)\n    return best\n",
        "N = 0.0\ndef f():\n    global N\n    N += len(x)\n",
        "class A:\n    def __init__(self):\n        self.n = 0.0\n    def f(self):\n        self.n += len(x)\n",
    ],
)  # fmt: skip
def test_a_one_or_zero_that_is_a_part_of_the_program_is_left_alone(text: str) -> None:
    assert names(text) == []


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("x = 1  # tune: 1..8", [1.0]),
        ("x = 0.0  # tune: 0.1..5", [0.1]),
        ("x = -1  # tune: -3..3", [-1.0]),
        ("x = y + 1.0  # tune: 0.1..5", [1.0]),
        ("x = [2, 0, 1, 5]  # tune: 0..9", [2.0, 0.0, 1.0, 5.0]),
        ("x = 0.5 * (1 - y)  # tune: 0.1..0.9", [0.5]),  # the 1 is not meant
        ("x = 1.0  # tune: off", []),
    ],
)
def test_a_one_or_zero_with_a_comment_is_a_number_like_others(line: str, values: list[float]) -> None:
    assert [literal.value for literal in opened(f"{line}\n")] == values


def test_a_zero_moves_by_the_size_of_the_numbers_beside_it() -> None:
    def zero(text: str) -> list[tuple[float, float, float]]:
        return [(one.step, one.low, one.high) for one in opened(text) if one.value == 0]

    assert zero("x = 0.0\n") == [(0.3, -100.0, 100.0)]
    assert zero("x = 0.0\na = 300.0\nb = -20.0\nc = 0.5\n") == [(6.0, -2000.0, 2000.0)]
    assert opened("x = 1.0\n")[0].step == opened("x = 2.5\n")[0].step


def test_a_list_of_numbers_shares_a_scale_from_its_spread() -> None:
    literals = opened("pts = [\n    (0.0, 0.5),\n    (1, -1.0),\n]\n")
    assert [literal.value for literal in literals] == [0.0, 0.5, 1.0, -1.0]
    assert {(literal.kind, literal.scale, literal.step, literal.low, literal.high) for literal in literals} == {
        ("float", "linear", 0.14, -2.0, 2.0)
    }


def test_a_list_of_equal_numbers_moves_by_their_size() -> None:
    assert {(literal.step, literal.low, literal.high) for literal in opened("x = [1.0, 1.0, 1.0]\n")} == {(0.2, -4.0, 6.0)}
    assert {(literal.step, literal.low, literal.high) for literal in opened("x = [0.0, 0.0, 0.0]\n")} == {(0.2, -5.0, 5.0)}


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# tune: 1e-4..1e-1 log", ("log", 1e-4, 1e-1)),
        ("# what for  # tune: 0 .. 3", ("linear", 0.0, 3.0)),
        ("# tune: -5..5 linear  # why", ("linear", -5.0, 5.0)),
    ],
)
def test_a_comment_overrides_the_guess(comment: str, expected: tuple[str, float, float]) -> None:
    (found,) = opened(f"x = 0.02  {comment}\n")
    assert (found.scale, found.low, found.high) == expected


@pytest.mark.parametrize("comment", ["# tune: 5..1", "# tune: -1..1 log", "# tune: 1..nan"])
def test_an_impossible_comment_never_gives_an_impossible_literal(comment: str) -> None:
    for literal in opened(f"x = 0.02  {comment}\ny = 2.5\n"):
        open_tuner([literal])


def test_names_survive_edits_elsewhere() -> None:
    edited = TRAIN.replace("DEPTH = 2  # layers\n", "# new\nWIDTH = 64\nEXTRA = [1.5, 2.5]\n").replace(
        "def lr_at", "def helper(a=3.5):\n    return a * 2.5\n\n\ndef lr_at"
    )
    kept = set(names(TRAIN)) - {"DEPTH/0"}
    assert kept <= set(names(edited))


def test_only_what_lies_between_markers() -> None:
    text = "a = 2.5\n# EVOLVE-BLOCK-START\nb = 3.5\n# EVOLVE-BLOCK-END\nc = 4.5\n"
    assert names(text) == ["b/0"]


def test_only_editable_files_of_a_known_kind() -> None:
    files = {"a.py": "x = 2.5\n", "b.py": "x = 2.5\n", "c.js": "x = 2.5\n", "d.js": "x = 2.5\n", "e.txt": "x = 2.5\n"}
    scope = EditScope(("a.py", "c.js", "e.txt"), may_add_files=False, max_bytes=99)
    proposal = ConstantTuner().propose(ProposalTask((files,), (), scope), RNG)
    assert [literal.path for literal in proposal.literals] == ["a.py::x/0", "c.js::x/0"]
    scope = replace(scope, may_add_files=True, initial=("a.py", "b.py", "c.js", "e.txt"))  # an ancestor added d.js
    proposal = ConstantTuner().propose(ProposalTask((files,), (), scope), RNG)
    assert [literal.path for literal in proposal.literals] == ["a.py::x/0", "c.js::x/0", "d.js::x/0"]
    made = ConstantTuner().propose(
        ProposalTask((files,), (), scope, TunerSample(1, 0, (0.0, 0.0, 1.0), (2.5, 2.5, 3.5)), proposal.literals), RNG
    )
    assert made.files == files | {"d.js": "x = 3.5\n"}


def test_the_largest_groups_come_first_when_there_are_too_many() -> None:
    text = "".join(f"x{i} = {i}.5\n" for i in range(1, 300)) + "pts = [" + ", ".join(f"{i}.25" for i in range(100)) + "]\n"
    literals = opened(text)
    assert len(literals) == MAX_LITERALS
    assert sum("::pts/" in literal.path for literal in literals) == 100


@pytest.mark.parametrize("name", STDLIB)
def test_values_read_back_exactly_and_nothing_else_changes(name: str) -> None:
    text = STDLIB[name]
    literals = opened(text)
    rng = np.random.default_rng(1)
    for _ in range(5 if literals else 0):
        values, _ = open_tuner(literals).sample(rng.standard_normal(len(literals)))
        child = sampled({"a.py": text}, literals, list(values))
        assert child.status is ProposalStatus.CHILD
        assert child.files is not None
        after = child.files["a.py"]
        found = {f"a.py::{item.path}": item for item in find("a.py", after)}
        for literal, value in zip(literals, values, strict=True):
            if (item := found.get(literal.path)) is None:
                assert value in (0.0, 1.0, -1.0)
            else:
                assert ast.literal_eval(after[item.start : item.end]) == value
        around = [text[a:b] for a, b in zip([0, *ends(text)], [*starts(text), len(text)], strict=True)]
        assert re.fullmatch(r"[-+(]*[\d.e_xXa-fA-F+-]+\)?".join(map(re.escape, around)), after)


def starts(text: str) -> list[int]:
    return [item.start for item in find("a.py", text)]


def ends(text: str) -> list[int]:
    return [item.end for item in find("a.py", text)]


@settings(max_examples=200, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False, width=64).filter(lambda v: v == 0 or 1e-300 < abs(v) < 1e300))
def test_any_float_is_written_so_that_it_reads_back(value: float) -> None:
    literals = opened("x = 0.02\n")
    child = sampled({"a.py": "x = 0.02\n"}, literals, [value])
    assert child.files is not None
    assert ast.literal_eval(child.files["a.py"].removeprefix("x = ").strip()) == value


def test_a_negative_value_keeps_the_meaning_of_the_expression() -> None:
    text = "x = 3.0 - 2.5 ** y\n"
    literals = opened(text)
    child = sampled({"a.py": text}, literals, [3.0, -2.0])
    assert child.files == {"a.py": "x = 3.0 - (-2.0) ** y\n"}


@pytest.mark.parametrize(
    ("text", "values", "child"),
    [
        ("GENES = [2, 3, 5, 7]\n", [3.0, 3.0, 4.0, 9.0], "GENES = [3, 3, 4, 9]\n"),
        ("GENES = [2, 0, 5, 1]  # tune: 0..9\n", [3.0, 1.0, 4.0, 0.0], "GENES = [3, 1, 4, 0]  # tune: 0..9\n"),
        ("GENES = [2, 0, 5, 1]\n", [3.0, 4.0], "GENES = [3, 0, 4, 1]\n"),
        ("X = [2, 3.5, 4]\n", [3.0, 3.5, 4.25], "X = [3.0, 3.5, 4.25]\n"),  # of a list with others it is one of them
    ],
)
def test_numbers_of_a_list_stay_of_their_kind(text: str, values: list[float], child: str) -> None:
    literals = opened(text)
    assert len(literals) == len(values)
    assert sampled({"a.py": text}, literals, values).files == {"a.py": child}


def test_integers_are_rounded() -> None:
    text = "n = 20  # steps\n"
    child = sampled({"a.py": text}, opened(text), [31.0])
    assert child.files == {"a.py": "n = 31  # steps\n"}
    assert child.summary == "1 literal, most: n 20 -> 31 (1.5 steps)"


def test_the_parents_own_values_give_the_parent() -> None:
    literals = opened(TRAIN)
    child = sampled({"a.py": TRAIN}, literals, [literal.value for literal in literals])
    assert child.files == {"a.py": TRAIN}


def test_what_cannot_be_done_is_said() -> None:
    literals = opened("x = 0.02\ny = 3.5\n")
    assert sampled({"a.py": "x = 0.02\n"}, literals, [0.1, 0.2]).reason == "the literal a.py::y/0 is no longer in the program."
    assert "2 values" not in sampled({"a.py": "x = 0.02\ny = 3.5\n"}, literals, [0.1, 0.2]).reason
    assert sampled({"a.py": "x = 0.02\n"}, literals, [0.1]).reason == "the sample has 1 values for 2 literals."
    assert sampled({"a.py": "x = 0.02\ny = 3.5\n"}, literals, [0.1, math.inf]).reason == "every value of a sample must be finite."
    assert ConstantTuner().propose(ProposalTask(({"a.py": "x = y\n"},), (), SCOPE), RNG).status is ProposalStatus.INVALID
    assert ConstantTuner().propose(ProposalTask((), (), SCOPE), RNG).status is ProposalStatus.INVALID


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_parents_are_data(name: str) -> None:
    literals = opened(HOSTILE[name])
    if literals:
        open_tuner(literals)
        child = sampled({"a.py": HOSTILE[name]}, literals, [literal.value * 1.5 for literal in literals])
        assert child.status is ProposalStatus.CHILD, child.reason
        assert child.files is not None
        assert canonical_hash(child.files) != canonical_hash({"a.py": HOSTILE[name]})
