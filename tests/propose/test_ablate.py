"""Ablation: every child is its parent without one thing, and lacks no name that anything reads."""

from __future__ import annotations

import ast
import io
import itertools
import re
import tokenize
from collections.abc import Iterable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from propose_sources import BODIES, HOSTILE, STDLIB, TRAIN

from archive import ProposalStatus
from evolve.propose import EditScope, Proposal, ProposalTask, canonical_hash, check_scope
from evolve.propose._python import apply_edits
from evolve.propose._registry import make_operator
from evolve.propose.mutate._ablate import candidates, missed
from evolve.propose.mutate._defined import undefined
from evolve.propose.mutate._drafts import rejection_reason
from evolve.propose.mutate._removals import KINDS, removals

SCOPE = EditScope(("*.py",), may_add_files=False, max_bytes=1 << 20)
TAIL = "# EVOLVE-BLOCK-END\nlimit = 2.5  # out\n\n\ndef main(a=1, b=2):\n    a = a + b\n    return limit * a\n"
MARKED = f"import os  # out\n# EVOLVE-BLOCK-START\n{TRAIN}{TAIL}"
LAYOUT = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER)


def ablated(files: Mapping[str, str], seed: int, scope: EditScope = SCOPE) -> Proposal:
    rng = np.random.Generator(np.random.Philox(seed))
    return make_operator("ablate").propose(ProposalTask((files,), (), scope), rng)


def every(files: Mapping[str, str], scope: EditScope = SCOPE) -> list[tuple[str, str, str]]:
    """All that can go: its kind, its words, and the child's text of that file."""
    found = []
    for path, one in candidates(files, scope):
        child = {**files, path: apply_edits(files[path], one.edits)}
        if not rejection_reason(files, child, scope) and not missed(files, child, path, one, scope):
            found.append((one.kind, one.text, child[path]))
    return found


def body(*lines: str, head: str = "def f(x, y=1):") -> str:
    return head + "\n" + "".join(f"    {line}\n" for line in lines)


def words(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return ["if" if one.string == "elif" else one.string for one in tokens if one.type not in LAYOUT]


def is_part_of(part: Iterable[str], whole: Iterable[str]) -> bool:
    left = iter(whole)
    return all(word in left for word in part)


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(STDLIB)), seed=st.integers(0, 1 << 32))
def test_children_of_real_programs_hold_nothing_new_and_need_nothing_more(name: str, seed: int) -> None:
    parent = {"a.py": STDLIB[name]}
    made = ablated(parent, seed)
    assert made == ablated(parent, seed)
    if made.status is not ProposalStatus.CHILD:
        assert made.reason.endswith(".")
        return
    assert made.files is not None
    child = made.files["a.py"]
    assert undefined(child) <= undefined(STDLIB[name])
    assert canonical_hash({"a.py": child}) != canonical_hash(parent)
    assert check_scope(parent, made.files, SCOPE) == ""
    assert len(words(child)) < len(words(STDLIB[name]))
    assert is_part_of(words(child), words(STDLIB[name]))
    assert made.summary.startswith("took out the ")
    assert "\n" not in made.summary


@pytest.mark.parametrize("name", ["heapq.py", "shlex.py", "textwrap.py"])
def test_every_removal_leaves_a_program(name: str) -> None:
    whole = words(STDLIB[name])
    for one in removals(STDLIB[name])[::3]:
        child = apply_edits(STDLIB[name], one.edits)
        ast.parse(child)
        assert is_part_of(words(child), whole)


def test_most_draws_give_a_child_and_every_kind_is_drawn() -> None:
    text = TRAIN + "\n\ndef again():\n    return norm(2.0, 0.1) if DEPTH > 1 else 0.0\n"
    made = [ablated({"a.py": text}, seed) for seed in range(60)]
    assert all(one.status is ProposalStatus.CHILD for one in made)
    assert {one.summary.split()[3] for one in made} == set(KINDS)


