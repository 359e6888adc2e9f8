"""Who holds the title, who contends for it, what claims are made against."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import RunningStats
from evolve.confirm import E_CHAMPION, E_CLAIM, MIN_DF, MIN_RUNS_CHAMPION, MIN_RUNS_CLAIM, ChampionTest, rank


class World:
    """Candidates with known values; every run is observed by the test of champions."""

    def __init__(self, values, *, titled=True, sd=1.0, seed=0, df=100):
        self.values, self.sd, self.df, self.noise = values, sd, df, sd * sd
        self.rng = np.random.default_rng(seed)
        self.all_stats: dict[int, RunningStats] = {}
        self.failed: set[int] = set()
        self.champion_test = ChampionTest(keeps_champion=titled)

    def noise_of(self, number):
        return self.noise

    def stats(self, number):
        return None if number in self.failed else self.all_stats.get(number)

    def run(self, number, times=1):
        for _ in range(times):
            score = self.values[number] + self.sd * float(self.rng.standard_normal())
            self.all_stats.setdefault(number, RunningStats()).add(score)
            self.champion_test.on_measured(number, score, self)

    def fail(self, number):
        self.failed.add(number)
        self.champion_test.on_failed(number, self)

    def step(self, fresh=16):
        due = self.champion_test.next_to_measure((), 1, fresh=fresh)
        for number in due:
            self.run(number)
        found = self.champion_test.challenger(self)
        if found is not None:
            self.champion_test.promote(found[0], self)
        return bool(due)


def test_a_better_program_takes_the_title_and_everyones_evidence_restarts():
    world = World({0: 0.0, 1: 3.0, 2: 3.0})
    world.run(0, 6)
    world.run(2)
    world.run(1, 5)
    number, e_value = world.champion_test.challenger(world)
    assert number == 1
    assert e_value >= E_CHAMPION
    world.champion_test.promote(1, world)
    assert (world.champion_test.champion, world.champion_test.previous_champion) == (1, 0)
    assert world.champion_test.champion_runs.n == 0  # those it was chosen for do not count
    assert world.champion_test.challenger(world) is None
    assert all(value == 0.0 for value in world.champion_test.contenders.values())


def test_a_lucky_champion_loses_the_title_to_its_predecessor():
    lost = 0
    for seed in range(30):
        world = World({0: 0.0, 1: -1.5}, seed=seed)
        world.run(0, 8)
        world.run(1)
        world.champion_test.promote(1, world)
        while world.step():
            pass
        lost += world.champion_test.champion == 0
    assert lost >= 27


def test_the_champion_is_measured_before_anyone_else():
    world = World({0: 0.0, 1: 0.5})
    world.run(0, 2)
    world.run(1)
    assert world.champion_test.next_to_measure((), 2, fresh=8) == [0, 1]
    assert world.champion_test.next_to_measure((0,), 2, fresh=8) == [1]
    world.run(0, 6)
    assert 0 not in world.champion_test.next_to_measure((), 2, fresh=8)


@pytest.mark.parametrize("titled", [True, False])
def test_one_lucky_run_is_not_enough_for_a_title_or_a_vault(titled):
    world = World({0: 0.0, 1: 30.0}, titled=titled)
    world.run(0, 20)
    for n in range(1, MIN_RUNS_CLAIM + 1):
        world.run(1)
        assert (world.champion_test.challenger(world) is not None) == (titled and n >= MIN_RUNS_CHAMPION)
        assert (1 in world.champion_test.qualified) == (n >= MIN_RUNS_CLAIM)


def test_what_scatters_far_more_than_others_is_judged_by_its_own_noise():
    class Wild(World):
        def noise_of(self, number):
            return 900.0 if number == 1 else self.noise

    world = Wild({0: 0.0, 1: 8.0, 2: 8.0})
    world.run(0, 20)
    world.run(1, 6)
    world.run(2, 6)
    assert 2 in world.champion_test.qualified
    assert 1 not in world.champion_test.qualified


def test_who_is_worse_is_given_up_and_not_measured_again():
    world = World({0: 0.0, **dict.fromkeys(range(1, 40), -2.0)})
    world.run(0, 20)
    for number in range(1, 40):
        world.run(number)
    spent = 0
    while world.step():
        spent += 1
    assert world.champion_test.contenders == {}
    assert spent < 40
    assert world.champion_test.champion == 0


def test_who_is_far_behind_is_given_up_even_while_the_champion_is_new():
    world = World({0: 0.0, 1: 3.0, 2: -60.0, 3: 2.5})
    world.run(0, 6)
    world.run(1, 5)
    world.champion_test.promote(1, world)
    world.run(2)
    world.run(3)
    assert 2 not in world.champion_test.contenders
    assert 3 in world.champion_test.contenders  # a few sd say little about so new a champion


def test_the_champion_itself_qualifies_by_the_runs_it_makes_as_champion():
    world = World({0: 0.0, 1: 2.0})
    world.run(0, 12)
    world.run(1)
    world.champion_test.promote(1, world)
    assert world.champion_test.qualified == {}
    world.run(1, 10)
    assert list(world.champion_test.qualified) == [1]
    world.run(0, 2)  # the reference's runs count too
    assert world.champion_test.qualified[1] == world.champion_test.evidence(1, world)


@pytest.mark.parametrize("titled", [True, False])
def test_only_who_has_evidence_of_300_against_the_reference_qualifies(titled):
    world = World({0: 0.0, 1: 4.0, 2: 0.0}, titled=titled)
    world.run(0, 20)
    for _ in range(12):
        world.run(1)
        world.run(2)
        for number in (1, 2):
            evident = world.champion_test.evidence(number, world) >= math.log(E_CLAIM)
            assert (number in world.champion_test.qualified) == (evident and world.stats(number).n >= MIN_RUNS_CLAIM)
    assert rank(world.champion_test.qualified) == [1]


def test_a_qualified_candidate_goes_on_until_the_noise_is_known_well_enough():
    for df, waits in ((10, True), (20, False)):
        world = World({0: 0.0, 1: 6.0}, titled=False, df=df)
        world.run(0, 10)
        world.run(1, 6)
        assert 1 in world.champion_test.qualified
        assert (1 in world.champion_test.contenders) is waits


def test_what_is_confirmed_is_what_others_must_beat():
    world = World({0: 0.0, 1: 3.0, 2: 3.1}, titled=False)
    world.run(0, 20)
    world.run(1, 12)
    world.run(2, 12)
    assert set(world.champion_test.qualified) == {1, 2}
    fresh = RunningStats()
    for _ in range(12):
        fresh.add(3.0)
    world.champion_test.on_confirmed(1, fresh, world)
    assert world.champion_test.reference == 1
    assert world.champion_test.qualified == {}


def test_a_reference_found_to_cheat_gives_way_to_the_one_before_with_its_runs():
    world = World({0: 0.0, 1: 3.0})
    world.run(0, 20)
    world.run(1, 12)
    world.champion_test.promote(1, world)
    world.champion_test.on_confirmed(1, RunningStats(12, 3.0, 11.0), world)
    world.fail(1)
    assert (world.champion_test.reference, world.champion_test.champion) == (0, 0)
    assert world.champion_test.reference_runs.n == 20
    assert world.champion_test.contenders == {}


def test_two_runs_at_one_seed_make_a_pair():
    world = World({0: 0.0, 1: 0.0})
    champion_test = world.champion_test
    for i in range(40):
        shared = float(world.rng.standard_normal())
        champion_test.add_paired_run(i, 1, shared + 0.1)
        champion_test.add_paired_run(i, 0, shared)
    assert champion_test.pairs[0][0] == 1
    assert champion_test.is_paired
    champion_test.add_paired_run(99, 5, 0.0)
    champion_test.add_paired_run(99, 6, 0.0)  # neither is whom candidates are compared with
    assert all(who == 1 for who, _, _ in champion_test.pairs)


@given(st.integers(0, 2**32), st.booleans())
def test_failed_candidates_are_out_for_good(seed, titled):
    rng = np.random.default_rng(seed)
    world = World({number: float(rng.normal()) for number in range(6)}, titled=titled, seed=seed % 1000)
    world.run(0, 5)
    for _ in range(60):
        number = int(rng.integers(6))
        if number and rng.random() < 0.05:
            world.fail(number)
        elif number not in world.failed:
            world.run(number)
        found = world.champion_test.challenger(world)
        if found is not None:
            world.champion_test.promote(found[0], world)
        test = world.champion_test
        assert not world.failed & {*test.contenders, *test.qualified, test.champion, test.reference}
        assert test.champion not in test.contenders


@pytest.mark.parametrize(("df", "given_up"), [(MIN_DF - 1, False), (MIN_DF, True)])
def test_nobody_who_is_compared_with_the_reference_is_given_up_before_the_noise_is_known(df, given_up):
    world = World({0: 0.0, 1: -5.0}, titled=False, df=df)
    world.run(0, 4)
    world.run(1, 4)
    assert (1 not in world.champion_test.contenders) == given_up
