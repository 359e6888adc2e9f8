"""Limits of models, arms, memory and assignments: bounds, signs, what is asked again and what not; nothing secret is told."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_simulation import KIND, build, simulate

from archive import (
    Arm,
    Attempt,
    CallReserved,
    CallSettled,
    Candidate,
    MeasureIssued,
    Measurement,
    PackedText,
    ProposalStatus,
    Proposed,
    ProposeIssued,
    RunOpened,
    Status,
    TextStore,
)  # fmt: skip
from evolve.budget._model_limits import LONGEST_REST_S, REST_S, UNANSWERED, ModelLimits
from evolve.cli.show._text import models_text
from evolve.config._llm import LlmConfig, SamplingConfig
from evolve.config._schema import SearchConfig
from evolve.models._failure import FailureKind
from evolve.problem.contract._contract import Budget
from evolve.propose._registry import OPERATORS
from evolve.propose.edits._edits import Fault
from evolve.search._stopping import effective_budget
from evolve.search.policy import _arms
from evolve.search.policy._arms import arms_of, slot_usd_per_hour, usd_to_seconds
from evolve.search.state import _memory as memory
from evolve.search.state._tickets import ProposalResult
from evolve.select import Bandit
from evolve.testing import Harness, Script, plain_contract, scored
from evolve.views._summary import ModelUse


def given_to(book: ModelLimits, *ends: tuple[str, str], first: int = 0) -> None:
    for ticket, (status, outcome) in enumerate(ends, first):
        ended = Proposed(Attempt("e", ticket), "p", ProposalStatus(status), reason=f"{outcome}.", outcome=outcome)
        book.on_proposed(ended, "small", 100.0 + ticket, ticket + 1)


def opened(*models: str) -> ModelLimits:
    book = ModelLimits(Budget(usd=1.0))
    book.on_run_opened(RunOpened("e", models=models))
    return book


@pytest.mark.parametrize("outcome", ["auth", "payment", "not_found", "wrong_server"])
def test_a_model_that_refuses_for_good_is_out_until_the_next_opening(outcome):
    book = opened("small", "other")
    call = CallReserved(Attempt("e", 1), 1, "anthropic", "small", "{}", 0.1)
    book.apply(call, 10.0, math.inf)
    book.apply(CallSettled(Attempt("e", 1), 1, outcome, 0.0, reason="why"), 10.0, math.inf)
    assert (book.is_available("small"), book.is_available("other")) == (False, True)
    book.on_run_opened(RunOpened("f", models=("small", "other")))
    assert book.is_available("small")


def test_a_model_fails_five_times_in_a_row_and_not_four():
    book = opened("small")
    given_to(book, *[("failed", "bad_request")] * 4, ("invalid", "empty"), *[("failed", "bad_request")] * 4)
    assert book.is_available("small")
    given_to(book, ("failed", "bad_request"))
    assert book.disabled == {"small": "5 tickets in a row failed, the last one so: bad_request."}


def test_an_outage_gives_a_model_a_rest_that_grows_and_ends_with_an_answer():
    book = opened("small")
    given_to(book, *[("failed", "overloaded")] * 4)
    assert book.backoff_until == {}
    given_to(book, *[("failed", "overloaded")] * 2, first=4)
    assert book.backoff_until == {"small": 105.0 + 120.0}
    assert book.is_available("small")  # it is not given up
    given_to(book, *[("failed", "unreachable")] * 20, first=6)
    assert book.backoff_until == {"small": 125.0 + LONGEST_REST_S}
    given_to(book, ("child", ""), *[("failed", "timeout")] * 4, first=30)
    assert book.backoff_until == {"small": 125.0 + LONGEST_REST_S}  # four are not enough for another


def test_tickets_that_were_asked_before_a_rest_began_do_not_lengthen_it():
    book = opened("small")
    for ticket in range(8):  # eight in flight
        ended = Proposed(Attempt("e", ticket), "p", ProposalStatus.FAILED, reason="no.", outcome="unreachable")
        book.on_proposed(ended, "small", 100.0 + ticket, 8)
    assert book.backoff_until == {"small": 104.0 + REST_S}
    assert not book.in_vain("small")
    given_to(book, ("failed", "unreachable"), first=8)
    assert book.backoff_until == {"small": 108.0 + 2 * REST_S}
    assert book.in_vain("small")


@pytest.mark.parametrize(("ends", "vain"), [
    ([("failed", "unreachable")] * 6, True),
    ([("failed", "unreachable")] * 5, False),
    ([("failed", "cut_stream")] * 6, True),
    ([("failed", "overloaded")] * 6, False),  # a server of models asks for time
    ([("invalid", "empty"), *[("failed", "unreachable")] * 60], False),  # it has answered once
    ([("child", ""), *[("failed", "unreachable")] * 60], False),
])  # fmt: skip
def test_a_model_is_asked_in_vain_after_one_rest_if_no_model_ever_answered(ends, vain):
    book = opened("small")
    given_to(book, *ends)
    assert book.in_vain("small") == vain
    book.on_run_opened(RunOpened("f", models=("small",)))
    assert (book.in_vain("small"), book.silent) == (False, False)  # whoever mended the server may go on


def test_answers_without_a_child_are_counted_by_what_went_wrong():
    book = opened("small")
    given_to(book, ("child", ""), ("invalid", "not_found"), ("invalid", "elided"), ("invalid", "not_found"), ("duplicate", ""))
    given_to(book, ("failed", "max_tokens"), first=5)
    assert book.tickets == 6
    assert book.lost == {"not_found": 2, "elided": 1, "duplicate": 1, "max_tokens": 1}
    use = ModelUse(usd=0.5, calls=6, offered=("small",), tickets=book.tickets, lost=book.lost)
    assert "5 of 6 answers gave no child: lines to replace that are not in the file 2, text left out 1, " in models_text(
        use, Budget(usd=1.0)
    )
    assert "gave no child" not in models_text(replace(use, lost={}), Budget(usd=1.0))


def test_a_ticket_without_an_answer_is_no_answer_without_a_child():
    book = opened("small")
    given_to(book, ("invalid", "empty"), ("invalid", "not_found"), *[("failed", "over_budget")] * 7, ("failed", "not_found"))
    assert (book.tickets, book.answers, book.unanswered) == (10, 2, {"over_budget": 7, "not_found": 1})
    use = ModelUse(calls=1, offered=("small",), tickets=book.tickets, lost=book.lost, unanswered=book.unanswered)
    said = models_text(use, Budget(calls=1))
    assert (
        "; 2 of 2 answers gave no child: no edits in it 1, lines to replace that are not in the file 1; 8 tickets without" in said
    )
    assert "not sent, as a limit of the budget was reached 7, no such model or address 1" in said


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_of_an_answer_has_words(fault):
    use = ModelUse(calls=1, offered=("small",), tickets=1, lost={fault.value: 1})
    assert "_" not in models_text(use, Budget(calls=1))
    assert f": {fault.value} 1" not in models_text(use, Budget(calls=1))


def test_of_every_way_a_call_fails_it_is_known_whether_there_was_an_answer():
    answered = {"cut_stream", "no_stop_reason", "too_long", "max_tokens", "refusal", "wrong_form"}
    assert {str(kind) for kind in FailureKind} - UNANSWERED == answered


def test_what_a_cap_forbade_may_be_asked_again_under_another():
    book = opened("small")
    given_to(book, *[("failed", "over_budget")] * 6)
    assert not book.is_available("small")
    assert book.disabled == {}
    book.on_budget(Budget(usd=2.0), 6)
    assert book.is_available("small")


def test_arms_are_operators_times_models_times_formats():
    llm = LlmConfig(
        provider="anthropic", models=("a", "b"), strong_model="c", sampling=SamplingConfig(edit_formats=("diff", "file"))
    )
    found = arms_of(SearchConfig(operators=()), llm, OPERATORS)
    assert len(found) == len(set(found)) == 3 * 3 * 2 + 3 + 1
    assert [arm for arm in found if arm.operator == "llm_paradigm"] == [Arm("llm_paradigm", "c", "file")]
    assert {arm.format for arm in found if arm.operator == "llm_repair"} == {"diff"}
    assert arms_of(SearchConfig(operators=()), replace(llm, provider="none", models=()), OPERATORS) == []


def test_money_is_worth_the_time_that_the_budget_gives_it():
    search = build(usd=6.0, evaluations=None, llm=LlmConfig(provider="anthropic", models=("small",)))
    assert (slot_usd_per_hour(search.state), usd_to_seconds(search.state, 0.5), usd_to_seconds(search.state, 0.0)) == (
        1.0,
        1800.0,
        0.0,
    )
    search.run.budget = replace(search.run.budget, wall_s=7200.0)
    search.run.usage.measure_wall_s = 10.0
    assert slot_usd_per_hour(search.state) == pytest.approx(6.0 / 2.0)


def test_a_budget_of_money_alone_gives_way_to_the_problems_own_where_no_model_can_be_asked():
    own = Budget(evaluations=7)
    run = simulate(0, kind=replace(KIND, budget=own), evaluations=None)
    assert _arms.any_available(run.search.state)
    assert effective_budget(run.search.state) == run.search.run.budget
    run.search.run.model_limits.disabled = dict.fromkeys(("small", "other", "big"), "no")
    assert effective_budget(run.search.state) == replace(run.search.run.budget, evaluations=7)
    run.search.run.budget = replace(run.search.run.budget, evaluations=50)
    assert effective_budget(run.search.state).evaluations == 50


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(2, 12), st.floats(0, 0.3))
def test_propensities_sum_to_one_and_families_keep_their_floor_whatever_is_masked(data, n, floor):
    families = [data.draw(st.sampled_from("abc")) for _ in range(n)]
    bandit = Bandit([Arm(str(i)) for i in range(n)], families, discount=0.99, family_floor=floor)
    for arm, gain, cost in data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.floats(-1, 5) | st.none(), st.floats(0, 9)))):
        bandit.learn(arm, gain, cost)
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any))
    p = bandit.probabilities(mask)
    assert p.sum() == pytest.approx(1.0)
    assert all(p[i] == 0 for i in range(n) if not mask[i])
    assert all(p[i] >= bandit._floor[i] for i in range(n) if mask[i])
    for u in (0.0, 0.5, 1 - 1e-12):
        chosen, propensity = bandit.choose(mask, u)
        assert mask[chosen]
        assert propensity == p[chosen] > 0


def test_large_models_and_new_paradigms_are_asked_only_while_the_search_stagnates():
    seen = {True: set(), False: set()}
    for arrivals in range(4):
        run = simulate(arrivals, usd=None, evaluations=120)
        for _ in range(3000):
            population, before = run.search.state.population, len(run.log)
            stagnant = population.n_credited - population.leader_since >= run.search.run.llm.stagnation
            if not run.step():
                break
            arms = (s.record.arm for s in run.log[before:] if s.record.kind == "propose_issued")
            seen[stagnant] |= {arm for arm in arms if arm.model}
    special = {arm for arm in seen[True] | seen[False] if arm.model == "big" or arm.operator == "llm_paradigm"}
    assert not special & seen[False]
    assert {arm.operator for arm in special} > {"llm_paradigm"}


def test_a_repair_works_on_a_failed_child_of_a_model_and_on_each_once():
    repaired = []
    for arrivals in range(6):
        run = simulate(arrivals, usd=None, evaluations=150)
        run.run()
        rows, by_id = run.search.state.population.candidates, run.search.state.population.by_id
        issued = [s.record for s in run.log if s.record.kind == "propose_issued" and s.record.arm.operator == "llm_repair"]
        for record in issued:
            row = rows[by_id[record.parents[0]]]
            assert row.status == "crash"
            assert row.arm < 0 or run.search.state.bandit.arms[row.arm].model
            repaired.append(record)
        made = {s.record.attempt.ticket for s in run.log if s.record.kind == "proposed" and s.record.candidate}
        done = [record.parents[0] for record in issued if record.attempt.ticket in made]
        in_row = [done.count(one) for one in set(done)]
        assert max(in_row, default=0) <= 4  # those that were in flight together
    assert repaired


def test_memory_is_bounded_and_speaks_in_the_problems_own_sign():
    run = simulate(5, kind=replace(KIND, goal="minimize"), usd=None, evaluations=900)
    run.run()
    kept, population = run.search.state.memory, run.search.state.population
    assert population.n_credited > 500
    lines = kept.notes.splitlines()
    assert 10 < len(lines) <= memory.MAX_NOTES
    assert len(kept.best_changes) == len(kept.worst_changes) == memory.EFFECTS
    assert all(len(children) <= memory.CHILDREN for children in kept.children.values())
    assert kept.best_changes == sorted(kept.best_changes)
    assert all(effect.effect > 0 for effect in kept.best_changes)
    assert population.sign == -1.0
    helped = lines[lines.index("What helped most:") + 1]
    assert helped.startswith("- -"), "where less is better, a gain is a negative difference"
    hurt = lines[lines.index("What hurt most:") + 1]
    assert hurt.startswith("- +")


def test_what_is_kept_of_each_candidate_is_bounded():
    kept: dict[int, str] = {}
    for number in range(memory.KEPT + 50):
        memory._keep(kept, number, "x")
    memory._keep(kept, 60, "again")
    assert len(kept) == memory.KEPT
    assert list(kept)[-1] == 60
    assert min(kept) == 50
    assert len(memory._line("word " * 10_000)) <= memory._WORDS


@given(st.text(max_size=3000), st.booleans())
def test_any_text_is_packed_against_a_program_or_alone_and_comes_back(tmp_path_factory, text, against):
    text = text.encode("utf-8", "replace").decode()
    store = _store(tmp_path_factory)
    packed = store.pack(text, "seed" if against else "nobody")
    assert packed.base == ("seed" if against else "")
    assert store.unpack(packed) == text


def _store(factory, cache=[]):  # noqa: B006
    if not cache:
        script = Script(seed_files={"main.py": "X = 1.5\n" * 50}, answer=scored(lambda files, seed: 1.0))
        run = Harness(script, factory.mktemp("packed"))
        store = run.texts
        store._places["seed"] = store._places[run.search.state.population.candidates[0].id]
        store._cache["seed"] = store._content(run.search.state.population.candidates[0].id)
        cache += [store, run]
    return cache[0]


def test_a_text_that_cannot_be_encoded_is_kept_with_question_marks(tmp_path):
    store = TextStore(tmp_path)
    assert store.unpack(store.pack("a\udc80b")) == "a?b"


def test_an_assignment_holds_no_seed_no_vault_and_nothing_of_the_evaluator(tmp_path):
    script = Script(
        seed_files={"main.py": "X = 1.5\nY = 2.5\n"}, answer=scored(lambda files, seed: 1.0 + (seed % 7) * 0.01), seed=918273645,
        contract=plain_contract(("main.py",), noisy=True), llm=LlmConfig(),
    )  # fmt: skip
    with Harness(script, tmp_path / "run") as run:
        run.search.run.budget = Budget(evaluations=60)
        run.drive()
        population = run.search.state.population
        issued = ProposeIssued(
            Attempt("e", 10_000), "p", Arm("llm_mutate", "m", "diff"), (population.candidates[-1].id,), baseline=1.25
        )
        told = repr(run.proposer.context(run.search.state, issued, 0.0))
        seeds = {str(one.seed) for row in population.candidates for one in row.fingerprints}
        assert seeds
        assert not [seed for seed in seeds if seed in told]
        for word in ("918273645", "vault", "evaluator", str(tmp_path), "propensity", "baseline"):
            assert word not in told, word
        assert "X = " in told


def simplified(gain: float):
    """A search whose leader was simplified: rows of the leader and of the shorter child, whose score differs by ``gain``."""
    run = simulate(2, usd=None, evaluations=30)
    run.run()
    run.raise_budget(9.0, 90)
    search, population = run.search, run.search.state.population
    leader = population.leader
    assert leader
    arm = next(arm for arm in search.state.bandit.arms if arm.operator == "llm_simplify")
    issued = ProposeIssued(
        search.run.tickets.next_attempt(),
        search.state.problem,
        arm,
        (population.candidates[leader].id,),
        baseline=population.score(leader),
    )
    run.write(issued)
    child = Candidate("short", "short", PackedText(""), issued.parents, 5, descriptors=population.candidates[leader].descriptors)
    run.write(search.accept_proposal(ProposalResult(issued.attempt, ProposalStatus.CHILD, candidate=child)))
    run.values["short"] = 0.0
    score = population.score(leader) + gain
    run.measure = lambda block, index: Measurement("short", "stage0", block.entries[index].seed, Status.OK, score)
    while not population.candidates[-1].credited:
        block = search.ask(run.now, room=1, entropy=run.entropy)
        assert isinstance(block, MeasureIssued)
        run.write(block)
        run.finish(block)
    return search, leader, len(population.candidates) - 1


def test_a_shorter_child_that_is_as_good_takes_the_place_of_its_parent():
    search, parent, child = simplified(0.0)
    cells = search.state.population.archives[0].cells
    assert (parent in cells, child in cells, search.state.population.leader) == (False, True, child)


def test_a_shorter_child_that_is_worse_does_not():
    search, parent, child = simplified(-0.01)
    cells = search.state.population.archives[0].cells
    assert (parent in cells, child in cells, search.state.population.leader) == (True, False, parent)


def test_a_ticket_of_an_earlier_budget_does_not_say_that_the_new_one_is_used_up():
    run = simulate(2, usd=0.02, evaluations=60)
    search = run.search
    while not run.asked:
        run.step()
    issued, _ = run.asked.pop()
    run.raise_budget(5.0, 90)
    run.write(search.accept_proposal(ProposalResult(issued.attempt, ProposalStatus.FAILED, reason="cap", outcome="over_budget")))
    assert search.run.model_limits.is_available(issued.arm.model)