@pytest.mark.parametrize(
    ("lines", "goes", "stays"),
    [
        (["x = x + 1", "return x"], {"x = x + 1"}, set()),
        (["z = 1", "return z"], set(), {"z = 1"}),
        (["z = 1", "if x:", "    z = 2", "return z"], {"if x: z = 2"}, {"z = 1", "z = 2"}),
        (["z = 1", "z = x", "return z"], {"z = 1", "z = x"}, set()),
        (["if x:", "    z = 1", "if not x:", "    z = 2", "return z"], set(), {"if x: z = 1", "if not x: z = 2"}),
        (["if x:", "    z = 1", "if not x:", "    return 0", "return z"], set(), {"if not x: return 0"}),
        (["if not x:", "    return 0", "return x"], {"if not x: return 0"}, {"return x", "return 0"}),
        (["while True:", "    x += 1", "    if x > 9:", "        break", "return x"], {"x += 1", "if x > 9: break"}, {"break"}),
        (["for i in x:", "    y += i", "return y"], {"for i in x: y += i"}, {"y += i"}),
        (["import math", "return math.pi * x"], set(), {"import math"}),
        (["import math", "return x"], {"import math"}, set()),
        (["x += 1", "return x and z"], set(), {"x += 1"}),
        (["global g", "g = 1", "return x"], {"g = 1"}, {"global g"}),
        (["yield x", "y = yield", "return y"], set(), {"yield x", "y = yield"}),
    ],
)
def test_which_statements_can_go(lines: list[str], goes: set[str], stays: set[str]) -> None:
    found = {text for kind, text, _ in every({"a.py": body(*lines)}) if kind == "statement"}
    assert goes <= found
    assert not stays & found


def undefined_in(source: str) -> set[str]:
    """The names that a function runs into on some way through it; "" where it fails otherwise."""
    found = set()
    code = compile(source, "x", "exec")
    for ways in itertools.product((False, True), repeat=5):
        left = list(ways) * 2
        space = {"t": left.pop}
        exec(code, space)
        try:
            space["f"](0)
        except NameError as error:
            found.update(re.findall(r"'(\w+)'", str(error)))
        except (TypeError, RecursionError):
            found.add("")
        except (KeyError, IndexError):
            pass  # it raised it itself, or asked for too many ways
    return found


@settings(max_examples=100, deadline=None)
@given(BODIES)
def test_what_runs_without_a_part_runs_into_no_undefined_name(lines: str) -> None:
    source = f"def f(a, b=0):\n{lines}\n"
    if not undefined_in(source):
        for kind, text, child in every({"a.py": source}):
            assert undefined_in(child) <= {""}, (kind, text, child)


BRANCHES = body("if x:", "    a = 1  # one", "elif y:", "    a = 2", "    # two", "else:", "    a = 3", "return a")


def test_every_arm_of_an_if_can_go() -> None:
    children = {ast.unparse(ast.parse(child)) for kind, _, child in every({"a.py": BRANCHES}) if kind == "branch"}
    wanted = [
        ("if y:", "    a = 2", "else:", "    a = 3", "return a"),
        ("if x:", "    a = 1", "else:", "    a = 3", "return a"),
        ("a = 1", "return a"),
    ]
    assert children == {ast.unparse(ast.parse(body(*one))) for one in wanted}


def test_an_arm_that_stays_moves_to_the_left_with_its_comments() -> None:
    text = body("if x:  # whether", "    # first", "    y = (x +", "  1)", "", "    y = 2  # second", "return y")
    assert body("# first", "y = (x +", "  1)", "", "y = 2  # second", "return y") in [
        child for _, _, child in every({"a.py": text})
    ]
    kept = body("if x:", '    y = """', '    a"""', "return y")
    assert not [text for kind, text, _ in every({"a.py": kept}) if kind == "branch"]  # the string would be another one


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("a + b * c", {"a", "b * c", "a + b", "a + c"}),
        ("(a + b) * c * d", {"(a + b) * c", "(a + b) * d", "c * d", "(a) * c * d", "(b) * c * d", "d"}),
        ("a - (b - c)", {"a", "a - (b)"}),
        ("a ** -b", {"a", "a ** b"}),
        ("a and b and (c or d)", {"b and (c or d)", "a and (c or d)", "a and b", "a and b and (c)", "a and b and (d)"}),
        ("a if b else c + d", {"a", "c + d", "a if b else c", "a if b else d"}),
        ("not (a or b)", {"(a or b)", "not (a)", "not (b)"}),
        ("(a +\n     b)", {"(a)", "(b)"}),
        ("(a +  # why\n     b)", set()),
        ("-1", set()),
        ("print(a, b, sep=c)", {"print(a, b)"}),
        ("h(a, b, k=c, l=d)", {"h(a, b, l=d)", "h(a, k=c, l=d)"}),
        ("h(*a)", set()),
        ("(a)or b", {"(a)", " b"}),
    ],
)
def test_terms_branches_and_arguments_of_an_expression(expression: str, wanted: set[str]) -> None:
    text = f"def h(p, q=1, *, k=2, l):\n    return p\ndef f(a, b, c, d):\n    return {expression}\n"
    at = text.index(expression)
    found = {child[at:].strip() for kind, _, child in every({"a.py": text}) if kind != "statement"}
    assert found == {one.strip() for one in wanted}


