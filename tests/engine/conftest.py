import sys
from pathlib import Path

import pytest

from evolve.config._schema import BudgetConfig, ExecutorConfig, ProblemConfig, RunConfig, SandboxConfig, SearchConfig
from evolve.models._choice import llm_config

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "search")]

CONTRACT = "name: near\nmetric: distance\ngoal: minimize\nnoise: deterministic\n"
SEED = "# A point.\nX = 0.25\nY = 0.75\nZ = 3.5\n\n\ndef point():\n    return [X, Y, Z / 7.0]\n"
EVALUATE = """
import re

from evolve import Outcome, Status

SECRET = "what the evaluator alone knows"


def evaluate(trial):
    numbers = [float(text) for text in re.findall(r"= ([0-9.e]+)$", trial.files["main.py"], re.MULTILINE)]
    if len(numbers) < 3:
        return Outcome.fail(Status.INVALID, "too few numbers")
    return Outcome(score=sum((value - 0.5) ** 2 for value in numbers), feedback=f"{len(numbers)} numbers")
"""


@pytest.fixture
def near(tmp_path, monkeypatch):
    """Makes configurations of runs of a tiny problem that asks a server; the key that test servers take is in the environment."""
    folder = tmp_path / "near"
    (folder / "initial").mkdir(parents=True)
    (folder / "problem.yaml").write_text(CONTRACT)
    (folder / "evaluate.py").write_text(EVALUATE)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")

    def make(url: str, *, operators=("ast_edit",), provider="anthropic", seed=0, llm=None, program=SEED, **budget) -> RunConfig:
        (folder / "initial" / "main.py").write_text(program)
        plain = {"models": ("claude-test",), "prices": ("*=1/5",), "operators": ("llm_mutate",), "edit_formats": ("diff",)}
        given = plain | (llm or {})
        return RunConfig(
            problem=ProblemConfig(name=str(folder)),
            search=SearchConfig(operators=operators),
            llm=llm_config(provider, given.pop("models"), {"base_url": url, **given}),
            budget=BudgetConfig(**budget),
            executor=ExecutorConfig(slots=1),
            sandbox=SandboxConfig(tier="none"),
            seed=seed,
            out=str(tmp_path / "run"),
        )

    return make


@pytest.fixture
def plain(tmp_path):
    """Makes configurations of runs of the tiny problem that ask nobody."""
    folder = tmp_path / "plain"
    (folder / "initial").mkdir(parents=True)
    (folder / "initial" / "main.py").write_text(SEED)

    def make(*, noisy: bool = False, **budget) -> RunConfig:
        (folder / "problem.yaml").write_text(CONTRACT.replace("deterministic", "noisy") if noisy else CONTRACT)
        noise = " + 0.01 * trial.rng().standard_normal(), feedback" if noisy else ", feedback"
        (folder / "evaluate.py").write_text(EVALUATE.replace(", feedback", noise))
        return RunConfig(
            problem=ProblemConfig(name=str(folder)),
            budget=BudgetConfig(**budget),
            executor=ExecutorConfig(slots=2),
            sandbox=SandboxConfig(tier="none"),
            out=str(tmp_path / "run"),
        )

    return make
