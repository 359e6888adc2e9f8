"""AST edits and crossover: every child parses, differs, stays in scope, and keeps all text outside the edits."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from propose_sources import HOSTILE, STDLIB, TRAIN

from archive import ProposalStatus
from evolve.propose import AstEdit, Crossover, EditScope, Proposal, ProposalTask, canonical_hash, check_scope
from evolve.propose._python import apply_edits
from evolve.propose.mutate._moves import MUTATIONS
from evolve.propose.mutate._sites import sites_of

SCOPE = EditScope(("*.py",), may_add_files=False, max_bytes=1 << 20)
TAIL = "# EVOLVE-BLOCK-END\nlimit = 2.5  # out\n\ndef main():\n    return limit * 3.5\n"
MARKED = f"import os  # out: 2.5\n# EVOLVE-BLOCK-START\n{TRAIN}{TAIL}"


def rng_of(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def edited(text: str, seed: int, scope: EditScope = SCOPE) -> Proposal:
    return AstEdit().propose(ProposalTask(({"a.py": text},), (), scope), rng_of(seed))


def crossed(text: str, donor: str, seed: int) -> Proposal:
    return Crossover().propose(ProposalTask(({"a.py": text},), ({"a.py": donor},), SCOPE), rng_of(seed))


def comments_at(text: str) -> list[tuple[int, str]]:
    """Each comment with where it begins."""
    lines = list(accumulate((len(line) for line in io.StringIO(text)), initial=0))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [(lines[token.start[0] - 1] + token.start[1], token.string) for token in tokens if token.type == tokenize.COMMENT]


def comments(text: str) -> list[str]:
    return [comment for _, comment in comments_at(text)]


def holds(parent: str, proposal: Proposal) -> None:
    """What is promised of every child."""
    assert proposal.files is not None
    child = proposal.files["a.py"]
    ast.parse(child)
    assert canonical_hash({"a.py": child}) != canonical_hash({"a.py": parent})
    assert check_scope({"a.py": parent}, {"a.py": child}, SCOPE) == ""
    assert proposal.summary
    assert "\n" not in proposal.summary


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(STDLIB)), seed=st.integers(0, 1 << 32))
def test_children_of_real_programs(name: str, seed: int) -> None:
    proposal = edited(STDLIB[name], seed)
    if proposal.status is ProposalStatus.CHILD:
        holds(STDLIB[name], proposal)


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(STDLIB)), seed=st.integers(0, 1 << 32), data=st.data())
def test_each_move_changes_its_spans_only(name: str, seed: int, data: st.DataObject) -> None:
    """Text outside the edits is there byte for byte, and so is every comment outside them."""
    text = STDLIB[name]
    sites = sites_of("a.py", text)
    kinds = [kind for kind in MUTATIONS if kind[1](sites)]
    move = data.draw(st.sampled_from(kinds))[2](sites, rng_of(seed))
    if move is None:
        return
    child = apply_edits(text, move.edits)
    at_parent = at_child = 0
    for edit in sorted(move.edits, key=lambda edit: edit.start):
        kept = text[at_parent : edit.start]
        assert child[at_child : at_child + len(kept)] == kept
        at_parent, at_child = edit.end, at_child + len(kept) + len(edit.text)
    assert child[at_child:] == text[at_parent:]
    try:
        ast.parse(child)
        there = Counter(comments(child))
    except (SyntaxError, tokenize.TokenError):
        return  # the operator draws again
    outside = [
        comment
        for start, comment in comments_at(text)
        if all(start + len(comment) <= edit.start or edit.end <= start for edit in move.edits)
    ]
    assert Counter(outside) <= there


def test_most_draws_give_a_child() -> None:
    statuses = [edited(TRAIN, seed).status for seed in range(100)]
    assert statuses.count(ProposalStatus.CHILD) >= 95


def test_every_kind_of_edit_happens() -> None:
    """Each move makes a child of its own somewhere; none is dead weight."""
    for weight, count, move in MUTATIONS:
        made = 0
        for seed in range(15):
            for text in (TRAIN, STDLIB["random.py"], STDLIB["statistics.py"]):
                sites = sites_of("a.py", text)
                drawn = move(sites, rng_of(seed)) if count(sites) else None
                if drawn is not None:
                    made += canonical_hash({"a.py": apply_edits(text, drawn.edits)}) != canonical_hash({"a.py": text})
        assert made > 2, (weight, move)


@pytest.mark.parametrize("seed", range(60))
def test_text_outside_the_markers_stays(seed: int) -> None:
    proposal = edited(MARKED, seed)
    holds(MARKED, proposal)
    assert proposal.files is not None
    head, tail = MARKED.split(TRAIN)
    assert proposal.files["a.py"].startswith(head)
    assert proposal.files["a.py"].endswith(tail)


def test_other_files_are_left_alone() -> None:
    files = {"fixed.py": TRAIN, "fixed.cu": "int x = 2;\n", "m.txt": "let x = 2.5;\n", "a.py": TRAIN}
    scope = EditScope(("a.py", "m.txt"), may_add_files=False, max_bytes=1 << 20)
    for seed in range(20):
        proposal = AstEdit().propose(ProposalTask((files,), (), scope), rng_of(seed))
        assert proposal.files is not None
        assert {path for path in files if proposal.files[path] != files[path]} == {"a.py"}
        assert list(proposal.files) == list(files)


def test_what_an_ancestor_added_is_edited_and_mixed() -> None:
    files = {"a.py": "import os\n", "fixed.py": TRAIN, "added.py": TRAIN}
    scope = EditScope(("a.py",), may_add_files=True, max_bytes=1 << 20, initial=("a.py", "fixed.py"))
    made = AstEdit().propose(ProposalTask((files,), (), scope), rng_of(0))
    assert made.files is not None
    assert made.files | {"added.py": TRAIN} == files
    donor = {path: made.files["added.py"] if path == "added.py" else "" for path in files}
    mixed = [Crossover().propose(ProposalTask((files, donor), (), scope), rng_of(seed)).files for seed in range(20)]
    assert any(mixed)
    assert all(each == files | {"added.py": each["added.py"]} for each in mixed if each is not None)


def test_a_zero_moves_by_a_part_of_the_numbers_beside_it() -> None:
    moved = [
        float(child.files["a.py"].split()[2])
        for child in (edited("phase = 0.0\ngain = 300.0\n", seed) for seed in range(200))
        if child.files is not None
    ]
    sizes = [abs(value) for value in moved if value not in (0.0, 300.0)]
    assert len(sizes) > 40
    assert 1 < sorted(sizes)[len(sizes) // 2] < 300
    assert {value > 0 for value in moved if value} == {True, False}


def test_nothing_to_edit_is_said() -> None:
    for files in ({"m.txt": "let x = 2.5;"}, {"m.js": "let x = y;"}, {"a.py": "import os\n"}, {"a.py": "x = (\n"}, {}):
        proposal = AstEdit().propose(ProposalTask((files,), (), EditScope(("*",), may_add_files=False, max_bytes=999)), rng_of(0))
        assert proposal.status is ProposalStatus.INVALID
        assert proposal.reason.endswith(".")
    assert AstEdit().propose(ProposalTask((), (), SCOPE), rng_of(0)).status is ProposalStatus.INVALID


def test_the_size_limit_holds() -> None:
    scope = EditScope(("*.py",), may_add_files=False, max_bytes=len(TRAIN.encode()))
    free, held = ([edited(TRAIN, seed, one).files for seed in range(40)] for one in (SCOPE, scope))
    assert max(len(files["a.py"].encode()) for files in free if files) > scope.max_bytes  # or the test shows nothing
    assert max(len(files["a.py"].encode()) for files in held if files) <= scope.max_bytes


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_parents_are_data(name: str) -> None:
    for seed in range(2):
        for proposal in (edited(HOSTILE[name], seed), crossed(HOSTILE[name], TRAIN, seed), crossed(TRAIN, HOSTILE[name], seed)):
            if proposal.status is ProposalStatus.CHILD:
                assert proposal.files is not None
                ast.parse(proposal.files["a.py"].removeprefix("\ufeff"))
            else:
                assert proposal.status is ProposalStatus.INVALID
                assert proposal.reason


def test_golden_children() -> None:
    """A fixed generator gives the exact child.  Changing this needs a reason: it changes what a run with the same seed does."""
    edits = {
        0: [(".mean(-1, keepdim=True) + eps", ".mean(-1, keepdim=True) - eps")],
        6: [("zero_grad(set_to_none=True)", "zero_grad(set_to_none=False)")],
        7: [("self.head(norm(x)) / 15.0", "self.head(norm(x)) * 15.0")],
        10: [("warmup=0.1", "warmup=0.05"), ("return 15.0", "return 7.5")],
    }
    for seed, changes in edits.items():
        child = TRAIN
        for old, new in changes:
            child = child.replace(old, new)
        assert edited(TRAIN, seed).files == {"a.py": child}
    assert edited(TRAIN, 10).summary == "warmup 0.1 -> 0.05 (a.py:26); return 15.0 -> 7.5 (a.py:23)"
    assert edited(TRAIN, 8).summary == "betas 0.9 -> 0.933333 (a.py:33)"
    assert crossed(TRAIN, DONOR, 0).files == {"a.py": TRAIN.replace("F.relu", "F.gelu")}
    assert crossed(TRAIN, DONOR, 0).summary == "took Model.forward.h (a.py) from the donor"


def test_the_same_draw_gives_the_same_child() -> None:
    for seed in range(10):
        assert edited(TRAIN, seed) == edited(TRAIN, seed)
        assert crossed(TRAIN, DONOR, seed) == crossed(TRAIN, DONOR, seed)


DONOR = (
    TRAIN.replace("matrix_lr = 0.02", "matrix_lr = 0.05")
    .replace("(0.9, 0.95)", "(0.8, 0.99)")
    .replace("F.relu", "F.gelu")
    .replace("steps=300", "steps=500")
    .replace("warmup * total:", "warmup * total + missing_name:")
)


@pytest.mark.parametrize("seed", range(40))
def test_crossover_takes_parts_of_the_donor(seed: int) -> None:
    proposal = crossed(TRAIN, DONOR, seed)
    holds(TRAIN, proposal)
    assert proposal.files is not None
    mine, theirs = TRAIN.splitlines(), DONOR.splitlines()
    for line, old, new in zip(proposal.files["a.py"].splitlines(), mine, theirs, strict=True):
        assert line in (old, new) or "betas" in line  # a pair may be mixed
        assert "missing_name" not in line  # a part that reads what the parent does not bind is not taken
    assert comments(proposal.files["a.py"]) == comments(TRAIN)


def test_crossover_is_never_a_copy_of_the_donor() -> None:
    donor = TRAIN.replace("0.02", "0.05")
    proposal = crossed(TRAIN, donor, 1)
    assert proposal.status is ProposalStatus.INVALID
    assert proposal.reason == "the child would be the donor itself."


def test_crossover_takes_a_stretch_of_a_list() -> None:
    parent = "pts = [" + ", ".join(f"0.{i:02d}1" for i in range(40)) + "]  # points\n"
    donor = "pts = [" + ", ".join(f"0.{i:02d}2" for i in range(40)) + "]  # other\n"
    sizes = set()
    for seed in range(20):
        proposal = crossed(parent, donor, seed)
        if proposal.files is None:
            continue
        values = ast.literal_eval(proposal.files["a.py"].removeprefix("pts = ").split("#")[0].strip())
        taken = [i for i, value in enumerate(values) if f"{value:.3f}".endswith("2")]
        if proposal.files["a.py"].endswith("# points\n"):
            assert taken == list(range(taken[0], taken[-1] + 1))
            sizes.add(len(taken))
    assert len(sizes) > 3


def test_crossover_needs_two_programs() -> None:
    assert Crossover().propose(ProposalTask(({"a.py": TRAIN},), (), SCOPE), rng_of(0)).status is ProposalStatus.INVALID
    assert crossed(TRAIN, TRAIN, 0).reason == "the programs share no part that differs."


def test_crossover_keeps_to_the_markers() -> None:
    donor = MARKED.replace("0.02", "0.05").replace("limit = 2.5", "limit = 9.5").replace("3.5", "7.5").replace("300", "500")
    for seed in range(30):
        proposal = crossed(MARKED, donor, seed)
        assert proposal.files is not None
        assert proposal.files["a.py"].endswith(MARKED.split(TRAIN)[1])
