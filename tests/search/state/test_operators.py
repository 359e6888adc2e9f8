"""The search knows operators by their specs: it names none, and what a spec says decides who gets which ticket."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from simulation import Simulation, build, contract

from archive import ProposeIssued
from evolve.config._compose import compose
from evolve.config._llm import LlmConfig
from evolve.config._schema import RunConfig, SearchConfig
from evolve.engine.registry._registry import for_problems, parts_of
from evolve.propose._registry import OPERATORS, make_operator
from evolve.search.policy._policies import POLICIES
from evolve.search.state._operators import OperatorSpec, Parent
from evolve.search.state._parts import Parts
from evolve.testing._harness import plain_contract

ROOT = Path(__file__).parents[3] / "evolve"
ROOMS = ("search", "config", "select", "confirm", "budget", "runs", "views")


def named_in(path: Path) -> set[str]:
    """The operators that a module names, but for the defaults of a configuration's fields."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defaults = {
        id(node) for owner in ast.walk(tree) if isinstance(owner, ast.AnnAssign) and owner.value for node in ast.walk(owner.value)
    }
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {node.value for node in texts if node.value in OPERATORS and id(node) not in defaults}


def test_no_room_below_the_engine_names_an_operator() -> None:
    found = {str(path): names for room in ROOMS for path in (ROOT / room).rglob("*.py") if (names := named_in(path))}
    assert found == {}
    assert named_in(ROOT / "propose" / "mutate" / "_specs.py") >= {"tune", "ast_edit", "crossover"}  # what is looked for is seen


OF_SEVERAL = ["adopt"]  # on in a run of several problems
OF_TRAINING = ["setting"]  # on where a problem has a learning curve
BY_NAME = ["ablate"]  # on only where search.operators names it: no gain is shown (docs/log.md)


def test_everything_shipped_is_on_by_default_with_the_policy_auto_or_by_its_name() -> None:
    assert [*compose(["search=auto"]).search.operators, *OF_SEVERAL, *OF_TRAINING, *BY_NAME, *LlmConfig().operators] == list(
        OPERATORS
    )
    assert compose([f"search.operators=[{','.join(BY_NAME)}]"]).search.operators == tuple(BY_NAME)
    assert [name for name in OPERATORS if OPERATORS[name].repeats] == [*compose(["search=auto"]).search.operators[-4:]]
    assert SearchConfig().operators == compose([]).search.operators == compose(["search=auto"]).search.operators
    others = {policy: compose([f"search={policy}"]).search.operators for policy in POLICIES if policy != "auto"}
    plain = tuple(name for name in SearchConfig().operators if not OPERATORS[name].repeats)
    assert tuple(others.pop("map_elites")) == plain
    assert {tuple(names) for names in others.values()} == {tuple(name for name in plain if OPERATORS[name].edits)}
    for name, spec in OPERATORS.items():
        assert spec.name == name
        assert spec.model or make_operator(name).spec is spec


def test_what_the_problems_are_adds_operators_where_nobody_named_any() -> None:
    plain, training = plain_contract(), plain_contract(learning_curve="loss")
    default = compose([])
    for contracts, more in (([plain], []), ([training], OF_TRAINING), ([plain, training], [*OF_SEVERAL, *OF_TRAINING])):
        assert [*for_problems(default, contracts).search.operators] == [*default.search.operators, *more]
    named = compose(["search.operators=[tune]"])
    assert for_problems(named, [training, training]) == named


@pytest.mark.parametrize(
    ("spec", "parents"),
    [
        (OperatorSpec("one", family="new"), 1),
        (OperatorSpec("two", family="new", n_parents=2), 2),
        (OperatorSpec("best", family="new", parent=Parent.LEADER), 1),
    ],
)
def test_an_operator_that_the_search_never_heard_of_gets_what_its_spec_asks_for(spec: OperatorSpec, parents: int) -> None:
    parts = Parts({"ast_edit": OPERATORS["ast_edit"], spec.name: spec}, parts_of(RunConfig()).archive)
    for seed in range(6):
        search = build(contract(), seed=seed, operators=("ast_edit", spec.name), parts=parts)
        assert search.state.bandit.families == ("edit", "new")
        world = Simulation(search, np.random.default_rng(seed), wrongs=0.3)
        world.begin()
        world.run()
        population = search.state.population
        given = [one.record for one in world.log if isinstance(one.record, ProposeIssued) and one.record.arm.operator == spec.name]
        assert given
        rows = [[population.candidates[population.by_id[id_]] for id_ in record.parents] for record in given]
        assert {len(found) for found in rows} == {parents}
        if spec.parent is Parent.LEADER:
            assert all(found[0].id != "seed" and found[0].measured_cold for found in rows)


def test_a_spec_that_contradicts_itself_is_refused() -> None:
    for wrong in ({"n_parents": 3}, {"n_parents": 2, "parent": Parent.FAILED}, {"n_parents": 0}):
        with pytest.raises(ValueError, match="parents"):
            OperatorSpec("x", family="y", **wrong)
    with pytest.raises(ValueError, match="a name and a family"):
        OperatorSpec("", family="y")