def test_what_the_evaluator_or_another_file_asks_for_stays() -> None:
    functions = "".join(f"\n\ndef {name}():\n    return 1\n" for name in ("used", "pack", "spare"))
    text = f"import os\nLIMIT = 3\n_OWN = 4\n{functions}"
    files = {"a.py": text, "b.py": "import a\nprint(a.used())\n"}
    said = EditScope(("a.py",), may_add_files=False, max_bytes=1 << 20, entries=("a.py:pack",))
    assert {text.split("(")[0] for _, text, _ in every(files, said)} == {"import os", "_OWN = 4", "def spare"}
    unsaid = EditScope(("a.py",), may_add_files=False, max_bytes=1 << 20)
    assert {text for _, text, _ in every(files, unsaid)} == {"import os", "_OWN = 4"}


def test_attributes_and_methods_that_something_reads_stay() -> None:
    text = (
        "class A:\n    size = 3\n\n    def __init__(self):\n        self.x = 1\n        self.y = 2\n        self.x += 1\n\n"
        "    def used(self):\n        return self.x\n\n    def spare(self):\n        return 0\n\n\nA().used()\n"
    )
    found = {text.split("(")[0] for kind, text, _ in every({"a.py": text}) if kind == "statement"}
    assert found == {"self.y = 2", "self.x += 1", "def spare", "A"}
    derived = text.replace("class A:", "class A(dict):")  # whoever it inherits from may call any of its methods
    assert not [text for _, text, _ in every({"a.py": derived}) if text.startswith("def")]


def test_docstrings_and_what_speaks_to_the_compiler_stay() -> None:
    text = '"""What it is."""\n\nfrom __future__ import annotations\n\n\ndef f(x):\n    """Why."""\n    print(x)\n    return x\n'
    assert {text for _, text, _ in every({"a.py": text})} == {"print(x)"}


@pytest.mark.parametrize("seed", range(40))
def test_text_outside_the_markers_stays(seed: int) -> None:
    made = ablated({"a.py": MARKED}, seed)
    assert made.files is not None
    head, tail = MARKED.split(TRAIN)
    assert made.files["a.py"].startswith(head)
    assert made.files["a.py"].endswith(tail)


def test_one_file_changes_and_only_one_that_may() -> None:
    files = {"a.py": TRAIN, "b.py": TRAIN, "c.cu": "int x = 2 + 3;\n", "fixed.py": TRAIN}
    scope = EditScope(("a.py", "b.py", "c.cu"), may_add_files=False, max_bytes=1 << 20)
    changed = [
        {path for path in files if made[path] != files[path]} for seed in range(20) if (made := ablated(files, seed, scope).files)
    ]
    assert len(changed) == 20
    assert {path for paths in changed for path in paths} == {"a.py", "b.py"}
    assert {len(paths) for paths in changed} == {1}


def test_a_line_that_is_to_be_left_alone_stays() -> None:
    text = body("x = x + 2  # tune: off", "x = x * 3", "return x")
    assert all("# tune: off" in child for _, _, child in every({"a.py": text}))


def test_nothing_to_take_out_is_said() -> None:
    for files in ({"m.txt": "let x = 2.5;"}, {"a.py": "x = (\n"}, {"a.py": "x = 1\n"}, {}):
        made = ablated(files, 0)
        assert made.status is ProposalStatus.INVALID
        assert made.reason.endswith(".")
    assert make_operator("ablate").propose(ProposalTask((), (), SCOPE), np.random.default_rng(0)).status is ProposalStatus.INVALID


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_parents_are_data(name: str) -> None:
    made = ablated({"a.py": HOSTILE[name]}, 0)
    if made.files is not None:
        ast.parse(made.files["a.py"].removeprefix("\ufeff"))
    else:
        assert made.reason


def test_a_source_that_is_too_deep_is_refused() -> None:
    text = "def f(x):\n    x = 2\n    y = " + " + ".join(["x"] * 1500) + "\n    return x\n"
    (one,) = [one for one in removals(text) if one.text == "x = 2"]
    assert "too deeply" in missed({"a.py": text}, {"a.py": apply_edits(text, one.edits)}, "a.py", one, SCOPE)
