"""Operators and models that somebody gives as objects."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest
from api_problem import Make

import archive
import evolve
from evolve._errors import UsageError
from evolve.models import Scripted


class Nudge:
    """Moves X by a random step."""

    name, family, n_parents = "nudge", "edit", 1

    def __init__(self) -> None:
        self.calls = 0

    def propose(self, task, rng):
        self.calls += 1
        lines = task.parents[0]["main.py"].splitlines(keepends=True)
        return evolve.Proposal.child(
            {"main.py": f"X = {0.5 + 0.1 * rng.standard_normal()!r}\n" + "".join(lines[1:])}, summary="moved"
        )


class Mix(Nudge):
    """Takes Y from a second parent."""

    name, family, n_parents = "mix", "merge", 2

    def propose(self, task, rng):
        self.calls += 1
        first, second = (parent["main.py"].splitlines(keepends=True) for parent in task.parents)
        return evolve.Proposal.child({"main.py": "".join([first[0], second[1], *first[2:]])})


def made_by(run: evolve.Run) -> dict[str, int]:
    return dict(run.query("SELECT operator, count(*) FROM candidates GROUP BY 1").rows)


def test_an_own_operator_makes_children_beside_the_engines(make: Make) -> None:
    nudge, mix = Nudge(), Mix()
    run = make(operators=[nudge, mix, "tune"], budget=evolve.Budget(evaluations=60), seed=2)
    run.optimize()
    assert nudge.calls > 0
    assert mix.calls > 0
    assert made_by(run)["nudge"] > 0
    assert set(made_by(run)) <= {"seed", "nudge", "mix", "tune"}
    shares = {one.operator: one.children for one in run.progress.shares}
    assert shares["nudge"] == made_by(run)["nudge"]


def test_what_an_operator_draws_follows_from_the_seed_and_the_ticket(make: Make, tmp_path) -> None:
    """Not from when results arrive: which tickets are children differs between two runs, what a ticket draws does not."""
    drawn = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        run = make(operators=[Nudge()], out=tmp_path / name, seed=seed)
        run.optimize()
        drawn.append(dict(run.query("SELECT ticket, id FROM candidates WHERE operator = 'nudge'").rows))
    first, again, other = drawn
    both = first.keys() & again.keys()
    assert len(both) > 3
    assert {ticket: first[ticket] for ticket in both} == {ticket: again[ticket] for ticket in both}
    assert not set(first.values()) & set(other.values())


def test_a_run_with_an_own_operator_is_read_by_all_and_goes_on_with_it_alone(make: Make) -> None:
    run = make(operators=[Nudge()])
    run.optimize()
    reader = evolve.open_run(run.path)
    assert reader.best == run.best
    sentence = r"an operator of its own, nudge, that was not given; in Python: evolve\.open_run\('.*', operators=\[\.\.\.\]\)"
    with pytest.raises(UsageError, match=sentence):
        reader.resume(evolve.Budget(evaluations=30))
    typed = [sys.executable, "-m", "evolve", "resume", str(run.path), "budget.evaluations=30"]
    done = subprocess.run(typed, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "that was not given" in done.stderr
    assert evolve.open_run(run.path, operators=[Nudge()]).resume(evolve.Budget(evaluations=30)).measurements > 20


def test_a_told_child_of_such_a_run_is_measured_without_the_operator(make: Make) -> None:
    run = make(operators=[Nudge()])
    reader = evolve.open_run(run.path)
    child = reader.tell(reader.ask(), {"main.py": "def point():\n    return [0.5, 0.5]\n"})
    assert reader.wait(child, 60).score == 0.0


def test_a_ticket_that_its_operator_left_open_is_lost_to_a_measuring_process_and_to_nobody_else(make: Make) -> None:
    """Killed between ticket and child: whoever only measures has no operator for it."""

    class Broken(Nudge):
        def propose(self, task, rng):
            raise ZeroDivisionError("mine")

    run = make(operators=[Broken()])
    with pytest.raises(ZeroDivisionError, match="mine"):
        run.optimize()
    reader = evolve.open_run(run.path)
    child = reader.tell(reader.ask(), {"main.py": "def point():\n    return [0.5, 0.5]\n"})
    assert reader.wait(child, 60).status == "ok"
    assert evolve.open_run(run.path, operators=[Nudge()]).optimize().status == "done"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "the operator nudge must return Proposal.child or Proposal.none, found None"),
        ("main", "the operator nudge must return Proposal.child or Proposal.none, found 'main'"),
        (evolve.Proposal.child({"main.py": 3}), r"must return files as a mapping from path to text, found \{'main.py': 3\}"),
        (evolve.Proposal.child(["main.py"]), r"must return files as a mapping from path to text, found \['main.py'\]"),
    ],
)
def test_what_is_no_proposal_ends_the_call_with_a_sentence(make: Make, given: object, said: str) -> None:
    class Odd(Nudge):
        def propose(self, task, rng):
            return given

    with pytest.raises(UsageError, match=said):
        make(operators=[Odd()]).optimize()


def test_no_child_is_counted_with_its_reason(make: Make) -> None:
    class Shy(Nudge):
        def propose(self, task, rng):
            return evolve.Proposal.none("nothing to move") if rng.random() < 0.5 else super().propose(task, rng)

    run = make(operators=[Shy()])
    run.optimize()
    rows = run.query("SELECT count(*) FROM tickets WHERE operator = 'nudge' AND reason = 'nothing to move'").rows
    assert rows[0][0] > 0


def operator(**changes: object) -> object:
    return type("Own", (Nudge,), changes)()


@pytest.mark.parametrize(
    ("operators", "said"),
    [
        (["nudge"], "search.operators must be .*merge, revert, adopt, setting, ablate, found 'nudge'"),
        (["nudge:edit:1"], "an operator of its own, nudge, that was not given"),
        ("tune", "expected a list of operators"),
        ([Nudge], "an operator is a name or an object with a method propose"),
        ([3], "an operator is a name or an object with a method propose"),
        ([Nudge(), Nudge()], "two operators are called nudge"),
        (["tune", "tune"], "two operators are called tune"),
        ([operator(name="tune")], "cannot be called tune"),
        ([operator(name="My Op")], "an operator's name is a word of small letters"),
        ([operator(family="")], "an operator's family is a word of small letters"),
        ([operator(n_parents=3)], "an operator's n_parents is 1 or 2, found 3"),
        ([], "search.operators must be a list out of"),
    ],
)
def test_what_is_no_operator_is_refused_before_anything_is_made(make: Make, tmp_path, operators: object, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        make(operators=operators)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("what", [{"policy": 3}, {"policy": None}, {"archive": ["grid"]}])
def test_a_policy_and_an_archive_are_named_by_a_text(make: Make, tmp_path, what: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(what))} must be a text, found"):
        make(**what)
    assert not (tmp_path / "run").exists()


# ------------------------------------------------------------------------------------------------ models


def answer(request: object) -> str:
    drawn = random.random()
    return f"<file path='main.py'>\nX = {drawn!r}\nY = 0.5\n\n\ndef point():\n    return [X, Y]\n</file>"


def test_a_provider_object_answers_for_the_runs_models(make: Make) -> None:
    model = Scripted(answer)
    budget = evolve.Budget(evaluations=15, calls=20)
    run = make(operators=[], models=model, budget=budget)
    summary = run.optimize()
    assert model.requests
    assert summary.models.calls > 0
    assert "scripted" in summary.models.offered
    asked, reader = len(model.requests), evolve.open_run(run.path)
    reader.resume(evolve.Budget(evaluations=40))  # without it no model is asked, and this run has nothing else
    assert reader.progress.models.offered == ()
    again = Scripted(answer)
    evolve.open_run(run.path, models=again).resume(evolve.Budget(evaluations=60, calls=60))
    assert again.requests
    assert len(model.requests) == asked


def test_models_by_name_are_what_the_command_line_calls_llm(make: Make) -> None:
    run = make(models=evolve.models.ChatCompletions(["m"], base_url="http://localhost:1/v1", prices=["*=0/0"], max_concurrency=2))
    created = next(archive.read_journal(run.path)).record
    assert isinstance(created, archive.RunCreated)
    llm = json.loads(created.config)["llm"]
    assert (llm["provider"], llm["models"], llm["max_concurrency"]) == ("openai", ["m"], 2)


@pytest.mark.parametrize(
    ("choose", "said"),
    [
        (lambda: evolve.models.Anthropic("claude"), "expected a list of names of models"),
        (lambda: evolve.models.Anthropic([]), "llm.models must be the names of one model or several"),
        (lambda: evolve.models.Anthropic(["m"], larg="x"), "expected a setting out of .*, found larg"),
        (lambda: evolve.models.Anthropic(["m"], tape="t"), "found tape, which is called recording now"),
        (lambda: evolve.models.Anthropic(["m"], formats=["file"]), "found formats, which is called edit_formats now"),
        (lambda: evolve.models.Anthropic(["m"], sampling={"effort": "high"}), "expected a setting out of .*, found sampling"),
        (lambda: evolve.models.Anthropic(["m"], effort="huge"), r"llm\.sampling\.effort must be one of low, .*, found 'huge'"),
        (lambda: evolve.models.Anthropic(["m"], max_attempts="many"), "has a value of another type"),
        (lambda: evolve.models.Anthropic(["m"], max_tokens="many"), "has a value of another type"),
        (lambda: evolve.models.ChatCompletions(["m"]), "llm.base_url must be the server's address"),
    ],
)
def test_a_choice_of_models_that_is_none_is_refused(choose, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        choose()


def test_settings_are_said_by_plain_names() -> None:
    more = {"judge": "j", "novelty": "tokens", "novelty_share": 0.25, "recording": "file"}
    llm = evolve.models.Anthropic(["m"], strong_model="s", effort="high", edit_formats=["file"], **more).config
    assert (llm.models, llm.strong_model, llm.sampling.effort, llm.sampling.edit_formats) == (("m",), "s", "high", ["file"])
    assert (llm.judge.model, llm.novelty.method, llm.novelty.share, llm.recording.file) == ("j", "tokens", 0.25, "file")


def test_models_that_are_none_are_refused(make: Make) -> None:
    with pytest.raises(UsageError, match=r"expected models, as evolve\.models\.Anthropic"):
        make(models=["claude"])


def test_a_given_provider_is_no_word_of_the_command_line(parabola) -> None:
    words = [f"problem={parabola}", "llm.provider=given", "llm.models=[m]", "sandbox=none"]
    done = subprocess.run([sys.executable, "-m", "evolve", "run", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "llm.provider=given is an object in Python" in done.stderr
