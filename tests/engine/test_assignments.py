"""What a ticket's maker is told of noise, costs, ideas, kin and what is under way, from a search that runs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from model_simulation import KIND, simulate

from archive import Arm, Attempt, Candidate, Measurement, ProposeIssued, Status
from evolve.budget._cpu_budget import INITIAL
from evolve.problem.contract._contract import Budget
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search._notes import notes
from evolve.search.policy import _kinship as kinship
from evolve.search.policy._selectors import ArchiveTournament
from evolve.search.state._memory import Idea, Memory
from evolve.testing import Harness, Script, plain_contract, scored
from evolve.views.candidate._proposal_context import _score, _siblings

FILES = {"main.py": "X = 1.5\nY = 2.5\n\n\ndef point():\n    return X * Y\n"}


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    script = Script(
        seed_files=FILES, answer=scored(lambda files, seed: 1.0 + len(files["main.py"]) / 50 + (seed % 7) * 0.01),
        contract=plain_contract(("main.py",), noisy=True),
    )  # fmt: skip
    with Harness(script, tmp_path_factory.mktemp("noisy")) as run:
        run.search.run.budget = Budget(evaluations=120, wall_s=3600.0)
        run.drive()
        yield run


def asked(run, *parents: int, operator: str = "llm_mutate", ticket: int = 10_000):
    ids = tuple(run.search.state.population.candidates[number].id for number in parents)
    issued = ProposeIssued(Attempt("e", ticket), "p", Arm(operator, "m", "diff"), ids)
    return run.proposer.context(run.search.state, issued, 0.0)


def test_scores_come_with_their_spread_and_number(noisy):
    told = asked(noisy, INITIAL)
    assert told.seed_n == noisy.search.state.population.n_measured(INITIAL) > 1
    assert told.seed_sd > 0
    assert told.best_n >= 1
    assert all(attempted.sd > 0 for attempted in told.tried if attempted.effect is not None)
    assert "measurement" in told.left
    assert "min" in told.left or " s" in told.left
    line = next(line for line in notes(noisy.search.state).splitlines() if line.startswith("The initial program scores"))
    assert line.count("±") == 2


def test_a_spread_that_is_not_known_yet_is_not_taken_for_none():
    run = simulate(3, kind=replace(KIND, noisy=True), usd=None, evaluations=40)
    while run.search.state.population.score(INITIAL) is None:
        assert run.step()
    assert math.isnan(_score(run.search.state, INITIAL).sd) == (run.search.state.population.posterior(INITIAL)[1] == 0)


def test_what_was_tried_is_told_by_its_lines(noisy):
    rows = noisy.search.state.population.candidates
    parent = max(range(len(rows)), key=lambda number: len(noisy.search.state.memory.children.get(number, ())))
    tried = asked(noisy, parent).tried
    assert tried
    shown = [attempted for attempted in tried if attempted.lines]
    assert shown
    for attempted in shown:
        files = noisy.texts.files(attempted.id)
        assert all(line[1:] in files["main.py"].split("\n") for line in attempted.lines if line.startswith("+"))
        assert len(attempted.lines) <= 6


def test_ideas_expectations_and_costs_are_remembered():
    memory = Memory()
    child = Candidate("c", "c", None, hypothesis="h " * 400, expected="+0.3", summary="s")
    memory.on_candidate(4, child, (0,))
    memory.on_candidate(5, replace(child, hypothesis="", expected=""), (0,))
    assert memory.ideas[4].expected == "+0.3"
    assert len(memory.ideas[4].hypothesis) <= 300
    assert 5 not in memory.ideas
    memory.on_measured(4, Measurement("c", "s", 1, Status.OK, 1.0, wall_s=2.0, cpu_s=1.5, memory_mib=80.0))
    assert (memory.feedback[4].wall_s, memory.feedback[4].cpu_s, memory.feedback[4].memory_mib) == (2.0, 1.5, 80.0)


def test_a_repair_is_told_the_nearest_ancestor_that_works(noisy):
    population = noisy.search.state.population
    child = next(number for number, row in enumerate(population.candidates) if row.parents)
    told = asked(noisy, child, operator="llm_repair")
    assert told.base is not None
    assert told.base.id in {population.candidates[parent].id for parent in population.candidates[child].parents}
    assert told.base.score is not None
    assert told.removed == ()
    assert asked(noisy, child).base is None
    assert asked(noisy, INITIAL, operator="llm_repair").base is None


def test_tickets_under_way_for_the_same_program_are_counted():
    run = simulate(1, usd=None, evaluations=60)
    while not run.search.state.population.elites:
        run.step()
    search = run.search
    parent = (search.state.population.candidates[search.state.population.elites[0]].id,)
    before = [_siblings(search.state, ProposeIssued(Attempt("e", 10**6), "p", Arm("llm_mutate", "small", "diff"), parent))]
    for model in ("small", "other", ""):
        run.write(
            ProposeIssued(
                search.run.tickets.next_attempt(), search.state.problem, Arm("llm_mutate" if model else "ast_edit", model), parent
            )
        )
        before.append(_siblings(search.state, ProposeIssued(Attempt("e", 10**6), "p", Arm("llm_mutate", "small", "diff"), parent)))
    assert [n - before[0] for n in before] == [0, 1, 2, 2]  # an operator without a model does not think
    assert _siblings(search.state, ProposeIssued(Attempt("e", 0), "p", Arm("llm_mutate", "small", "diff"), parent)) == 0


def test_kin_are_told_from_strangers(noisy):
    search, rows = noisy.search, noisy.search.state.population.candidates
    child = next(number for number, row in enumerate(rows) if row.parents)
    parent = rows[child].parents[0]
    assert kinship.related(search.state, child, parent)
    assert kinship.related(search.state, parent, child)
    assert "The second was made from the first" in kinship.relation(search.state, parent, child)
    assert "The first was made from the second" in kinship.relation(search.state, child, parent)
    twins = [number for number, row in enumerate(rows) if row.parents == (INITIAL,)]
    assert not kinship.related(search.state, *twins[:2])
    assert "from the same program" in kinship.relation(search.state, *twins[:2])
    assert asked(noisy, parent, child, operator="llm_crossover").relation == kinship.relation(search.state, parent, child)


def test_a_program_is_not_crossed_with_its_own_kin_where_there_are_others(noisy, monkeypatch):
    search, rows = noisy.search, noisy.search.state.population.candidates
    stranger = next(number for number, row in enumerate(rows) if row.parents == (INITIAL,))
    child = next(n for n, row in enumerate(rows) if row.parents and row.parents[0] not in (INITIAL, stranger))
    parent = rows[child].parents[0]
    arm = len(search.state.bandit.arms)
    monkeypatch.setattr(search.state.bandit, "arms", [*search.state.bandit.arms, Arm("llm_crossover", "m", "diff")])

    def drawn(*numbers: int) -> tuple[int, ...]:
        coming = iter(numbers)
        monkeypatch.setattr(ArchiveTournament, "parent", lambda selector, state, rng, arm: next(coming))
        return ArchiveTournament()._parents(search.state, None, arm)

    assert drawn(parent, child, stranger) == (parent, stranger)
    assert drawn(parent, child, parent, child, child) == (parent, child)
    assert drawn(stranger, child) == (stranger, child)


def test_a_made_child_of_a_model_keeps_its_words_through_a_checkpoint(noisy):
    search = noisy.search
    search.state.memory.ideas[1] = Idea("h", "e")
    arrays: list = []
    tree = dump_state(search, arrays)
    search.state.memory.ideas = {}
    load_state(search, tree, arrays)
    assert search.state.memory.ideas[1].expected == "e"
