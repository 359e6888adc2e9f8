"""Sequences of signs: scored in whole numbers, never above what is known to be best, and a trap for single flips."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problem_modules import module

from archive import Status
from evolve import Trial, load_problem
from evolve._errors import ProblemError
from evolve.evaluate import Reply

PROBLEM = load_problem("merit_factor")
FOLDER = PROBLEM.folder
N = PROBLEM.params["n"]

# Lengths of the runs of equal signs of one sequence of least energy for each n, found here by tabu search.
BEST = """
12 112 311 213 1123 2411 11124 231211 112133 1221114 5221111 12251111 11112225 225111121 36111221 122211144 2122411114
11114142122 27221111121 11111212723 11221111238 1212111116322 122121111733 32361111121211 34313131211211 34313131211212
112212111117323 551212111113231 4623221212111111 2232212165111111 1111112112492222 22229421121111111 12121662323111111
3632311131212111211 11111112112112482222 22229421121121111111 23241171111141122121 13131312113121121444
112112182222111111343 211211211343143131313 1132432111117212112213 121112111222111311313525 82121121231234321111111
234232137111212212111111 212a21121234211111111231 1211211222123412381111113 1121212111112131223137333
3452181322211211122111111 23432111141313116212112121
"""


evaluator = module(FOLDER / "evaluate.py", "merit_evaluate")
seed_program = module(FOLDER / "initial" / "main.py", "merit_main")


@dataclass(frozen=True)
class Returns:
    """A sandbox in which the program returned this."""

    value: object

    def call(self, entry: str, args: object, returns: object) -> Reply:
        assert (entry, args) == ("main.py:sequence", {"n": N})
        return Reply(status=Status.OK, values=({"sequence": self.value},))


def evaluated(value: object):
    return evaluator.evaluate(
        Trial(files={}, stage="full", seed=1, params={"n": N}, problem=FOLDER, assets=None, work=FOLDER, sandbox=Returns(value))  # type: ignore[arg-type]
    )


def of_runs(runs: str) -> list[int]:
    """The signs of runs of these lengths, each a digit of base 16."""
    return [sign for sign, length in zip(itertools.cycle((1, -1)), runs, strict=False) for _ in range(int(length, 16))]


def least_by_trying_all(n: int) -> int:
    """The least energy of n signs, by the bits of every whole number: half of them, for the other signs change nothing."""
    words = np.arange(1 << (n - 1), dtype=np.uint64)
    energy = np.zeros(len(words), dtype=np.int64)
    for k in range(1, n):
        unequal = np.bitwise_count((words ^ (words >> np.uint64(k))) & np.uint64((1 << (n - k)) - 1)).astype(np.int64)
        energy += (n - k - 2 * unequal) ** 2
    return int(energy.min())


# ------------------------------------------------------------------------------------------------------------ the known optimum


@pytest.mark.parametrize("n", [*range(3, 17), *(pytest.param(n, marks=pytest.mark.slow) for n in range(17, 23))])
def test_the_table_holds_what_trying_all_finds(n: int) -> None:
    assert evaluator.least_energy(n) == least_by_trying_all(n)


def test_the_table_is_reached() -> None:
    found = [of_runs(runs) for runs in BEST.split()]
    assert [len(signs) for signs in found] == list(range(3, 3 + len(found)))
    assert len(found) > N - 3
    assert [evaluator.energy(signs) for signs in found] == evaluator.LEAST_ENERGY[: len(found)]
    assert all(evaluator.judge(signs).status is Status.OK for signs in found)


def test_the_table_has_the_parity_that_energies_have() -> None:
    """C_k is odd where n - k is; the square of an odd number is 1 modulo 8, of an even one 0 modulo 4."""
    for n in range(3, 67):
        assert evaluator.least_energy(n) % 4 == sum((n - k) % 2 for k in range(1, n)) % 4


def test_what_is_better_than_the_best_is_quarantined(monkeypatch: pytest.MonkeyPatch) -> None:
    signs = of_runs(BEST.split()[N - 3])
    monkeypatch.setattr(evaluator, "energy", lambda signs: evaluator.least_energy(len(signs)) - 4)
    outcome = evaluator.judge(signs)
    assert (outcome.status, outcome.score) == (Status.REJECTED, None)
    assert outcome.reason.startswith("quarantined: an energy of 136 with 48 signs")


def test_the_gate_lets_every_optimum_through_and_little_more() -> None:
    (gate,) = PROBLEM.contract.gates
    best = max(n * n / (2 * evaluator.least_energy(n)) for n in range(3, 67))
    assert gate.complaint(best) == ""
    assert gate.complaint(best + 0.001) != ""
    for n in (2, 67):  # of which no least energy is known
        with pytest.raises(ProblemError):
            load_problem("merit_factor", n=n)


# ---------------------------------------------------------------------------------------------------------------- scored rightly


@given(st.lists(st.sampled_from([1, -1]), min_size=3, max_size=40))
def test_energy_is_the_sum_of_squares_over_all_shifts(signs: list[int]) -> None:
    n = len(signs)
    energy = sum(sum(signs[i] * signs[i + k] for i in range(n - k)) ** 2 for k in range(1, n))
    outcome = evaluator.judge(signs)
    assert outcome.metrics["energy"] == energy
    assert outcome.score == n * n / (2 * energy)


@pytest.mark.parametrize(
    "value",
    [
        [1] * (N - 1),
        [1] * (N + 1),
        [0] * N,
        [2] + [1] * (N - 1),
        [1.0] * N,
        [True] * N,
        ["1"] * N,
        [None] * N,
        [[1]] * N,
        [10**400] + [1] * (N - 1),
        [[1] * N],
        {"sequence": [1] * N},
        "1" * N,
        N,
        None,
    ],
)
def test_what_is_no_sequence_of_signs_is_invalid(value: object) -> None:
    outcome = evaluated(value)
    assert outcome.status is Status.INVALID
    assert f"a list of {N} whole numbers, each 1 or -1" in outcome.reason


def test_what_the_evaluator_gives_is_what_the_contract_says() -> None:
    outcome = evaluated(seed_program.sequence(N))
    contract = PROBLEM.contract
    assert set(outcome.metrics) == set(contract.secondary)
    assert set(outcome.descriptors) == {axis.name for axis in contract.axes if axis.source == "outcome"}
    assert set(outcome.artifacts) == set(contract.artifacts)
    assert evaluator.selftest() == ""


@pytest.mark.parametrize("n", [3, 47, 48, 49, 66])
def test_the_initial_program_makes_any_length(n: int) -> None:
    assert evaluator.is_sequence(seed_program.sequence(n), n)


def test_feedback_says_whether_a_flip_helps() -> None:
    assert "No single flip lowers the energy" in evaluator.judge(of_runs(BEST.split()[N - 3])).feedback
    outcome = evaluator.judge([1] * N)
    assert f"{int(outcome.metrics['better_flips'])} of {N} single flips lower the energy" in outcome.feedback
    assert outcome.metrics["better_flips"] == N


def verify(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FOLDER / "verify.py"), str(path), *more], capture_output=True, text=True, check=False
    )


def test_verify_says_what_was_scored_and_refuses_others(tmp_path: Path) -> None:
    outcome = evaluated(seed_program.sequence(N))
    good = tmp_path / "sequence.json"
    good.write_bytes(outcome.artifacts["sequence"])
    done = verify(good, str(N))
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(done.stdout.split()[-1]) == pytest.approx(outcome.score, abs=1e-12)
    assert verify(good, str(N + 1)).returncode == 1
    for bad in ([0] * N, [1.0] * N, [True] * N, "1" * N, [1, -1]):
        (tmp_path / "bad.json").write_text(json.dumps(bad))
        assert verify(tmp_path / "bad.json").returncode == 1


# ------------------------------------------------------------------------------------------------------------------ lines to beat


def merit(signs: list[int]) -> float:
    return len(signs) ** 2 / (2 * evaluator.energy(signs))


def rudin_shapiro(n: int) -> list[int]:
    return [1 - 2 * ((i & i >> 1).bit_count() % 2) for i in range(n)]


def legendre(n: int, start: int) -> list[int]:
    """The squares modulo the largest prime of at most n, begun at ``start`` and continued past their period."""
    prime = next(p for p in range(n, 2, -1) if all(p % d for d in range(2, p)))
    squares = {i * i % prime for i in range(prime)}
    return [1 if (i + start) % prime in squares else -1 for i in range(n)]


def descended(signs: list[int]) -> float:
    """The merit factor at which the best single flip, again and again, ends."""
    least = evaluator.energy(signs)
    while True:
        energies = [evaluator.energy([*signs[:i], -signs[i], *signs[i + 1 :]]) for i in range(len(signs))]
        if min(energies) >= least:
            return merit(signs)
        at, least = int(np.argmin(energies)), min(energies)
        signs = [*signs[:at], -signs[at], *signs[at + 1 :]]


def line(name: str) -> str:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    (row,) = [row for row in page.splitlines() if row.startswith(f"| {name}")]
    return row.rsplit("|", 2)[-2].strip()


def test_the_readme_has_the_lines_to_beat() -> None:
    assert line("the best there is") == f"{N * N / (2 * evaluator.least_energy(N)):.3f}"
    best = of_runs(BEST.split()[N - 3])
    assert line("one flip from it") == f"{max(merit([*best[:i], -best[i], *best[i + 1 :]]) for i in range(N)):.3f}"
    assert line("Legendre, the best") == f"{max(merit(legendre(N, start)) for start in range(N)):.3f}"
    assert line("Legendre, a quarter") == f"{merit(legendre(N, 47 // 4)):.3f}"
    assert line("Rudin and Shapiro") == f"{merit(rudin_shapiro(N)):.3f}"
    assert line("the program to start from") == f"{merit(seed_program.sequence(N)):.3f}"


def test_single_flips_end_far_below_the_best() -> None:
    rng = np.random.default_rng(0)
    ends = [descended(rng.choice([1, -1], N).tolist()) for _ in range(100)]
    assert line("single flips, from the program") == f"{descended(seed_program.sequence(N)):.3f}"
    assert line("single flips, the median") == f"{np.median(ends):.3f}"
    assert line("single flips, the best") == f"{max(ends):.3f}"
    assert max(ends) < 0.7 * N * N / (2 * evaluator.least_energy(N))
