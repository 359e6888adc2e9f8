"""The packing evaluator: exact, whatever it is given, and never above the truth."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from problem_modules import module

from archive import Status
from evolve import load_problem
from evolve._errors import ProblemError

FOLDER = load_problem("circle_packing").folder


evaluator = module(FOLDER / "evaluate.py", "packing_evaluate")
seed = module(FOLDER / "initial" / "main.py", "packing_main")


def is_packing(discs: np.ndarray) -> bool:
    """By rational arithmetic, all pairs."""
    exact = [tuple(Fraction(float(value)) for value in row) for row in discs]
    inside = all(r >= 0 and r <= x <= 1 - r and r <= y <= 1 - r for x, y, r in exact)
    apart = all((x - u) ** 2 + (y - v) ** 2 >= (r + s) ** 2 for (x, y, r), (u, v, s) in combinations(exact, 2))
    return inside and apart


def discs_of(outcome) -> np.ndarray:
    return np.load(io.BytesIO(outcome.artifacts["packing"]), allow_pickle=False)


unit = st.floats(0, 1)
anything = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def near_packings(draw):
    """Centres anywhere, radii by the seed's linear program, then moved by up to 1e-5."""
    n = draw(st.integers(2, 8))
    centres = draw(arrays(np.float64, (n, 2), elements=unit))
    radii = seed.largest_radii(centres)
    return centres, radii + draw(arrays(np.float64, n, elements=st.floats(-1e-7, 1e-5))) * draw(st.sampled_from([0, 1e-9, 1e-3, 1]))


@settings(max_examples=150, deadline=None)
@given(near_packings())
def test_what_is_accepted_is_a_packing_and_scores_its_sum(packing: tuple[np.ndarray, np.ndarray]) -> None:
    centres, radii = packing
    outcome = evaluator.judge(centres, radii)
    if outcome.status is Status.OK:
        discs = discs_of(outcome)
        assert is_packing(discs)
        assert np.array_equal(discs[:, :2], centres)
        assert (discs[:, 2] <= np.maximum(radii, 0)).all()
        assert outcome.score == math.fsum(discs[:, 2])
        assert (radii - discs[:, 2]).max() <= len(radii) * 1.1e-6
    else:
        assert outcome.status is Status.CHECKS_FAILED
        assert not is_packing(np.column_stack([centres, radii]))


@settings(max_examples=150, deadline=None)
@given(arrays(np.float64, (4, 2), elements=anything), arrays(np.float64, 4, elements=anything))
def test_no_numbers_raise_or_pass_wrongly(centres: np.ndarray, radii: np.ndarray) -> None:
    outcome = evaluator.judge(centres, radii)
    assert (outcome.status is Status.OK) == (outcome.score is not None)
    if outcome.status is Status.OK:
        assert is_packing(discs_of(outcome))


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 14))
def test_an_exact_packing_is_not_touched(side: int) -> None:
    steps = (np.arange(side) + 0.5) / side
    centres = np.array([(x, y) for x in steps for y in steps])
    radii = np.full(side * side, 0.5 / side) * (1 - 1e-13)
    outcome = evaluator.judge(centres, radii)
    assert np.array_equal(discs_of(outcome)[:, 2], radii)
    assert outcome.metrics["repaired"] == 0


@given(st.floats(0, 1), st.floats(0, 1))
def test_whole_numbers_are_exact(x: float, y: float) -> None:
    assert Fraction(evaluator.whole(x), evaluator.SCALE) == Fraction(x)
    assert (evaluator.whole(x) < evaluator.whole(y)) == (x < y)


def test_the_least_overlap_that_a_float_can_hold_is_seen() -> None:
    centres = np.array([[0.25, 0.5], [0.75, 0.5]])
    touching = np.array([0.25, 0.25])
    assert evaluator.judge(centres, touching).score == 0.5
    pairs = evaluator.Pairs.of(centres)
    assert not pairs.overlap(0, 1, 0.25, 0.25)
    assert pairs.overlap(0, 1, 0.25, math.nextafter(0.25, 1))
    assert evaluator.judge(centres, np.nextafter(touching, 1)).score <= 0.5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"radii": np.array([0.2, np.nan])}, "NaN or infinite"),
        ({"centres": np.array([[0.25, 0.5], [np.inf, 0.5]])}, "NaN or infinite"),
        ({"radii": np.array([-1e-300, 0.2])}, "negative radius"),
        ({"radii": np.array([0.2, 1e300])}, "outside the unit square"),
        ({"centres": np.array([[0.25, 0.5], [1.5, 0.5]])}, "past a wall"),
        ({"centres": np.array([[0.3, 0.5], [0.7, 0.5]])}, "overlap by 0.1"),
        ({"radii": np.array([0.26, 0.2])}, "past a wall"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, np.ndarray], said: str) -> None:
    packing = {"centres": np.array([[0.25, 0.5], [0.75, 0.5]]), "radii": np.array([0.25, 0.25])} | change
    outcome = evaluator.judge(**packing)
    assert outcome.status is Status.CHECKS_FAILED
    assert said in outcome.reason


