"""The planted problem: its noise is what its params say, and its truth can be read without running anything."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problem_modules import module

from archive import Status
from evolve import Trial, load_problem
from evolve.evaluate import Reply

PROBLEM = load_problem("planted")
FOLDER = PROBLEM.folder
SEED = {"main.py": (FOLDER / "initial" / "main.py").read_text()}
DEFAULTS = dict(PROBLEM.params)
N = 4000


planted = module(FOLDER / "planted_truth.py", "planted_truth")  # before evaluate, which imports it
evaluate = module(FOLDER / "evaluate.py", "evaluate")


@dataclass(frozen=True)
class Returns:
    """A sandbox in which the candidate returned ``point``."""

    point: object
    calls: list[str] = field(default_factory=list)

    def call(self, entry: str, args: object, returns: object) -> Reply:
        self.calls.append(entry)
        return Reply(status=Status.OK, values=({"point": self.point},))


def trial(seed: int, params: dict, point: object = None, files: dict[str, str] = SEED) -> Trial:
    point = [1.0] * params["dimension"] if point is None else point
    return Trial(
        files=files, stage="full", seed=seed, params=params, problem=FOLDER, assets=None, work=FOLDER, sandbox=Returns(point)
    )  # type: ignore[arg-type]


def seeds(n: int = N) -> list[int]:
    return [int(seed) for seed in np.random.default_rng(0).integers(0, 2**63, n)]


def noises(params: dict, files: dict[str, str] = SEED) -> np.ndarray:
    params = DEFAULTS | params
    return np.array([evaluate.noise(trial(seed, params, files=files)) for seed in seeds()])


def other(k: int) -> dict[str, str]:
    return {"main.py": SEED["main.py"] + f"# {k}\n"}


@pytest.mark.parametrize(
    "params", [{}, {"tails": "t4"}, {"skew": 2.0}, {"pair_corr": 0.7}, {"sd": 3.0}, {"skew": -3.0, "tails": "t4"}]
)
def test_noise_has_mean_zero_and_the_sd_asked_for(params: dict) -> None:
    values = noises(params)
    sd = params.get("sd", 1.0)
    assert abs(values.mean()) < 5 * sd / N**0.5
    assert values.std() == pytest.approx(sd, rel=0.12)


def test_tails_and_skewness_are_as_named() -> None:
    def moment(values: np.ndarray, k: int) -> float:
        return float((((values - values.mean()) / values.std()) ** k).mean())

    assert moment(noises({}), 4) == pytest.approx(3, abs=0.5)
    assert moment(noises({"tails": "t4"}), 4) > 4
    assert moment(noises({}), 3) == pytest.approx(0, abs=0.2)
    assert moment(noises({"skew": 2.0}), 3) == pytest.approx(2 * 8 / 5**1.5, abs=0.4)
    assert moment(noises({"skew": -2.0}), 3) < -1


@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0])
def test_two_candidates_share_the_part_of_the_seed(rho: float) -> None:
    both = np.corrcoef(noises({"pair_corr": rho}), noises({"pair_corr": rho}, other(1)))[0, 1]
    assert both == pytest.approx(rho, abs=0.06)


def test_unequal_variance_belongs_to_the_candidate() -> None:
    sds = [noises({"unequal_variance": 1.0}, other(k)).std() for k in range(8)]
    assert max(sds) / min(sds) > 1.5
    assert all(np.exp(-1) * 0.9 < sd < np.exp(1) * 1.1 for sd in sds)


def test_drift_rises_with_the_seed_and_averages_out() -> None:
    params = DEFAULTS | {"sd": 0.0, "drift": 3.0}
    rising = [evaluate.noise(trial(seed, params)) for seed in (0, 2**61, 2**62, 2**63 - 1)]
    assert rising == sorted(rising)
    assert rising[0] == -3
    assert rising[-1] == pytest.approx(3)
    assert noises({"sd": 0.0, "drift": 3.0}).var() == pytest.approx(3.0, rel=0.1)


def test_one_seed_gives_one_reading_and_other_seeds_others() -> None:
    readings = [evaluate.evaluate(trial(seed, DEFAULTS)).score for seed in (1, 1, 2)]
    assert readings[0] == readings[1] != readings[2]


def test_without_noise_the_reading_is_the_truth() -> None:
    params = DEFAULTS | {"sd": 0.0}
    best = planted.optimum(params["dimension"])
    assert evaluate.evaluate(trial(1, params)).score == 0
    assert evaluate.evaluate(trial(1, params, best)).score == pytest.approx(params["gain"])
    assert planted.truth(SEED, params) == 0


@given(st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=8))
def test_no_point_is_better_than_the_best(point: list[float]) -> None:
    assert planted.value(point, DEFAULTS) <= DEFAULTS["gain"] * (1 + 1e-12)
    assert planted.value(point, DEFAULTS | {"gain": 0.0}) == 0


@pytest.mark.parametrize(
    "point",
    [
        [1.0] * 7,
        [1.0] * 9,
        3.0,
        {"a": 1},
        [1.0] * 7 + ["1"],
        [1.0] * 7 + [True],
        [1.0] * 7 + [None],
        [1.0] * 7 + [1e7],
        [1.0] * 7 + [10**400],
    ],
)
def test_what_is_no_point_is_invalid(point: object) -> None:
    assert evaluate.evaluate(trial(1, DEFAULTS, point)).status is Status.INVALID


def test_outcomes_keep_the_contract_and_the_truth_apart() -> None:
    outcome = evaluate.evaluate(trial(5, DEFAULTS))
    contract = load_problem("planted").contract
    assert set(outcome.descriptors) == {axis.name for axis in contract.axes}
    assert json.loads(outcome.artifacts["point"]) == [1.0] * 8
    assert outcome.metrics == {}


@pytest.mark.parametrize(
    "text",
    [
        "POINT = [0.5, 1.0 + 0.25, -2, 3 * 0.5, 1 / 4, 0.1 - 1, min(1, 2), abs(-0.5)]\n\n"
        "def point(dimension):\n    return POINT[:dimension]\n",
        "A = 0.3\n\ndef point(dimension):\n    'doc'\n    b = [A, A * 2, 0, 0, 0, 0, 0, 1]\n    return b\n",
        "X = [1.0] \nX = [2.0, 1, 1, 1, 1, 1, 1, 1, 1]\n\ndef point(dimension):\n    return list(X[1:9])\n",
    ],
)
def test_truth_reads_programs_as_python_runs_them(text: str) -> None:
    names: dict = {}
    exec(text, names)  # a text of this file
    assert planted.truth({"main.py": text}, DEFAULTS) == pytest.approx(planted.value(names["point"](8), DEFAULTS), rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "def point(dimension):\n    return [1.0] * dimension\n",
        "import os\n\ndef point(dimension):\n    return [1.0, 1, 1, 1, 1, 1, 1, 1]\n",
        "def point(dimension):\n    return [1.0]\n",
        "def point(dimension):\n    for i in []:\n        pass\n    return [1.0]\n",
        "def point(dimension):\n    pass\n",
        "x = 3\n",
        "x = (",
        "def point(dimension):\n    return [1 / 0, 1, 1, 1, 1, 1, 1, 1]\n",
        "def point(dimension):\n    return [min(1), 1, 1, 1, 1, 1, 1, 1]\n",
        "def point(dimension):\n    return __import__('os').getcwd()\n",
    ],
)
def test_truth_refuses_what_it_cannot_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"read|list|return|number"):
        planted.truth({"main.py": text}, DEFAULTS)


def test_the_readme_names_every_param() -> None:
    readme = Path(FOLDER / "README.md").read_text()
    assert all(f"| `{name}` |" in readme for name in DEFAULTS)
