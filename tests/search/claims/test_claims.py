"""Claims of a whole search: what opens a vault, what it rests on, and that its numbers follow from the records alone."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from simulation import PROBLEM, Simulation, _candidate, build, contract, hash_of, state

from archive import (
    Attempt,
    BlockClosed,
    BlockStatus,
    BudgetSet,
    ChampionChanged,
    Claim,
    ConfirmationOpened,
    Measured,
    MeasureIssued,
    Measurement,
    ProposalStatus,
    Proposed,
    Purpose,
    Retraction,
    StartMode,
    Status,
)
from evolve.confirm import SIZES, Confirmations
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search._stopping import search_is_over
from evolve.search.claims._claims import claims_of, doubt
from evolve.search.claims._doubts import Doubts
from evolve.views._summary import NOT_BETTER, best_candidate, evidence_label, gain_of, gain_se


@pytest.mark.parametrize("arrivals", [24, 27])
def test_that_the_best_changes_to_the_end_does_not_leave_a_run_without_a_vault(arrivals):
    """The runs that lead to a vault are not handed to one program after another, as each is the best for a moment."""
    run = Simulation(build(contract(noisy=True), policy="auto", evaluations=160), np.random.default_rng(arrivals), noise=0.1)
    run.begin()
    run.run()
    (opened, *_) = [stamped.record for stamped in run.log if isinstance(stamped.record, ConfirmationOpened)]
    assert opened.over.startswith("budget.")


def test_a_vault_asks_for_a_second_machine_where_it_is_to_have_one():
    for asked in ("false", "true"):
        search = build(contract(noisy=True), policy="auto", evaluations=160, second_machine=asked)
        run = Simulation(search, np.random.default_rng(0), noise=0.1)
        run.begin()
        run.run()
        blocks = [one.record for one in run.log if isinstance(one.record, MeasureIssued) and one.record.purpose is Purpose.VAULT]
        assert blocks
        assert {block.needs.elsewhere for block in blocks} == {asked == "true"}


class Planted(Simulation):
    """True values: a cosine of the candidate's number (``flat``: none is better), plus noise."""

    flat = False
    ignores_seed = False
    drift = 0.0
    count = 0

    def measure(self, issued, index):
        result = super().measure(issued, index)
        if result.score is None:
            return result
        self.count += 1
        score = result.score + self.drift * (1 - math.cos(self.count / 40))
        if self.flat:
            seed = 0 if self.ignores_seed and result.candidate != "seed" else result.seed
            score = self.noise * float(np.random.default_rng([seed % 2**32, len(result.candidate)]).standard_normal())
        output = "same" if self.ignores_seed and result.candidate != "seed" else f"{result.seed}"
        return type(result)(**{**{f: getattr(result, f) for f in result.__slots__}, "score": score, "output_hash": output})


def planted(*, evaluations=400, noise=0.1, seed=0, policy="map_elites", losses=0.0, **traits) -> Planted:
    search = build(contract(noisy=True), policy=policy, evaluations=evaluations, seed=seed)
    run = Planted(search, np.random.default_rng(seed), noise=noise, wrongs=0.02, losses=losses)
    for name, value in traits.items():
        setattr(run, name, value)
    run.begin()
    return run


def of(run, kind):
    return [stamped.record for stamped in run.log if isinstance(stamped.record, kind)]


@pytest.fixture(scope="module")
def ended() -> Planted:
    run = planted()
    run.run()
    return run


@pytest.mark.parametrize("children", [1, 3])
def test_a_run_that_nothing_limits_brings_what_was_given_to_a_claim(children):
    run = planted(evaluations=None, policy="fixed_candidates")
    run.run()
    for n in range(children):
        child = _candidate(f"child{n}", f"child{n}", 0.6 + 0.15 * n, ("seed",), 1)
        run.values[child.id] = 0.6 + 0.15 * n
        run.write(Proposed(Attempt(run.epoch, 100 + n), PROBLEM, ProposalStatus.CHILD, candidate=child))
        run.open()
        run.run()
        assert search_is_over(run.search.state, run.now)
    assert len(claims_of(run.search.state)) == children
    assert run.search.run.usage.evaluations < 150 * (children + 1)


