"""What other people's packages offer: found by name, loaded when named, and told in a sentence where something is wrong."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from archive import Measured, ProposalStatus, read_journal
from evolve._errors import ConfigError, EvolveError, MissingPackage, UsageError
from evolve._plugins import PluginBroken, need_plugin, offered
from evolve.cli.show._text import operator_rows
from evolve.config._compose import compose
from evolve.config._schema import BudgetConfig, ExecutorConfig, RunConfig, SearchConfig
from evolve.engine._session import resume, start
from evolve.engine.registry._registry import (
    build_executor,
    build_operators,
    check_names,
    need_named,
    parts_of,
    plugins_of,
    stand_in_words,
)
from evolve.problem.contract._contract import DescriptorSpec
from evolve.propose import EditScope, ProposalTask
from evolve.runs._checkpoint import Checkpoint, load_state
from evolve.testing import Harness, Script, plain_contract, scored
from evolve.views._progress import ProgressTracker

ROOT = Path(__file__).parents[3]
VORONOI = ROOT / "tests" / "packaging" / "evolve_voronoi" / "evolve_voronoi" / "voronoi.py"
NUMBERS = count()
AXES = (DescriptorSpec(name="size", source="ast", low=0.0, high=10.0, bins=4),)
OPERATOR = """
from archive import Measured, ProposalStatus, read_journal
from evolve.propose import OperatorSpec, Proposal
class Op:
    spec = OperatorSpec({spec})
    def propose(self, task, rng):
        {body}
