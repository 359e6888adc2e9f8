"""Functions taken over from another program: their callers can call them, what they need comes along, nothing else changes."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.propose import Crossover, EditScope, ProposalTask
from evolve.propose._python import parse
from evolve.propose.mutate._parts import Along, accepts, fits, parts_of, stands_in

SCOPE = EditScope(("*.py",), may_add_files=False, max_bytes=1 << 20)


def crossed(parent: Mapping[str, str], donor: Mapping[str, str], seeds: int = 60) -> list[dict[str, str]]:
    """All children of sixty draws, each once."""
    found: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for seed in range(seeds):
        rng = np.random.Generator(np.random.Philox(seed))
        made = Crossover().propose(ProposalTask((parent,), (donor,), SCOPE), rng)
        if made.files is not None:
            found[tuple(made.files.items())] = dict(made.files)
    return list(found.values())


def arguments(text: str) -> ast.arguments:
    node = ast.parse(f"def f({text}): pass").body[0]
    assert isinstance(node, ast.FunctionDef)
    return node.args


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [
        ("a, b", "a, b", True),
        ("a, b", "a, b, c=1", True),
        ("a, b", "a, b, *, c=1, **more", True),
        ("a, b", "a, b, c", False),
        ("a, b", "b, a", False),
        ("a, b", "a", False),
        ("a, b=1", "a, b", False),
        ("a, /, b", "x, /, b", True),
        ("a, b", "a, /, b", False),
        ("a, *, b", "a, b=1", True),
        ("a, *, b", "a, *, b, c", False),
        ("*a", "a=1", False),
        ("a, **b", "a, *c, **b", True),
    ],
)
def test_which_signatures_stand_in_for_each_other(old: str, new: str, fits: bool) -> None:
    assert accepts(arguments(old), arguments(new)) is fits


@st.composite
def signatures(draw: st.DrawFn) -> str:
    names = draw(st.permutations("abc"))[: draw(st.integers(0, 3))]
    by_place = draw(st.integers(0, len(names)))
    defaults = draw(st.integers(0, by_place))
    parts = [name if i < by_place - defaults else f"{name}=1" for i, name in enumerate(names[:by_place])]
    if by_place and draw(st.booleans()):
        parts.insert(draw(st.integers(1, by_place)), "/")
    rest = draw(st.booleans())
    if rest or by_place < len(names):
        parts.append("*r" if rest else "*")
    parts += [draw(st.sampled_from((name, f"{name}=1"))) for name in names[by_place:]]
    return ", ".join([*parts, "**k"] if draw(st.booleans()) else parts)


CALLS = [
    (n, dict.fromkeys(names, 0)) for n in range(5) for size in range(4) for names in itertools.combinations("abcz", size)
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(signatures(), signatures())
def test_every_call_of_the_old_one_is_a_call_of_the_new_one(old: str, new: str) -> None:
    if not accepts(arguments(old), arguments(new)):
        return
    was, now = (eval(f"lambda {text}: 0") for text in (old, new))
    for n, named in CALLS:
        try:
            was(*range(n), **named)
        except TypeError:
            continue
        now(*range(n), **named)


@settings(max_examples=300, deadline=None)
@given(signatures(), st.sampled_from(CALLS))
def test_a_call_fits_where_python_takes_it(signature: str, call: tuple[int, Mapping[str, int]]) -> None:
    n, named = call
    given = ", ".join([*map(str, range(n)), *(f"{name}=0" for name in named)])
    node = ast.parse(f"f({given})", mode="eval").body
    assert isinstance(node, ast.Call)
    try:
        eval(f"lambda {signature}: 0")(*range(n), **named)
        takes = True
    except TypeError:
        takes = False
    assert fits(node, arguments(signature)) is takes


def test_of_a_call_with_stars_one_cannot_tell() -> None:
    for text in ("f(*a)", "f(1, **b)"):
        node = ast.parse(text, mode="eval").body
        assert isinstance(node, ast.Call)
        assert fits(node, arguments("x"))


def test_a_class_stands_in_if_it_is_made_alike_and_a_method_if_it_is_called_alike() -> None:
    def body(text: str) -> ast.stmt:
        return ast.parse(text).body[0]

    made = "class A:\n    def __init__(self, a): pass\n"
    assert stands_in(body(made), body(made.replace("(self, a)", "(self, a, b=1)")))
    assert not stands_in(body(made), body(made.replace("(self, a)", "(self)")))
    assert not stands_in(body(made), body("class A:\n    pass\n"))
    assert not stands_in(body("def f(a): pass"), body("@staticmethod\ndef f(a): pass"))
    assert not stands_in(body("def f(a): pass"), body("async def f(a): pass"))


FIRST = '"""First."""\n\n\n# what counts\ndef rank(a, b):\n    return a + b  # mine\n\n\ndef other():\n    return rank(1, 2)\n'
SECOND = (
    'import math\n\nLIMIT = 3.0  # most\n\n\ndef scaled(a):\n    """By the limit."""\n    return math.sqrt(a) * LIMIT\n\n\n'
    "def rank(a, b, c=0):\n    return scaled(a) - b  # theirs\n\n\ndef other():\n    return rank(1, 2) + 1\n"
)


def test_what_a_function_needs_comes_along_with_its_comments_and_the_rest_stays() -> None:
    children = [child["a.py"] for child in crossed({"a.py": FIRST}, {"a.py": SECOND})]
    (whole,) = [child for child in children if "theirs" in child and "+ 1" not in child]
    assert whole == FIRST.replace(
        "# what counts\ndef rank(a, b):\n    return a + b  # mine\n",
        'import math\nLIMIT = 3.0  # most\n\n\ndef scaled(a):\n    """By the limit."""\n    return math.sqrt(a) * LIMIT\n\n\n'
        "# what counts\ndef rank(a, b, c=0):\n    return scaled(a) - b  # theirs\n",
    )
    assert any("theirs" not in child and "+ 1" in child for child in children)
    for child in children:
        exec(compile(child, "a.py", "exec"), space := {})
        space["other"]()


def test_a_function_that_its_callers_cannot_call_comes_with_them_or_not_at_all() -> None:
    parent = "def rank(a, b):\n    return a + b\n\n\ndef first():\n    return rank(1, 2)\n\n\ndef second(x):\n    return x\n"
    donor = parent.replace("rank(a, b)", "rank(a, b, c)").replace("a + b", "a + b + c").replace("rank(1, 2)", "rank(1, 2, 3)")
    donor = donor.replace("return x", "return 2 * x")
    children = {child["a.py"] for child in crossed({"a.py": parent}, {"a.py": donor}, 200)}
    assert children == {parent.replace("return x", "return 2 * x"), donor.replace("return 2 * x", "return x")}
    rng = np.random.Generator(np.random.Philox(0))
    asked_for = EditScope(("*.py",), may_add_files=False, max_bytes=1 << 20, entries=("a.py:rank",))
    task = ProposalTask(({"a.py": parent},), ({"a.py": donor},), asked_for)
    assert {made["a.py"] for _ in range(60) if (made := Crossover().propose(task, rng).files)} == {
        parent.replace("return x", "return 2 * x")
    }


def test_a_name_that_is_local_elsewhere_is_not_known() -> None:
    parent = "def f(a):\n    return a\n\n\ndef g():\n    scale = 2\n    return scale\n"
    donor = "scale = 3\n\n\ndef f(a):\n    return a * scale\n\n\ndef g():\n    return 2\n"
    for child in crossed({"a.py": parent}, {"a.py": donor}):
        exec(compile(child["a.py"], "a.py", "exec"), space := {})
        space["f"](1)


def test_several_parts_of_several_files_at_once() -> None:
    files = {f"{name}.py": "def one(x):\n    return x\n\n\ndef two(x):\n    return 2 * x\n" for name in "ab"}
    donor = {path: text.replace("return x", "return x + 1").replace("2 * x", "2 * x + 1") for path, text in files.items()}
    children = crossed(files, donor)
    changed = [{path for path in files if child[path] != files[path]} for child in children]
    assert {1, 2} == {len(paths) for paths in changed}
    assert donor not in children
    assert max(sum(text.count("+ 1") for text in child.values()) for child in children) == 3


def test_a_method_is_not_taken_without_what_it_reads_of_its_object() -> None:
    parent = "class A:\n    def __init__(self):\n        self.x = 1\n\n    def step(self):\n        return self.x\n"
    donor = parent.replace("self.x = 1", "self.x = 1\n        self.speed = 2").replace("return self.x", "return self.speed")
    assert {child["a.py"] for child in crossed({"a.py": parent}, {"a.py": donor})} == {
        donor.replace("return self.speed", "return self.x")
    }


def test_a_function_that_another_file_would_have_to_bring_is_not_taken() -> None:
    parent = {"a.py": "def f(x):\n    return x\n\n\ndef g(x):\n    return x\n", "b.py": "def h(x):\n    return x\n"}
    donor = {
        "a.py": "from b import k\n\n\ndef f(x):\n    return k(x)\n\n\ndef g(x):\n    return 3\n",
        "b.py": "def h(x):\n    return 2\n\n\ndef k(x):\n    return x\n",
    }
    children = crossed(parent, donor)
    assert children
    assert not [child for child in children if "k(" in child["a.py"]]


def test_what_cannot_come_along_is_said_to_be_missing() -> None:
    mine, theirs = parse("a, b = 1, 2\ndef f(): return a\n"), parse("a, c = 1, 2\ndef f(): return c\n")
    (part,) = [one for one in parts_of(theirs) if one.name == "f"]
    assert mine.tree is not None
    assert theirs.tree is not None
    assert Along(mine.tree, theirs).of(part.node) is None  # it would bring another a along
    assert Along(theirs.tree, theirs).of(part.node) == ()


def test_nothing_is_put_outside_of_the_markers() -> None:
    first, second = (f"x = 1\n# EVOLVE-BLOCK-START\n{text}# EVOLVE-BLOCK-END\ny = 2\n" for text in (FIRST, SECOND))
    children = [child["a.py"] for child in crossed({"a.py": first}, {"a.py": second})]
    assert any("theirs" in child for child in children)
    assert all(child.startswith('x = 1\n# EVOLVE-BLOCK-START\n"""First') and child.endswith("END\ny = 2\n") for child in children)


def test_one_number_is_one_number() -> None:
    task = ProposalTask(({"a.py": "fast = 1.5\nslow = 2.5\n"},), ({"a.py": "fast = 4.5\nslow = 3.5\n"},), SCOPE)
    made = [Crossover().propose(task, np.random.default_rng(seed)) for seed in range(20)]
    said = {f"took 1 number from the donor: {name}" for name in ("fast", "slow")}
    assert {one.summary for one in made if one.files and "number" in one.summary} == said  # both together are the donor