def test_a_real_improvement_is_confirmed_and_reported(ended):
    held = claims_of(ended.search.state)
    assert held
    best = best_candidate(ended.search.state)
    assert evidence_label(ended.search.state, best) == "confirmed"
    assert ended.search.state.champion_test.reference == best
    truth = {name: math.cos(3 * (value - 1)) for name, value in ended.values.items()}
    assert truth[ended.search.state.population.candidates[best].id] > truth["seed"] + 0.3


def test_sizes_and_seeds_are_on_record_before_a_vaults_first_run(ended):
    opened, known = {}, set()
    searched = {
        entry.seed for record in of(ended, MeasureIssued) if record.purpose is not Purpose.VAULT for entry in record.entries
    }
    for stamped in ended.log:
        record = stamped.record
        if isinstance(record, ConfirmationOpened):
            opened[record.vault] = record
            assert not set(record.seeds) & (known | searched)  # nobody could have looked before
            known |= set(record.seeds)
        elif isinstance(record, MeasureIssued) and record.purpose is Purpose.VAULT:
            assert {entry.seed for entry in record.entries} <= known
    assert opened
    assert len(known) == sum(len(record.seeds) for record in opened.values())


def test_a_claims_numbers_follow_from_the_records_alone(ended):
    scores = {
        (record.result.candidate, record.result.seed): record.result.score
        for record in of(ended, Measured)
        if record.purpose is Purpose.VAULT
    }
    opened = {record.vault: record for record in of(ended, ConfirmationOpened)}
    for claim in {record.vault: record for record in of(ended, Claim)}.values():
        vault = opened[claim.vault]
        bank = opened[vault.bank]
        n, (k, j) = vault.gate[0], bank.estimate
        ours = [scores.get((vault.candidate, seed)) for seed in vault.seeds[: n + k]]
        theirs = [scores.get((vault.reference, seed)) for seed in bank.seeds[bank.gate[0] + bank.estimate[0] :]]
        gate = stats.ttest_ind(ours[:n], theirs[: bank.gate[1]], equal_var=False, alternative="greater")
        assert claim.p_value == pytest.approx(gate.pvalue, rel=1e-6)
        if claim.effect is not None:
            rest = stats.ttest_ind(ours[n:], theirs[bank.gate[1] : bank.gate[1] + j], equal_var=False)
            low, high = rest.confidence_interval(0.95)
            assert claim.effect == pytest.approx(np.mean(ours[n:]) - np.mean(theirs[bank.gate[1] :]))
            assert (claim.ci_low, claim.ci_high) == pytest.approx((low, high))
            assert claim.median == pytest.approx(np.median(ours[n:]) - np.median(theirs[bank.gate[1] :]))
            assert 0.0 < claim.span_s < 100.0


def test_what_vaults_cost_stays_within_what_was_set_aside(ended):
    spent = sum(len(record.entries) for record in of(ended, MeasureIssued) if record.purpose is Purpose.VAULT)
    assert 0 < spent <= 0.3 * 400
    assert ended.search.run.usage.evaluations <= 400


def test_blocks_of_a_vault_hold_reference_and_candidate(ended):
    blocks = [record for record in of(ended, MeasureIssued) if record.purpose is Purpose.VAULT and len(record.entries) > 2]
    assert blocks
    for block in blocks:
        assert len({entry.candidate for entry in block.entries}) > 1