"""
FINE = OPERATOR.format(spec="'op', family='f'", body="return Proposal(ProposalStatus.INVALID, reason='never')")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Puts packages where Python finds them: a module's text, and what its entry points are."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(text: str, *points: str, group: str = "operators", name: str = "theirs") -> None:
        module = f"{name}_{next(NUMBERS)}"  # no module of another test's
        (tmp_path / f"{module}.py").write_text(text)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "\n".join(point.replace("MODULE", module) for point in points or ("op = MODULE:Op",))
        (info / "entry_points.txt").write_text(f"[evolve.{group}]\n{lines}\n")

    return make


def named(*operators: str, **search: object) -> RunConfig:
    return RunConfig(search=SearchConfig(operators=("ast_edit", *operators), **search))


def said(error: type[EvolveError], config: RunConfig) -> str:
    with pytest.raises(error) as caught:
        check_names(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_a_package_offers_is_found_by_name_and_loaded_when_named(package, tmp_path):
    package(FINE + "\nimport pathlib\npathlib.Path(__file__ + '.ran').touch()")
    assert "op" in offered("operator")
    check_names(named())
    assert not list(tmp_path.glob("*.ran"))
    check_names(named("op"))
    assert list(tmp_path.glob("*.ran"))
    assert plugins_of(named("op")) == {"operator op": "theirs"}
    assert parts_of(named("op")).operators["op"].family == "f"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("raise RuntimeError('one\\ntwo')", "RuntimeError: one two"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("this is no Python", "SyntaxError"),
        ("x = 1", "AttributeError"),
        ("class Op:\n    def __init__(self):\n        raise ValueError", "ValueError"),
        ("class Op:\n    pass", "an operator has a spec"),
        ("Op = 5", "an operator has a spec"),
        (FINE.replace("'op'", "'other'"), "its spec calls it other"),
        (OPERATOR.format(spec="'op', family='f', n_parents=7", body="pass"), "ValueError: op has 7 parents"),
        (OPERATOR.format(spec="'op', family='f', model=True", body="pass"), "are for the shipped operators"),
    ],
)
def test_a_broken_one_is_a_sentence_where_it_is_named_and_nowhere_else(package, text, why):
    package(text)
    check_names(named())
    words = said(PluginBroken, named("op"))
    assert words.startswith("the operator op of the package theirs 1.0 cannot be used: ")
    assert why in words
    assert words.endswith("; type: pip install --upgrade theirs, or leave op out")
    assert parts_of(named("op")).operators["op"].name == "op"  # a run that has it can be read


def test_a_broken_one_is_a_sentence_on_the_command_line_too(package, tmp_path):
    package("import nothing_of_this_name")
    argv = [sys.executable, "-m", "evolve", "run", "search.operators=[op]", "sandbox=none"]
    done = subprocess.run(argv, cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("evolve: the operator op of the package theirs 1.0 cannot be used: ModuleNotFoundError")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_of_two_packages_with_one_name_neither_is_taken(package):
    package(FINE, name="theirs")
    package(FINE, name="ours")
    assert (
        said(UsageError, named("op")) == "the operator op is offered by two packages, ours and theirs; type: pip uninstall theirs"
    )
    check_names(named())


def test_a_shipped_name_cannot_be_taken(package):
    package("raise RuntimeError", "ast_edit = MODULE:Op")
    check_names(named())
    assert type(build_operators(["ast_edit"])["ast_edit"]).__name__ == "AstEdit"


def test_what_is_not_there_any_more_is_told_with_what_to_type():
    config = RunConfig(search=SearchConfig(operators=("op",), archive="lost"), plugins={"operator op": "theirs"})
    with pytest.raises(MissingPackage) as caught:
        need_named(config)
    assert str(caught.value) == "the operator op is of the package theirs, which is not installed; type: pip install theirs"
    with pytest.raises(MissingPackage, match=r"^the archive lost is of a package that is not installed; install it$"):
        need_plugin("archive", "lost", "")
    assert "the archive lost is of a package that is not installed" in stand_in_words(config)
    assert stand_in_words(RunConfig()) == ""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise KeyError(task.parents)", "raised KeyError"),
        ("raise SystemExit", "raised SystemExit"),
        ("return 5", "gave no child and no reason"),
        ("return Proposal(ProposalStatus.TUNER)", "gave no child and no reason"),
        ("return Proposal(ProposalStatus.CHILD)", "must give files as a mapping from path to text, found None"),
        (
            "return Proposal(ProposalStatus.CHILD, files={'main.py': b'x'})",
            "must give files as a mapping from path to text, found {'main.py': b'x'}",
        ),
        ("return Proposal(ProposalStatus.INVALID, reason='never')", "never"),
    ],
)
def test_an_operator_that_makes_nothing_of_use_has_failed_at_one_ticket(package, body, reason, tmp_path):
    package(OPERATOR.format(spec="'op', family='f'", body=body))
    task = ProposalTask(({"main.py": "x = 1\n"},), (), EditScope(("main.py",), False, 1000))
    made = build_operators(["op"])["op"].propose(task, np.random.default_rng(0))
    assert made.status in (ProposalStatus.FAILED, ProposalStatus.INVALID)
    assert reason in made.reason
    search = SearchConfig(operators=("op", "ast_edit"))
    script = Script(
        seed_files={"main.py": "x = 1\ny = 2\n"}, answer=scored(lambda files, seed: float(len(files["main.py"]))), search=search,
        budget=BudgetConfig(evaluations=15),
    )  # fmt: skip
    with Harness(script, tmp_path / "run") as run:
        run.drive()
        assert run.search.run.usage.evaluations == 15
        state = run.search.state
        events = [one.record.text for one in read_journal(run.run.path) if getattr(one.record, "what", "") == "operator_failed"]
        share = next(one for one in ProgressTracker(state).snapshot(0.0).shares if one.operator == "op")
    broke = made.status is ProposalStatus.FAILED
    assert (share.broken_tickets > 0, len(events)) == (broke, int(broke))
    assert all(reason in text for text in events)
    assert operator_rows((share,)) == (
        [("operators", f"failed: op {share.broken_tickets} (tickets without a child; why: the table tickets of evolve query)")]
        if broke
        else []
    )


def test_a_search_knows_what_became_of_tickets_of_an_operator_that_is_gone(package, tmp_path, monkeypatch):
    package(
        OPERATOR.format(
            spec="'op', family='f'", body="return Proposal(ProposalStatus.CHILD, files={'main.py': f'x = {rng.random()}'})"
        )
    )
    config = named("op")
    script = Script(
        seed_files={"main.py": "x = 1\n"}, answer=scored(lambda files, seed: float(sum(map(ord, files["main.py"])))),
        search=config.search, budget=BudgetConfig(evaluations=30),
    )  # fmt: skip
    with Harness(script, tmp_path / "run") as run:
        run.drive()
        before = (run.search.state.bandit.dump(), run.search.state.population.leader, [*run.search.state.population.elites])
    monkeypatch.undo()  # it is not installed any more
    with pytest.raises(MissingPackage):
        need_named(config)
    monkeypatch.setattr("evolve.engine.registry._registry.build_operators", lambda names: {})
    monkeypatch.setattr("evolve.testing._harness.build_operators", lambda names: {})
    with Harness(script, tmp_path / "run") as run:
        state = run.search.state
        assert (state.bandit.dump(), state.population.leader, [*state.population.elites]) == before


def test_a_checkpoint_of_an_archive_counts_for_the_code_that_wrote_it_alone(package, tmp_path, monkeypatch):
    text = VORONOI.read_text()
    package(text, "voronoi = MODULE:Voronoi", group="archives")
    one = parts_of(named(archive="voronoi")).source
    assert one.startswith("theirs 1.0 ")
    script = Script(
        seed_files={"main.py": "x = 1.5 + 2 * 3\ny = x * 4\n"}, answer=scored(lambda files, seed: float(len(files["main.py"]))),
        search=named(archive="voronoi").search, budget=BudgetConfig(evaluations=10), contract=plain_contract(axes=AXES),
    )  # fmt: skip
    with Harness(script, tmp_path / "run") as run:
        run.drive()
        run.checkpoint()
    taken = []
    monkeypatch.setattr(Checkpoint, "restore", lambda self, search: taken.append(load_state(search, self.tree, self.arrays)))
    with Harness(script, tmp_path / "run") as run:
        assert taken == [None]
        assert run.search.state.population.archives[0].n_cells == 64
    (module,) = tmp_path.glob("theirs_*.py")
    module.write_text(text.replace("64", "32"))
    assert parts_of(named(archive="voronoi")).source not in (one, "")
    assert parts_of(named()).source == ""


def test_an_archive_whose_ranges_cannot_be_replaced_is_told_before_anything_is_made(package):
    package(VORONOI.read_text(), "voronoi = MODULE:Voronoi", group="archives")
    config = RunConfig(search=SearchConfig(archive="voronoi", rebin_share=0.3))
    told = (
        r"^search.rebin_share cannot be used with the problem scripted and search.archive=voronoi: .*has no axes.*; leave it out$"
    )
    with pytest.raises(ConfigError, match=told):
        parts_of(config).archive(plain_contract(axes=AXES), config.search)


def test_an_archive_that_does_not_suit_a_problem_says_so_before_anything_is_made(package):
    text = VORONOI.read_text()
    package(text, "voronoi = MODULE:Voronoi", "broken = MODULE:np", "other = builtins:dict", group="archives")
    config = named(archive="voronoi")
    with pytest.raises(
        ConfigError, match=r"^search.archive=voronoi cannot be used with the problem scripted: it needs descriptors"
    ):
        parts_of(config).archive(plain_contract(), config.search)
    assert "it cannot be called" in said(PluginBroken, named(archive="broken"))
    other = named(archive="other")
    check_names(other)
    with pytest.raises(PluginBroken, match=r"what it makes is no archive\.Archive"):
        parts_of(other).archive(plain_contract(), other.search)


IDLE = """
class Idle:
    slots = room = 1
    pending = 0
    def submit(self, block): pass
    def cancel(self, attempt): pass
    def close(self, *, drain): pass
