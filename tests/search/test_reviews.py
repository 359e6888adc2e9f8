"""Whoever is best is read once; a search waits for no review, and a new driver asks again where nothing was said."""

from __future__ import annotations

import numpy as np
from simulation import Simulation, build, contract, state

from archive import LogEntry, MeasureIssued, ProposeIssued, Reviewed, ReviewIssued, StopRequested
from evolve.config._llm import JudgeConfig, LlmConfig
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search._reviews import unanswered
from evolve.search._search import Search


def judged() -> Search:
    search = build(contract())
    search.run.llm = LlmConfig(judge=JudgeConfig(model="j"))
    return search


def begun() -> Simulation:
    """With a leader that is not the initial program, about whom nobody was asked."""
    driver = Simulation(judged(), np.random.default_rng(1))
    driver.begin()
    while not driver.search.state.population.leader:
        driver.step()
    return driver


def issue(driver: Simulation) -> ReviewIssued:
    issued = driver.search.review()
    assert issued is not None
    driver.write(issued)
    return issued


def test_the_initial_program_is_not_read_nor_anybody_without_a_judge() -> None:
    driver = Simulation(judged(), np.random.default_rng(1))
    driver.begin()
    while driver.search.state.population.leader is None:
        driver.step()
    assert driver.search.review() is None
    driver = begun()
    driver.search.run.llm = LlmConfig()
    assert driver.search.review() is None


def test_a_review_has_a_ticket_of_its_own_and_the_search_goes_on_while_it_is_open() -> None:
    driver = begun()
    issued = issue(driver)
    assert driver.search.review() is None
    driver.run()
    tickets = {one.record.attempt.ticket for one in driver.log if isinstance(one.record, ProposeIssued | MeasureIssued)}
    assert issued.attempt.ticket not in tickets
    assert driver.search.done(driver.now) == "budget.evaluations"
    assert issued.attempt.ticket in driver.search.run.tickets.reviews


def test_who_was_read_is_not_read_again_and_about_whom_nothing_was_said_in_another_opening() -> None:
    driver = begun()
    first = issue(driver)
    driver.write(unanswered(first, "away"))
    assert driver.search.review() is None
    driver.open()
    second = issue(driver)
    assert (second.candidate, second.attempt.ticket > first.attempt.ticket) == (first.candidate, True)
    driver.open()
    driver.write(unanswered(second, "its driver ended"))
    third = issue(driver)
    assert third.candidate == first.candidate
    driver.write(Reviewed(third.attempt, third.problem, third.candidate, "honest"))
    driver.open()
    assert driver.search.review() is None


def test_a_run_that_is_told_to_stop_begins_no_review() -> None:
    driver = begun()
    driver.write(StopRequested("enough"))
    assert driver.search.review() is None


def test_replay_and_a_checkpoint_give_the_reviews_back() -> None:
    driver = begun()
    driver.write(unanswered(issue(driver), "away"))
    driver.open()
    issue(driver)
    replayed, loaded, arrays = judged(), judged(), []
    for entry in driver.log:
        replayed.apply(LogEntry(entry.seq, entry.at, entry.record))
    load_state(loaded, dump_state(driver.search, arrays), arrays)
    assert state(replayed) == state(loaded) == state(driver.search)
    assert loaded.run.tickets.reviews == driver.search.run.tickets.reviews != {}
