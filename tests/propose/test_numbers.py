"""Numbers in configuration and C-like code: which are found, and that changing them changes nothing else."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence

import numpy as np
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archive import ProposalStatus, TunerSample
from evolve.propose import AstEdit, ConstantTuner, Crossover, EditScope, ProposalTask
from evolve.propose.mutate._literals import find, literals_of
from evolve.propose.mutate._numbers import LiteralSite

SCOPE = EditScope(("*",), may_add_files=False, max_bytes=1 << 16)

FOUND = {
    "a.json": (
        '{"lr": 0.003, "steps": 500, "name": "v1.5", "seed": 17, "on": 1, "nested": {"beta": -2.5e-3},\n "w": [0.5, -1.0, 2, 0]}',
        {"lr": 0.003, "steps": 500, "beta": -2.5e-3, "w": 0.5, "w/1": -1.0, "w/2": 2, "w/3": 0},
    ),
    "a.toml": (
        "day = 2024-11-02\nat = 07:32:15\nmask = 0x1F\nbig = 1_000\nlr = 3e-4 # was 0.5\n[part]\n"
        "sizes = [3, 5, 7]\nnote = 'use 3'\n",
        {"lr": 3e-4, "sizes": 3, "sizes/1": 5, "sizes/2": 7},
    ),
    "a.yaml": (
        "lr: 0.01\nsteps: 300   # many\nnote: use 3 layers of 5\ntime: 10:30:15\nday: 2024-11-02\nlist:\n  - 2.5\n"
        "  - -7\nver: 1.2.3\nflow: {a: 4, b: [1.5, 2.5, 3]}\n17: key\n",
        {"lr": 0.01, "steps": 300, "list": 2.5, "list/1": -7, "a": 4, "b": 1.5, "b/1": 2.5, "b/2": 3},
    ),
    "a.ini": ("[s]\nrate = 0.25\n; rate2 = 3\nname = run 5\n", {"rate": 0.25}),
    "a.c": (
        '#include "x.h"\n#if N > 3\n#define ALPHA 0.5f\n#pragma unroll 6\nstatic const float w[3] = {1.5f, -2.5f, 3.0f};\n'
        "int f(int a) { /* 7.5 */ return a - 9 + w[2] * -1.25e-3 + 0x1F + 010; } // 8.5\n"
        'unsigned long k = 12UL;\nchar *s = "4.5";\n',
        {"ALPHA": 0.5, "unroll": 6, "w": 1.5, "w/1": -2.5, "w/2": 3.0, "a": 9, "w/3": 1.25e-3, "k": 12},
    ),
    "a.rs": ("fn f(x: f64) -> f64 { x * 2.5_f64 + 7f64 }\nfn g<'a>(s: &'a str) -> u8 { 9u8 }\n", {"x": 2.5, "x/1": 7, "u8": 9}),
    "a.txt": ("lr = 0.5\n", {}),
}


@pytest.mark.parametrize("path", FOUND)
def test_the_numbers_that_are_found(path: str) -> None:
    text, expected = FOUND[path]
    found = {item.path.removesuffix("/0"): item.value for item in find(path, text)}
    assert found == expected
    for item in find(path, text):
        assert float(text[item.start : item.end].replace(" ", "")) == item.value
        assert text.count("\n", 0, item.start) + 1 == item.line


def test_a_list_of_numbers_is_one_group_and_a_call_is_none() -> None:
    found = find("a.c", "float w[] = {{1.5f, 2.5f}, {3.5f, 4.5f}}; g(5.5, 6.5, 7.5);")
    assert [item.group == found[0].group for item in found] == [True] * 4 + [False] * 3


def test_comments_bound_a_number() -> None:
    files = {"a.c": "float a = 0.5f; // tune: 0.1..0.9\nfloat b = 2.5f; /* tune: off */\n", "b.yaml": "c: 3.5  # tune: 1..9 log\n"}
    assert [(one.path, one.low, one.high, one.scale) for one in literals_of(files)] == [
        ("a.c::a/0", 0.1, 0.9, "linear"),
        ("b.yaml::c/0", 1.0, 9.0, "log"),
    ]


def test_a_one_or_zero_is_a_number_where_it_is_plainly_a_parameter_or_a_comment_says_so() -> None:
    files = {
        "a.json": '{"amplitude": 1.0, "phase": 0.0, "n": 1, "pair": [0.0, 1.0]}',
        "b.yaml": "a: -1.0\non: 1\nk: 1  # tune: 1..8\n",
        "c.c": "#define ALPHA 1.0f\nstatic const double phase = 0.0;\nint k = 1; // tune: 0..3\nint n = 1;\n"
        "double f(double x) {\n    double sum = 0.0, one = 1.0;\n    if (x == 1.0 || x <= 0.0) return 1.0;\n"
        "    for (int i = 0; i < 3; i++) sum += one / (x - 1.0);\n    return sum + 1.0;\n}\n",
    }
    assert [one.path for one in literals_of(files)] == [
        *("a.json::amplitude/0", "a.json::phase/0", "a.json::pair/0", "a.json::pair/1", "b.yaml::a/0", "b.yaml::k/0"),
        *("c.c::ALPHA/0", "c.c::phase/0", "c.c::k/0", "c.c::one/0", "c.c::i/1"),
    ]


def test_markers_bound_what_may_change() -> None:
    text = "a = 1.5;\n// EVOLVE-BLOCK-START\nb = 2.5;\n// EVOLVE-BLOCK-END\nc = 3.5;\n"
    assert [item.value for item in find("a.js", text)] == [2.5]


READ = {
    "a.json": json.loads,
    "a.toml": tomllib.loads,
    "a.yaml": lambda text: yaml.safe_load(text),
}


def outline(path: str, text: str, numbers: Sequence[LiteralSite]) -> list[str]:
    """What stands around the numbers."""
    edges = [0, *(edge for item in numbers for edge in (item.start, item.end)), len(text)]
    return [text[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2)]


@settings(max_examples=60, deadline=None)
@given(path=st.sampled_from(sorted(READ)), data=st.data())
def test_what_the_tuner_writes_reads_back_exactly(path: str, data: st.DataObject) -> None:
    text = FOUND[path][0]
    literals = literals_of({path: text})
    drawn = tuple(data.draw(st.floats(one.low, one.high).filter(lambda value: abs(value) not in (0.0, 1.0))) for one in literals)
    values = tuple(float(round(value)) if one.kind == "int" else value for one, value in zip(literals, drawn, strict=True))
    assume(1.0 not in values)
    sample = TunerSample(0, 0, (0.0,) * len(values), values)
    child = ConstantTuner().propose(ProposalTask(({path: text},), (), SCOPE, sample, literals), np.random.default_rng(0))
    assert child.status is ProposalStatus.CHILD
    assert child.files is not None
    after = child.files[path]
    found = find(path, after)
    assert outline(path, after, found) == outline(path, text, find(path, text))
    named = {f"{path}::{item.path}": item.value for item in found}
    assert all(named[one.path] == value for one, value in zip(literals, values, strict=True))
    assert [type(leaf) is str for leaf in leaves(READ[path](text))] == [type(leaf) is str for leaf in leaves(READ[path](after))]


def leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in leaves(one)]
    return [leaf for one in value for leaf in leaves(one)] if isinstance(value, list) else [value]


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from("1.5e-,:[]{}()'\"#/*\\ \naé=_fx"), max_size=60), path=st.sampled_from(sorted(FOUND)))
def test_no_text_breaks_it(text: str, path: str) -> None:
    for item in find(path, text):
        assert float(text[item.start : item.end].replace(" ", "").replace("\t", "")) == item.value


@pytest.mark.parametrize("path", ["a.json", "a.toml", "a.yaml", "a.c", "a.rs"])
def test_edits_and_crossover_move_numbers_alone(path: str) -> None:
    def around(text: str) -> str:
        return re.sub(r"-?\d[\d.]*(?:e[-+]?\d+)?", "#", text)

    text = FOUND[path][0]
    first, second = (
        AstEdit().propose(ProposalTask(({path: text},), (), SCOPE), np.random.default_rng(seed)).files for seed in (1, 2)
    )
    assert first is not None
    assert second is not None
    assert {path: text} not in (first, second)
    mixed = [Crossover().propose(ProposalTask((first, second), (), SCOPE), np.random.default_rng(seed)).files for seed in range(8)]
    for child in (first, second, *(child for child in mixed if child is not None)):
        assert around(child[path]) == around(text)
