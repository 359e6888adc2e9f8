"""A program as changes: together they give it byte for byte, and each can be left out or put in alone."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve._errors import UsageError
from evolve.propose import EditScope, ProposalTask
from evolve.propose._python import parse
from evolve.propose._registry import make_operator
from evolve.research._changes import Changes, changes_of

SCOPE = EditScope(("*.py",), may_add_files=True, max_bytes=1 << 20)
TRAIN = """\
import math

LR = 0.02
DECAY = 0.1
BETAS = (0.9, 0.95)
NAME = "relu"
TABLE = [
    1.0, 2.0,
    3.0, 4.0,
]


class Model:
    def __init__(self, dim):
        self.dim = dim

    def forward(self, x):
        x = norm(x)
        return x


def norm(x):
    return x


def main():
    model = Model(4)
    options = {"lr": LR}
    return model.forward(1.0) * options["lr"] * DECAY
"""


def taken_apart(before: str, after: str, path: str = "train.py", **words: int) -> Changes:
    return changes_of({path: before}, {path: after}, **words)


def changed(*pairs: tuple[str, str]) -> Changes:
    after = TRAIN
    for old, new in pairs:
        assert old in after
        after = after.replace(old, new, 1)
    return taken_apart(TRAIN, after)


def names(changes: Changes) -> list[str]:
    return [one.name for one in changes.items]


def check_each_alone(changes: Changes) -> None:
    """All together are the program, none the other one, and each is fit to be tried."""
    every = range(len(changes.items))
    assert changes.with_only(every) == changes.after
    assert changes.with_only([]) == changes.before
    for index in every:
        for files in (changes.with_only([index]), changes.without([index])):
            assert changes.lacks(files) == frozenset()
            assert all(parse(text).tree is not None for path, text in files.items() if path.endswith(".py"))


# ------------------------------------------------------------------------------------------------ any texts

LINES = st.lists(
    st.sampled_from(["a\n", "b\n", "x = 1\n", "x = 2\n", "\n", "# c\n", "1 2\r\n", "d\x0b", "é 0.5\r", "    y\n"]), max_size=12
)


@given(LINES, LINES, st.sampled_from(["main.py", "run.sh"]), st.data())
def test_the_changes_of_any_texts_give_both_programs_and_a_program_for_every_subset(old, new, path, data):
    before, after = {path: "".join(old), "same.txt": "s"}, {path: "".join(new), "same.txt": "s", "new.py": "x = 1\n"}
    changes = changes_of(before, after)
    assert changes.with_only(range(len(changes.items))) == after
    assert changes.with_only([]) == before
    some = data.draw(st.sets(st.sampled_from(range(len(changes.items)))))
    files = changes.with_only(some)
    assert files == changes.without(set(range(len(changes.items))) - some)
    assert {path, "same.txt"} <= set(files) <= set(after)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(2, 12))
def test_what_operators_made_of_a_program_falls_apart_into_changes_that_stand_alone(seed, n):
    rng, files = np.random.Generator(np.random.Philox(seed)), {"train.py": TRAIN}
    for name in rng.choice(["ast_edit", "redraw", "grow", "reorder", "ablate"], n):
        made = make_operator(str(name)).propose(ProposalTask((files,), (), SCOPE), rng)
        files = made.files or files
    if files["train.py"] != TRAIN:
        check_each_alone(changes_of({"train.py": TRAIN}, files))


# ------------------------------------------------------------------------------------------------ what belongs together


def test_a_changed_number_is_a_change_of_its_own_with_a_name():
    changes = changed(("LR = 0.02", "LR = 0.03"), ("DECAY = 0.1", "DECAY = 0.2"), ("(0.9, 0.95)", "(0.8, 0.99)"))
    assert names(changes) == [
        "train.py:3 LR 0.02 -> 0.03",
        "train.py:4 DECAY 0.1 -> 0.2",
        "train.py:5 BETAS 0.9 -> 0.8",
        "train.py:5 BETAS[1] 0.95 -> 0.99",
    ]
    assert "LR = 0.02\nDECAY = 0.2\nBETAS = (0.8, 0.99)" in changes.without([0])["train.py"]
    assert "LR = 0.03\nDECAY = 0.1\nBETAS = (0.9, 0.95)" in changes.with_only([0])["train.py"]


def test_the_numbers_of_a_list_are_one_change_unless_there_is_no_other():
    pairs = (("1.0, 2.0", "1.5, 2.0"), ("3.0, 4.0", "3.0, 4.5"))
    assert names(changed(*pairs, ("LR = 0.02", "LR = 0.03")))[1:] == ["train.py:8 TABLE 1.0 -> 1.5, and 1 place more"]
    assert names(changed(*pairs)) == ["train.py:8 TABLE 1.0 -> 1.5", "train.py:9 TABLE[3] 4.0 -> 4.5"]


def test_a_definition_is_one_change_with_all_that_use_it():
    changes = changed(
        ("        self.dim = dim\n", "        self.dim = dim\n        self.scale = 3.0\n"),
        ("        x = norm(x)\n", "        x = norm(x)\n        x = x * self.scale\n        y = math.sqrt(x)\n        x = x + y\n"),
        ("def main():", "def unused():\n    return 1\n\n\ndef main():"),
    )
    check_each_alone(changes)
    assert [len(one.hunks) for one in changes.items] == [2, 2, 1]
    assert "self.scale" not in changes.without([0])["train.py"]
    assert "math.sqrt" not in changes.without([1])["train.py"]


@pytest.mark.parametrize(("pairs", "alone"), [
    ([("def norm(x):", "def normal(x):"), ("norm(x)\n", "normal(x)\n")], "NAME"),  # renamed
    ([("def __init__(self, dim):", "def __init__(self, dim, heads):"), ("Model(4)", "Model(4, 2)")], "NAME"),  # a class's arguments
    ([("def forward(self, x):", "def forward(self, x, y):"), (".forward(1.0)", ".forward(1.0, 2)")], "NAME"),  # a method's
    ([('{"lr": LR}', '{"lr": LR, "wd": DECAY}'), ('options["lr"] * DECAY', 'options["lr"] * options["wd"]')], "NAME"),  # a key
    ([("import math\n", ""), ("    return x\n\n\ndef main", "    return x + 1\n\n\ndef main")], ""),  # nothing used it
])  # fmt: skip
def test_what_needs_each_other_is_one_change(pairs, alone):
    changes = changed(*pairs, ('"relu"', '"gelu"'))
    check_each_alone(changes)
    assert len(changes.items) == (2 if alone else 3)
    assert any('NAME "relu" -> "gelu"' in name for name in names(changes))


def test_a_module_of_torch_is_called_where_its_objects_are():
    before = """\