"""


def test_an_executor_of_somebody_else_is_made_with_what_ours_is(package):
    text = IDLE + "made = []\ndef make(problems, **more):\n    made.append((problems, more))\n    return Idle()"
    package(text, "far = MODULE:make", group="executors")
    config = RunConfig(executor=ExecutorConfig(kind="far", slots=3))
    check_names(config)

    class Problem:
        id = "p"

    build_executor(config, (Problem,), print)
    make = need_plugin("executor", "far", "").load()
    ((problems, more),) = make.__globals__["made"]
    assert problems == {"p": Problem}
    assert sorted(more) == ["sink", "slots", "tier"]
    assert (more["slots"], more["tier"], callable(more["sink"])) == (3, "strict", True)
    assert plugins_of(config) == {"executor far": "theirs"}


ELSEWHERE = """
from evolve import LocalExecutor
def make(problems, *, slots, tier, sink):
    return LocalExecutor(problems, slots=slots, tier=tier, sink=sink, machine="elsewhere")
"""


def test_a_run_measures_where_the_named_executor_says(package, tmp_path):
    package(ELSEWHERE, "far = MODULE:make", group="executors")
    words = ["problem=planted", "executor=far", "executor.slots=1", "sandbox=none"]
    config = compose([*words, "budget.evaluations=4", f"out={tmp_path / 'run'}"])
    assert config.executor == ExecutorConfig(kind="far", slots=1)
    assert start(config).measurements >= 3
    results = [one.record.result for one in read_journal(tmp_path / "run") if isinstance(one.record, Measured)]
    assert {result.machine for result in results} == {"elsewhere"}
    assert {result.status for result in results} == {"ok"}
    path = tmp_path / "run"
    assert resume(path, {"evaluations": 6}).measurements >= 5
    (tmp_path / "theirs-1.0.dist-info" / "entry_points.txt").unlink()
    with pytest.raises(MissingPackage, match="the executor far is of the package theirs, which is not installed"):
        resume(path, {"evaluations": 8})


def test_an_executors_name_that_nobody_offers_is_one_sentence_with_those_that_are(package):
    package(ELSEWHERE, "far = MODULE:make", "local = MODULE:make", group="executors")
    with pytest.raises(ConfigError, match=r"^executor must be one of local, ray, far, found 'farr'; did you mean executor=far\?$"):
        compose(["executor=farr"])
    with pytest.raises(ConfigError, match=r"^executor and executor\.kind say the same; keep one of the two\.$"):
        compose(["executor=far", "executor.kind=local"])
    assert compose(["executor=local"]).executor.kind == "local"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("raise KeyError('x')", "cell_of raised KeyError: 'x'"),
        ("return 64", "it has 64 cells and put a candidate into 64"),
        ("return -1", "put a candidate into -1"),
        ("return 0.5", "put a candidate into 0.5"),
        ("raise SystemExit", "cell_of raised SystemExit"),
    ],
)
def test_an_archive_that_goes_wrong_is_a_sentence_and_goes_on_once_it_is_mended(package, tmp_path, wrong, why):
    text = VORONOI.read_text().replace("return int(", f"{wrong}\n        return int(")
    package(text, "voronoi = MODULE:Voronoi", group="archives")
    script = Script(
        seed_files={"main.py": "x = 1.5 + 2 * 3\ny = x * 4\n"}, answer=scored(lambda files, seed: float(len(files["main.py"]))),
        search=named(archive="voronoi").search, budget=BudgetConfig(evaluations=10), contract=plain_contract(axes=AXES),
    )  # fmt: skip
    words = f"^the archive voronoi of the package theirs 1.0 cannot be used: .*{re.escape(why)}; type: pip install --upgrade theirs"
    with pytest.raises(PluginBroken, match=words), Harness(script, tmp_path / "run") as run:
        run.drive()
    with pytest.raises(PluginBroken, match=words), Harness(script, tmp_path / "run"):
        pass  # the record that it could not take is met again
    (module,) = tmp_path.glob("theirs_*.py")
    module.write_text(VORONOI.read_text())
    for name in [name for name in sys.modules if name == module.stem]:
        del sys.modules[name]
    importlib.invalidate_caches()
    with Harness(script, tmp_path / "run") as run:
        run.drive()
        assert run.search.run.usage.evaluations == 10