def test_the_title_goes_to_whom_the_record_names(ended):
    titles = of(ended, ChampionChanged)
    assert titles
    assert all(record.e_value >= 20 for record in titles)
    assert all(before.candidate == after.predecessor for before, after in pairwise(titles))
    assert ended.search.state.population.candidates[ended.search.state.champion_test.champion].id == titles[-1].candidate


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**20), st.sampled_from(["map_elites", "hill_climb", "independent"]))
def test_replay_and_snapshots_keep_titles_and_vaults(seed, policy):
    run = planted(seed=seed, policy=policy, evaluations=300, losses=0.05)
    run.run()
    again = build(contract(noisy=True), policy=policy, evaluations=300, seed=seed)
    cut = len(run.log) // 2
    for stamped in run.log[:cut]:
        again.apply(stamped)
    arrays: list[np.ndarray] = []
    tree = dump_state(again, arrays)
    fresh = build(contract(noisy=True), policy=policy, evaluations=300, seed=seed)
    load_state(fresh, tree, arrays)
    assert state(fresh) == state(again)
    for stamped in run.log[cut:]:
        fresh.apply(stamped)
    assert state(fresh) == state(run.search)
    arrays = []
    last = build(contract(noisy=True), policy=policy, evaluations=300, seed=seed)
    load_state(last, dump_state(run.search, arrays), arrays)
    assert state(last) == state(run.search)
    assert last.state.champion_test.earlier_references == run.search.state.champion_test.earlier_references


def test_a_run_killed_while_a_vault_is_at_work_goes_on_with_it():
    run = planted(seed=3)
    while not (run.search.state.confirmations.has_open and any(block.purpose is Purpose.VAULT for block in run.in_hand)):
        assert run.step()
    seeds = {
        seed for vault in run.search.state.confirmations.confirmations for seed in (*vault.candidate_seeds, *vault.control_seeds)
    }
    run.open()
    run.run()
    assert not run.search.state.confirmations.has_open
    measured = [r.result.seed for r in of(run, Measured) if r.purpose is Purpose.VAULT and r.result.seed in seeds]
    assert len(measured) == len(set(measured))


@pytest.mark.parametrize("noise", [0.05, 1.0])
@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 12), marks=pytest.mark.slow)], ids=["few", "more"])
def test_where_nothing_is_better_nothing_is_claimed(noise, seeds):
    claims = 0
    for seed in seeds:
        run = planted(seed=seed, flat=True, noise=noise, evaluations=250)
        run.run()
        claims += len(claims_of(run.search.state))
    assert claims == 0


@pytest.mark.slow
def test_a_machine_that_drifts_makes_no_false_claims():
    claims = 0
    for seed in range(8):
        run = planted(seed=seed, noise=0.1, drift=0.5, evaluations=300)
        run.run()
        truth = {name: math.cos(3 * (value - 1)) for name, value in run.values.items()}
        for vault in claims_of(run.search.state):
            rows = run.search.state.population.candidates
            claims += 1
            assert truth[rows[vault.candidate].id] > truth[rows[vault.reference].id]
    assert claims > 5


class Odd(Planted):
    """Worlds whose runs depend on more than program and seed: nobody is better, and some look so."""

    world = ""

    def measure(self, issued, index):
        result = super().measure(issued, index)
        if result.score is None:
            return result
        age = self.ages[result.candidate] = self.ages.get(result.candidate, 0) + 1
        rng = np.random.default_rng([result.seed % 2**32, len(result.candidate)])
        score = 0.1 * float(rng.standard_normal())
        if self.world == "gamblers" and result.candidate != "seed" and hash_of(result.candidate) % 5 == 0:
            score += 0.5 - 10.0 * (rng.random() < 0.05)
        if self.world == "age":
            score -= 0.1 * math.log2(age)
        return type(result)(**{**{f: getattr(result, f) for f in result.__slots__}, "score": score})


