"""The lab journal of scripted runs: its text, what is said to drift, what a kill leaves of it, a disk that takes nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from notebook_world import FILES, NOISY, driven, height, script, views_of, with_models, writer

from archive import Note
from evolve.config._schema import BudgetConfig, SearchConfig
from evolve.engine._notebook import EVERY_S, SHARE, NotebookWriter
from evolve.propose._drift import drift
from evolve.search._notes import bottleneck, remember_best, reopened
from evolve.search._notes import notes as notes_now
from evolve.testing import Harness, Script, plain_contract, scored

GOLDEN = Path(__file__).parents[1] / "golden"


# --------------------------------------------------------------------------------------------------- its text


@pytest.mark.parametrize(("name", "more"), [("models", with_models()), ("noisy", NOISY)])
def test_the_journal_is_the_golden_one(tmp_path, name, more):
    assert driven(tmp_path / "run", **more) == (GOLDEN / f"journal_{name}.md").read_text()


def test_words_of_makers_are_escaped_and_stay_on_their_line(tmp_path):
    with Harness(script(**with_models()), tmp_path / "run") as run:
        kept = writer(run)
        run.recorder.write(Note("# Not a heading\n- `x` <img src=x> | www.evil.example", author="A|*b*"))
        run.drive()
        kept.write("running", "")
    text = (tmp_path / "run" / "journal.md").read_text()
    assert "Raise \\`Z\\` \\[x\\](http\\://evil.example)" in text
    assert "Note of A\\|\\*b\\*: \\# Not a heading - \\`x\\` \\<img src=x\\> \\| www\\.evil.example" in text
    assert not re.search(r"\x1b|\u202e|(?<!\\)<b>|^# Not", text, re.MULTILINE)
    table = text.partition("|---")[2].partition("\n\n")[0].splitlines()[1:]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {7}


def test_no_difference_within_the_noise_is_called_an_improvement(tmp_path):
    text = driven(tmp_path / "run", **NOISY)
    rows = [line.split(" | ")[-2:] for line in text.partition("|---")[2].splitlines() if line.startswith("| `")]
    found = [(*map(float, effect.split(" ± ")), verdict.strip(" |")) for effect, verdict in rows if "±" in effect]
    unclear = {verdict for effect, sd, verdict in found if abs(effect) <= 1.9 * sd}
    assert unclear == {"within noise"}


# --------------------------------------------------------------------------------------------------- drift


@pytest.mark.parametrize("policy", ["auto", "map_elites"])
def test_no_child_of_a_mechanical_operator_is_said_to_drift(tmp_path, policy):
    """Their words are made of the change: whatever is found here would be a false alarm."""
    source = (Path(__file__).parents[2] / "problems" / "circle_packing" / "initial" / "main.py").read_text()
    seed_files = {"main.py": source, "more.py": FILES["main.py"]}

    def score(files, seed: int) -> float:
        return (hash_of("".join(files.values())) % 1000) / 1000

    names = ("tune", "ast_edit", "crossover", "redraw", "grow", "reorder", "ablate")
    search = SearchConfig(policy=policy, operators=names)
    made = Script(seed_files=seed_files, answer=scored(score), search=search, slots=1, budget=BudgetConfig(evaluations=150))
    with Harness(made, tmp_path / "run") as run:
        run.drive()
        rows, found = run.search.state.population.candidates, set()
        for row in rows[1:]:
            child, words = run.texts.files(row.id), run.search.state.memory.summaries[run.search.state.population.by_id[row.id]]
            assert drift(run.texts.files(rows[row.parents[0]].id), child, summary=words) == "", words
            found.add(run.search.state.bandit.arms[row.arm].operator)
    assert len(rows) > 100
    assert len(found) >= 5


def hash_of(text: str) -> int:
    return sum(ord(letter) * 31**i for i, letter in enumerate(text[-200:])) + 7 * len(text)


def test_children_of_models_that_say_something_else_are_named_and_others_are_not(tmp_path):
    with Harness(script(**with_models()), tmp_path / "run") as run:
        run.drive()
        memory, n = run.search.state.memory, 0
        for number, summary in memory.summaries.items():
            drifts = "Raise `Z`" in summary
            touched = run.search.state.population.candidates[number].parents and "Z =" in changed_text(run, number)
            assert (number in memory.drifts) == (drifts and not touched), summary
            n += drifts and not touched
    assert memory.n_drifts == n > 0


def changed_text(run: Harness, number: int) -> str:
    rows = run.search.state.population.candidates
    before, after = (run.texts.files(rows[one].id)["main.py"].splitlines() for one in (rows[number].parents[0], number))
    return "\n".join(set(before) ^ set(after))


# --------------------------------------------------------------------------------------------------- kills, disks, several problems


def test_a_killed_and_resumed_run_has_the_journal_of_one_that_was_not_killed(tmp_path):
    whole = driven(tmp_path / "whole", **NOISY)
    for at, limit in enumerate((15, 27, None)):
        with Harness(script(**NOISY), tmp_path / "killed") as run:
            kept = writer(run)
            if limit is not None:
                run.recorder.hooks = (*run.recorder.hooks, stop_at(limit))
            try:
                why = run.drive()
            except KeyboardInterrupt:
                if at == 0:
                    run.checkpoint()
                continue
            run.finish()
            kept.write("done", why)
    assert (tmp_path / "killed" / "journal.md").read_text() == whole


def stop_at(limit: int):
    def hook(state, stamped) -> None:
        if state.usage.measured >= limit:
            raise KeyboardInterrupt

    return hook


def test_a_disk_that_takes_nothing_is_told_once_and_the_run_goes_on(tmp_path, monkeypatch):
    told: list[str] = []
    with Harness(script(), tmp_path / "run") as run:
        kept = writer(run, warn=told.append, clock=iter(range(0, 10**6, 100)).__next__)
        (tmp_path / "run" / "journal.md").mkdir()
        (tmp_path / "run" / "journal.md" / "in the way").touch()
        why = run.drive()
        kept.write("done", why)
        measured = run.search.state.usage.measured
    assert measured == 40
    assert len(told) == 1
    assert "journal.md cannot be written" in told[0]


def test_a_page_for_each_problem(tmp_path):
    second = plain_contract(("main.py",), name="second", metric="other")
    text = driven(tmp_path / "run", others=((second, FILES),))
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == ["scripted", "second"]
    assert text.count("### What was tried") == 2


def test_it_is_written_seldom_and_the_more_seldom_the_longer_it_takes(tmp_path):
    now, cpu, written = [0.0], [0.0], []
    with Harness(script(), tmp_path / "run") as run:
        views = counting(run, written, now, cpu, 0.25)
        kept = NotebookWriter(run.run, views, "running", clock=lambda: now[0], cpu_clock=lambda: cpu[0])
        written.clear()

        def hook(state, stamped) -> None:
            now[0] += 1.0
            kept(state, stamped)

        run.recorder.hooks = (hook,)
        run.drive()
    assert len(written) > 2
    assert min(b - a for a, b in pairwise(written)) >= max(EVERY_S, SHARE * 0.25)


def counting(run: Harness, written: list, now: list, cpu: list, cost: float):
    def call(status: str, reason: str):
        written.append(now[0])
        cpu[0] += cost
        return views_of(run, status, reason)

    return call


# --------------------------------------------------------------------------------------------------- what models are told of it


def test_the_notes_have_what_is_below_the_noise_what_failed_and_what_drifted(tmp_path):
    limits = {"budget": BudgetConfig(evaluations=120)}
    with Harness(script(**NOISY | with_models() | limits), tmp_path / "run") as run:
        run.drive()
        memory = run.search.state.memory
    lines = memory.notes.splitlines()
    assert len(lines) <= 50
    assert re.search(
        r"^Of the last \d+ effects, \d+ are within the noise; with one run of each, .* from 0\.0\d+ on\.$", memory.notes, re.M
    )
    failed = lines[lines.index("What failed most often:") + 1 :]
    assert re.fullmatch(r"- \d+ times?: crash", failed[0])
    drifted = [line for line in lines if line.startswith("Changes that are not what was said of them")]
    assert len(drifted) == 1
    assert lines[-1].endswith(tuple(memory.drifts.values()))
    assert len(lines) - lines.index(drifted[0]) <= 4


def bottleneck_at(border: float):
    """Of class 1 is whoever has X below it."""

    def answer(entry, files):
        found = scored(height)(entry, files)
        x = float(re.search(r"X = ([-\d.e]+)", files["main.py"] + "X = 0")[1])
        return replace(found, metrics={"bottleneck": 1.0 if x < border else 2.0})

    return answer


@pytest.mark.parametrize("border", [0.4, -9.0])
def test_changes_that_did_not_pay_are_made_again_where_something_else_limits_the_best(tmp_path, border):
    search = SearchConfig(policy="auto", operators=("tune", "ast_edit", "mirror", "merge"))
    with Harness(script(search=search, answer=bottleneck_at(border)), tmp_path / "run") as run:
        run.drive()
        state = run.search.state
        rows, worth = state.population.candidates, state.population.worth
        merged = [row.parents for row in rows if row.arm >= 0 and state.bandit.arms[row.arm].operator == "merge"]
        again = [(target, before, after) for target, before, after in merged if worth(after) <= worth(before)]
    assert bool(again) == (border > 0)
    for target, before, after in again:
        assert (bottleneck(state, target), bottleneck(state, before)) == (2.0, 1.0)
        assert state.changes.was_made_again(before, after)
    assert len(set(again)) == len(again)


def test_ideas_that_were_discarded_under_another_bottleneck_are_planned_again(tmp_path):
    with Harness(script(**with_models() | {"answer": bottleneck_at(0.4)}), tmp_path / "run") as run:
        kept = writer(run)
        run.drive()
        kept.write("done", "")
        state, found = run.search.state, reopened(run.search.state)
        assert (found.before, found.now) == (1.0, 2.0)
        assert found.since in state.memory.bests
        assert found.ideas
        assert not set(found.ideas) & set(state.memory.bests)
        words = state.memory.ideas[found.ideas[-1]].hypothesis
        notes = notes_now(state)
    text = (tmp_path / "run" / "journal.md").read_text()
    again = text.partition("The bottleneck moved from 1 to 2 with")[2].partition("\n\n")[0]
    assert re.sub(r"\W", "", words) in re.sub(r"\W", "", again)
    assert "The bottleneck moved from 1 to 2 with" in notes
    assert "bottleneck" not in driven(tmp_path / "other", **with_models())


def test_a_best_is_taken_back_by_runs_that_do_not_bear_it_out(tmp_path):
    with Harness(script(**NOISY), tmp_path / "run") as run:
        run.drive()
        state = run.search.state
        (*_, best) = state.memory.bests
        for _ in range(40):
            state.population.pooled[-1].add(state.population.candidates[best].id, -0.125)
        remember_best(state, best)
    assert best not in state.memory.bests