class Block:
    def forward(self, x, cos):
        return x * cos


class Model:
    def __init__(self):
        self.blocks = ModuleList([Block() for _ in range(2)])

    def forward(self, x):
        cos = 2
        for block in self.blocks:
            x = block(x, cos)
        return x


RATE = 1
"""
    after = before.replace(
        "def forward(self, x, cos):\n        return x * cos", "def forward(self, x, cos, y):\n        return x * cos + y"
    )
    after = after.replace("block(x, cos)", "block(x, cos, x)").replace("RATE = 1", "RATE = 2")
    changes = taken_apart(before, after)
    check_each_alone(changes)
    assert [[hunk.line for hunk in one.hunks] for one in changes.items] == [[2, 3, 13], [17]]


def test_a_method_of_several_classes_is_one_change_with_what_calls_all_of_them():
    classes = "".join(f"class {name}:\n    def step(self, n):\n        return n\n\n\n" for name in "AB")
    before = f"{classes}def main():\n    for one in (A(), B()):\n        one.step(1)\n\n\nRATE = 1\n"
    after = before.replace("def step(self, n):", "def step(self, n, decay):").replace("one.step(1)", "one.step(1, 2)")
    changes = taken_apart(before, after.replace("RATE = 1", "RATE = 2"))
    check_each_alone(changes)
    assert [len(one.hunks) for one in changes.items] == [3, 1]


def test_a_removed_definition_goes_with_what_used_it():
    changes = changed(("        x = norm(x)\n", ""), ("def norm(x):\n    return x\n\n\n", ""), ("LR = 0.02", "LR = 0.01"))
    check_each_alone(changes)
    assert [len(one.hunks) for one in changes.items] == [1, 2]


def test_statements_that_were_inserted_side_by_side_are_changes_of_their_own():
    changes = changed(("        x = norm(x)\n", "        x = norm(x)\n        # twice\n        x = x * 2\n        x = x + 1\n"))
    assert [one.hunks[0].new for one in changes.items] == ["        # twice\n        x = x * 2\n", "        x = x + 1\n"]


def test_a_comment_declares_what_is_one_component():
    changes = changed(
        ("LR = 0.02", "# component: schedule\nLR = 0.03"),
        ("DECAY = 0.1", "DECAY = 0.2  # component: schedule"),
        ('NAME = "relu"', 'NAME = "gelu"  # component: activation'),
        ("TABLE = [", "OTHER = 1\nTABLE = ["),
    )
    check_each_alone(changes)
    assert [(one.name, one.declared) for one in changes.items] == [
        ("schedule", True),
        ("activation", True),
        ("train.py:8 OTHER = 1 (+1)", False),
    ]


def test_comments_and_layout_are_no_changes_of_their_own():
    changes = changed(
        ("LR = 0.02", "LR = 0.03"),
        ("        return x\n\n\ndef norm", "        # done\n        return x\n\n\ndef norm"),
        ("DECAY = 0.1", "DECAY = 0.2"),
    )
    assert len(changes.items) == 2
    assert changes.without([0, 1]) == changes.before


def test_files_of_other_languages_and_new_ones_are_taken_apart_too():
    before = {"run.sh": "a\nb\nc\nd 1\n", "main.py": "x = 1\n"}
    after = {"run.sh": "a\nB\nc\nd 2\n", "main.py": "from util import f\nx = f()\n", "util.py": "def f():\n    return 1\n"}
    changes = changes_of(before, after)
    assert names(changes) == [
        "main.py:1 from util import f (+2 -1), and 1 place more",
        "run.sh:2 B (+1 -1)",
        "run.sh:4 d 1 -> 2",
    ] or (names(changes)[1:] == ["run.sh:2 B (+1 -1)", "run.sh:4 1 -> 2"])
    assert changes.without([0]) == {"run.sh": after["run.sh"], "main.py": before["main.py"]}


def test_of_too_many_changes_the_neighbours_are_joined():
    before = "".join(f"A{n} = {n}\n" for n in range(30)) + "\n" * 40 + "B = 0\n"
    after = "".join(f"A{n} = {n + 1}\n" for n in range(30)) + "\n" * 40 + "B = 1\n"
    changes = taken_apart(before, after, most=5)
    assert len(changes.items) == 5
    assert names(changes)[-1] == "train.py:71 B 0 -> 1"
    check_each_alone(changes)
    assert len(taken_apart(before, after, most=40).items) == 31


@pytest.mark.parametrize("after", [TRAIN, TRAIN.replace("LR = 0.02", "LR  =  0.02  # as before")])
def test_a_program_that_is_no_other_one_is_refused(after):
    with pytest.raises(UsageError, match="nothing to take apart"):
        taken_apart(TRAIN, after)


def test_a_comment_that_the_problem_reads_is_a_change():
    before, after = {"main.py": "x = 1\ny = 1\n"}, {"main.py": "x = 1  # tune: 0..1\ny = 2\n"}
    assert len(changes_of(before, after).items) == 2  # a directive, as every hash of a program has it
    assert len(changes_of({"main.py": "x = 1\ny = 1\n"}, {"main.py": "x = 1  # fast\ny = 2\n"}).items) == 1
    assert len(changes_of({"main.py": "x = 1\ny = 1\n"}, {"main.py": "x = 1  # fast\ny = 2\n"}, comments=("fast",)).items) == 2


@pytest.mark.parametrize(("before", "after"), [
    ("a\n" * 12_000, "a\n" * 11_999 + "b\n"),
    ("x = [" + "1.5, " * 3_000 + "]\ny = 1\n", "x = [" + "2.5, " * 3_000 + "]\ny = 2\n"),
    ("x = [" + "1.5, " * 3_000 + "]\n", "x = [" + "2.5, " * 3_000 + "]\n"),
    ("x = '" + "ab" * 20_000 + "'\n", "x = '" + "ba" * 20_000 + "'\n"),
    ("y = 1\nx" + " " * 30_000 + "= 1\n", "y = 2\nx" + " " * 30_000 + "+ 1\n"),
    ("x = 1\n", "x = " + "(" * 30_000 + "\n"),
])  # fmt: skip
def test_texts_that_are_hard_to_compare_are_taken_apart_all_the_same(before, after):
    start = time.process_time()
    changes = taken_apart(before, after)
    assert changes.with_only(range(len(changes.items))) == changes.after
    assert time.process_time() - start < 30


def test_every_pair_of_changes_parses_together():
    changes = changed(
        ("LR = 0.02", "LR = 0.03"),
        ("        self.dim = dim\n", "        self.dim = dim\n        self.scale = 3.0\n"),
        ("        x = norm(x)\n", "        x = norm(x)\n        x = x * self.scale\n"),
        ("    return x\n\n\ndef main", "    if x:\n        return x\n    return x + 1\n\n\ndef main"),
    )
    for pair in itertools.combinations(range(len(changes.items)), 2):
        assert changes.lacks(changes.with_only(pair)) == frozenset()