@pytest.mark.parametrize("world", [pytest.param("gamblers", marks=pytest.mark.slow), "age"])
def test_what_only_rare_losses_or_age_explain_is_hardly_ever_claimed(world):
    claims = withheld = 0
    for seed in range(4):
        search = build(contract(noisy=True), policy="independent", evaluations=500, seed=seed)
        run = Odd(search, np.random.default_rng(seed), wrongs=0.0)
        run.world, run.noise, run.ages = world, 0.0, {}
        run.begin()
        run.run()
        claims += len(claims_of(search.state))
        withheld += sum(
            vault.effect is not None and vault.effect.effect > 0 and not vault.confirmed
            for vault in search.state.confirmations.confirmations
        )
    assert claims <= 1  # before three programs have shown a loss nobody knows of any
    assert withheld >= 2


@pytest.fixture(scope="module")
def large() -> Planted:
    run = planted(evaluations=600, seed=2)
    run.run()
    return run


def test_the_panel_is_the_same_programs_at_moments_over_the_search_and_whose_vault_found_something(large):
    search, rows = large.search, large.search.state.population.candidates
    rounds = [record for record in of(large, MeasureIssued) if record.purpose is Purpose.PANEL]
    members = {rows[number].id for number in search.state.panel.members}
    found = {rows[vault.candidate].id for vault in search.state.confirmations.confirmations if vault.effect is not None}
    seen = [{entry.candidate for entry in record.entries} for record in rounds]
    assert len(rounds) >= 6
    assert "seed" in members
    assert all(members <= one <= members | found for one in seen)
    assert seen[0] == members
    assert any(one > members for one in seen)
    assert len({tuple(entry.candidate for entry in record.entries) for record in rounds[:4]}) > 1


def test_the_comparison_of_a_vault_is_made_again_at_every_later_moment(large):
    search = large.search
    vault = next(vault for vault in search.state.confirmations.confirmations if vault.effect is not None)
    later = search.state.panel.after(vault.number, vault.candidate, vault.reference)
    assert [moment for moment, _, _ in later] == list(range(1, len(later) + 1))
    assert len(later) >= 2
    assert all(len(ours) == len(theirs) == 2 for _, ours, theirs in later)


def test_a_claim_is_withheld_where_programs_score_differently_at_another_moment(large):
    search = large.search
    vault = claims_of(search.state)[0]
    assert Doubts(search.state)(vault).why == ""
    before = search.state.panel.runs
    rng = np.random.default_rng(0)
    own = {(number, moment): 9.0 * rng.standard_normal() for number, moment, _ in before}  # memory, of programs and moments
    search.state.panel.runs = [(number, moment, score + own[number, moment]) for number, moment, score in before]
    try:
        assert "score differently at another moment" in Doubts(search.state)(vault).why
    finally:
        search.state.panel.runs = before


def test_a_block_that_compares_measures_the_reference_first_as_whoever_has_a_block_alone(ended):
    pairs = [r for r in of(ended, MeasureIssued) if r.purpose is Purpose.REMEASURE and len(r.entries) > 1]
    assert pairs
    assert all(record.entries[0].seed == record.entries[1].seed for record in pairs)
    champions = {"seed", *(record.candidate for record in of(ended, ChampionChanged))}
    assert all(record.entries[0].candidate in champions for record in pairs)


def test_runs_of_a_vault_are_in_drawn_order(ended):
    references = {record.reference for record in of(ended, ConfirmationOpened)}
    blocks = [r for r in of(ended, MeasureIssued) if r.purpose is Purpose.VAULT and len(r.entries) > 2]
    assert len({record.entries[0].candidate in references for record in blocks}) == 2


def test_a_candidate_that_ignores_its_seed_is_never_claimed():
    run = planted(flat=True, ignores_seed=True, noise=1.0)
    run.run()
    assert claims_of(run.search.state) == []
    assert run.search.state.population.failures.get(Status.REJECTED, 0) > 0