@pytest.mark.parametrize("n", [2, 5, 25, 26, 27, 40])
def test_the_seed_packs_any_number(n: int) -> None:
    outcome = evaluator.judge(*seed.pack(n))
    assert outcome.status is Status.OK
    assert len(discs_of(outcome)) == n
    contract = load_problem("circle_packing").contract
    assert set(outcome.metrics) == set(contract.secondary)
    assert set(outcome.descriptors) == {axis.name for axis in contract.axes if axis.source == "outcome"}
    assert set(outcome.artifacts) == set(contract.artifacts)


def test_the_seed_scores_what_the_readme_says() -> None:
    score = evaluator.judge(*seed.pack(26)).score
    assert f"{score:.3f}" == "2.068"
    assert "2.068" in (FOLDER / "README.md").read_text()


def test_more_than_the_area_allows_is_quarantined_should_every_check_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    for check in ("find_fault", "find_exact_fault"):
        monkeypatch.setattr(evaluator, check, lambda *_: "")
    monkeypatch.setattr(evaluator, "repair", lambda pairs, centres, radii: radii)
    bound = math.sqrt(26 / math.pi)
    outcome = evaluator.judge(np.full((26, 2), 0.5), np.full(26, 1.0001 * bound / 26))
    assert (outcome.status, outcome.score) == (Status.REJECTED, None)
    assert outcome.reason.startswith("quarantined: 26 radii")
    assert evaluator.judge(np.full((26, 2), 0.5), np.full(26, 0.9999 * bound / 26)).status is Status.OK


def test_the_contracts_gate_is_the_same_bound_for_the_largest_n() -> None:
    read = load_problem("circle_packing", n=200)
    (gate,) = read.contract.gates
    assert gate.complaint(math.sqrt(200 / math.pi)) == ""
    assert gate.complaint(math.sqrt(201 / math.pi)) != ""
    with pytest.raises(ProblemError):
        load_problem("circle_packing", n=201)


def test_feedback_counts_what_touches() -> None:
    centres = np.array([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])
    outcome = evaluator.judge(centres, np.full(4, 0.25))
    assert "4 of 4 discs touch a wall; 4 pairs touch" in outcome.feedback
    assert outcome.metrics["contacts"] == 8 + 4
    assert outcome.descriptors == {"wall_share": 1.0, "radius_spread": 0.0}


def verify(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FOLDER / "verify.py"), str(path), *more], capture_output=True, text=True, check=False
    )


def test_verify_accepts_artifacts_and_refuses_others(tmp_path: Path) -> None:
    outcome = evaluator.judge(*seed.pack(26))
    good = tmp_path / "packing.npy"
    good.write_bytes(outcome.artifacts["packing"])
    done = verify(good, "26")
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(done.stdout.split()[-1]) == pytest.approx(outcome.score, abs=1e-13)
    assert verify(good, "27").returncode == 1
    discs = discs_of(outcome)
    discs[0, 2] = np.nextafter(discs[0, 2], 1) + 1e-9
    np.save(tmp_path / "bad.npy", discs)
    assert "not a packing" in verify(tmp_path / "bad.npy").stdout
    np.save(tmp_path / "nan.npy", np.full((26, 3), np.nan))
    assert verify(tmp_path / "nan.npy").returncode == 1


def test_the_record_is_written_down_with_its_source() -> None:
    known = json.loads((FOLDER / "best_known.json").read_text())
    best = {n: max(one["value"] for one in known["records"] if one["n"] == n) for n in (26, 32)}
    assert best == {26: 2.635983084917607783, 32: 2.939572771206323635}
    assert all(record["date"] and record["source"] for record in known["records"])
    page = (FOLDER / "README.md").read_text()
    assert all(f"{value:.13f}"[:-1] in page for value in best.values())