def test_a_lost_run_of_a_vault_loses_the_claim():
    run = planted(seed=3)
    lost = 0
    while run.step():
        for block in list(run.in_hand):
            vaults = [vault for vault in run.search.state.confirmations.has_open if vault.candidate]
            names = {run.search.state.population.candidates[vault.candidate].id for vault in vaults}
            index = next((i for i, entry in enumerate(block.entries) if entry.candidate in names), None)
            if block.purpose is Purpose.VAULT and index is not None and not lost:
                run.in_hand.remove(block)
                lost += 1
                for record in run.search.accept_block(
                    block.attempt, BlockStatus.LOST, skipped=(), drift=None, reason="power", lost=index
                ):
                    run.write(record)
                loser = block.entries[index].candidate
    assert lost
    ruled = [record for record in of(run, Claim) if record.candidate == loser]
    assert not ruled[0].confirmed
    assert "lost" in ruled[0].reason


def test_a_drifting_machine_gives_no_evidence_for_a_claim_about_time():
    run = planted()
    block = next(record for record in _until_vault(run))
    (closed,) = run.search.accept_block(block.attempt, BlockStatus.OK, skipped=(), drift=0.03, reason="", lost=None)
    assert isinstance(closed, BlockClosed)
    assert closed.status is BlockStatus.VOID


def _until_vault(run):
    while not any(block.purpose is Purpose.VAULT for block in run.in_hand):
        assert run.step()
    return [block for block in run.in_hand if block.purpose is Purpose.VAULT]


def test_a_retracted_candidate_leaves_its_title_its_place_and_its_claim():
    run = planted()
    run.run()
    search = run.search
    best = best_candidate(search.state)
    id_ = search.state.population.candidates[best].id
    heirs = [heir for heir in search.state.population.descendants(best) if heir in search.state.population.archives[0].cells]
    run.open()
    run.write(Retraction(problem=PROBLEM, candidate=id_, why="it read the answer"))
    assert search.state.champion_test.reference != best != search.state.champion_test.champion
    assert best not in search.state.population.archives[0].cells
    assert best_candidate(search.state) != best
    assert [vault.withdrawn for vault in search.state.confirmations.confirmations if vault.candidate == best] == [True]
    assert set(heirs) <= set(search.state.to_reverify) <= set(search.state.population.descendants(best))


@pytest.mark.slow
def test_who_descends_from_a_cheat_or_was_compared_with_one_is_suspect_and_measured_again():
    """However it is asked for: a claim that rests on a retracted candidate is never called confirmed without more."""
    seen = set()
    for seed in range(6):
        if len(seen) == 2:
            break
        run = planted(evaluations=500, seed=seed, noise=0.3, policy=("hill_climb", "independent")[seed % 2])
        run.run()
        search = run.search
        for vault in claims_of(search.state):
            ancestors = [one for one in range(1, vault.candidate) if vault.candidate in search.state.population.descendants(one)]
            cheats = {vault.reference, *ancestors[-1:]} - {0}
            twice = sum(one.candidate == vault.candidate for one in claims_of(search.state)) > 1
            if not cheats or twice:  # against another reference its claim holds
                continue
            cheat = min(cheats)
            run.open()
            run.write(Retraction(problem=PROBLEM, candidate=search.state.population.candidates[cheat].id, why="it read the answer"))
            seen.add(doubt(search.state, vault))
            assert evidence_label(search.state, vault.candidate) == "confirmed, but suspect"
            if "descends" in doubt(search.state, vault):
                before = search.state.population.n_measured(vault.candidate)
                assert vault.candidate in search.state.to_reverify
                run.write(BudgetSet(evaluations=600))
                run.run()
                assert vault.candidate not in search.state.to_reverify
                assert (
                    search.state.population.n_measured(vault.candidate) > before
                    or search.state.population.score(vault.candidate) is None
                )
            break
    assert seen == {"descends from a retracted candidate", "was compared with a candidate that is retracted now"}


def test_evidence_is_that_of_the_moment_when_a_vault_opens(ended):
    """The records up to an opening give its e-value."""
    search = build(contract(noisy=True), evaluations=400, seed=0)
    compared = 0
    for stamped in ended.log:
        record = stamped.record
        if isinstance(record, ConfirmationOpened):
            evidence = search.state.champion_test.evidence(search.state.population.by_id[record.candidate], search.state.population)
            assert record.e_value == pytest.approx(math.exp(min(evidence, 700.0)), rel=1e-9)
            compared += 1
        search.apply(stamped)
    assert compared


def test_a_lucky_elite_loses_its_cell_when_it_is_measured_again():
    run = planted(noise=0.3, evaluations=30, seed=5)
    run.run()
    population = run.search.state.population
    cell, _, steady = next(iter(population.archives[0].cells.items()))
    row = population.candidates[steady]
    lucky = population.add(
        type(people_candidate(run, row.id))(
            "lucky", "lucky", people_candidate(run, row.id).text, (row.id,), 1, descriptors=dict(row.descriptors)
        ),
        arm=0,
        ticket=9999,
        tuner=-1,
        baseline=None,
    )
    bad = population.posterior(steady)[0] - 1.0
    for i, score in enumerate([bad + 4.0, *[bad] * 12]):
        population.add_measurement(lucky, Measurement("lucky", "stage0", 10_000 + i, Status.OK, score, start=StartMode.COLD))
        if i == 0:
            assert population.archives[0].cells.occupants(cell) == (lucky,)
    assert lucky not in population.archives[0].cells
    assert population.archives[0].cells.occupants(cell) == (steady,)


def people_candidate(run, id_):
    return next(record.candidate for record in of(run, Proposed) if record.candidate is not None and record.candidate.id == id_)


def test_a_budget_without_room_for_a_vault_ends_unconfirmed_with_final_runs():
    run = planted(evaluations=60)
    run.run()
    state = run.search.state
    assert state.confirmations.confirmations == []
    assert len(state.final_scores) == 10
    assert evidence_label(state, best_candidate(state)) in ("champion, unconfirmed", "better so far, unconfirmed", "")
    initial = state.population.candidates[0].id
    (finalist,) = {id_ for id_, _ in state.final_scores} - {initial}
    for level, stands in ((-9.0, initial), (9.0, finalist)):  # it stands by what the final runs show
        state.final_scores = [(id_, level if id_ == finalist else 0.0) for id_, _ in state.final_scores]
        assert state.population.candidates[best_candidate(state)].id == stands
        number = state.population.by_id[finalist]
        assert gain_of(state, number) == level  # and its gain is theirs, not what was seen while searching
        assert gain_se(state, number) == 0.0
        assert (evidence_label(state, number) == NOT_BETTER) == (level < 0)
        assert gain_se(state, 0) is None


@pytest.mark.parametrize("seed", [8, 11])
def test_a_run_stands_by_the_program_of_its_final_runs_while_they_are_made(seed: int):
    run = planted(evaluations=60, policy="auto", seed=seed)
    run.run()
    state = run.search.state
    finalist, _ = state.final_comparison
    state.final_comparison, population = (finalist, 2), state.population
    assert population.candidates[population.leader].id != finalist
    assert population.candidates[best_candidate(state)].id == finalist


def test_what_was_set_aside_and_is_of_no_use_goes_back_to_the_search():
    """At most the smallest vault is kept to the end for nobody, and nothing beyond the budget is spent."""
    smallest = SIZES[0].n_candidate + SIZES[0].n_control
    for seed in range(8):
        run = planted(evaluations=160, noise=0.3, seed=seed)
        run.run()
        assert run.search.run.usage.evaluations <= 160
        if not run.search.state.confirmations.confirmations:
            assert run.search.run.usage.evaluations >= 160 - smallest


def test_an_empty_docket_expects_nothing():
    assert Confirmations().expected_false == 0.0
    assert Confirmations().next_runs() == []
    assert Confirmations().decisions() == []
