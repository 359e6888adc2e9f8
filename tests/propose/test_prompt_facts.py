"""What a prompt tells of costs, noise, what was tried, kin, length and rules; and what prompts have in common."""

from __future__ import annotations

import math
from dataclasses import replace

from prompt_samples import CROSS, FIRST, FULL, REPAIR, TASK, WORDS, prompt, said

from evolve.propose.edits._edits import BlockFault, EditFailure, Fault, Format
from evolve.propose.prompts._context import PriorAttempt
from evolve.propose.prompts._prompt import Prompt, as_text, render, repair_turn
from evolve.propose.prompts._rules import rules
from evolve.propose.prompts._task import system_text
from evolve.propose.prompts._templates import Templates
from evolve.propose.prompts._text import few_lines


def test_what_moves_with_each_child_stands_after_what_stays() -> None:
    """Providers charge little for a beginning that came before: two children of one program share all but the last part."""
    first, later = prompt(FULL), prompt(replace(FULL, best_score=1.1, best_n=9, left="3 min", ticket=8, siblings=2, tried=()))
    assert first.user[:-1] == later.user[:-1]
    assert first.user[-1] != later.user[-1]


def test_a_users_own_words_may_keep_the_form_of_the_answer_in_the_system_part() -> None:
    words = Templates({**WORDS.texts, "system.md": WORDS.texts["system.md"] + "\n$answer"})
    made = render(FULL, Format.DIFF, words, budget_tokens=100_000)
    assert isinstance(made, Prompt)
    assert "<<<<<<< SEARCH" in made.system[0].text
    assert "# Your answer" not in said(made)


def test_what_the_parent_costs_and_what_is_left_is_told() -> None:
    text = said(prompt(replace(FULL, left="12 min, 40 measurements")))
    assert "Its last measurement took 3.2 s on the clock, 2.9 s of CPU, 88 MiB of memory." in text
    assert "- Left of the run: 12 min, 40 measurements" in text
    assert "Left of the run" not in said(prompt(FULL))


def test_scores_have_no_more_digits_than_the_noise_resolves() -> None:
    unknown = replace(FULL, best_score=-0.03263444044, best_sd=math.nan, best_n=1)
    assert "Best so far: loss -0.0326 (spread not known yet) (1 measurement)" in said(prompt(unknown))
    known = replace(FULL, best_score=0.559920183, best_sd=0.67, best_n=4)
    assert "Best so far: loss 0.56 ± 0.67 (4 measurements)" in said(prompt(known))
    tried = (PriorAttempt(id="1", summary="one", effect=-0.03263444044, sd=math.nan),)
    assert "one -> -0.0326 (spread not known yet)" in said(prompt(replace(FULL, tried=tried)))


def test_what_was_tried_is_shown_by_its_lines_and_beside_what_was_expected() -> None:
    text = said(prompt(FULL))
    line = "- dddddddddddd: smaller steps settle -> +0.080 ± 0.02 (worse); expected: 0.1 better\n"
    assert line + "  -RATE = 0.1\n  +RATE = 0.05\n" in text
    long = said(prompt(replace(FULL, tried=(replace(FULL.tried[0], lines=()),))))
    assert "Halve the rate -> +0.080 ± 0.02 (worse); expected: 0.1 better\n  idea: smaller steps settle\n" in long
    changed = replace(FIRST, hypothesis="the rate is low", expected="-0.3", effect=-0.02, effect_sd=0.01)
    text = said(prompt(replace(FULL, parents=(changed,))))
    assert "The idea of its change: the rate is low" in text
    assert "Expected of it: -0.3; measured: -0.020 ± 0.01 (no clear difference)" in text


def test_few_lines_are_those_of_short_changes_alone() -> None:
    base = {"a.py": "a = 1\nb = 2\nc = 3\nd = 4\n", "b.py": ""}
    assert few_lines(base, {**base, "a.py": "a = 1\nb = 9\nc = 3\nd = 4\n"}) == ("-b = 2", "+b = 9")
    assert few_lines(base, {**base, "b.py": "x\n"}) == ("+x",)
    assert few_lines(base, {**base, "a.py": "w\nx\ny\nz\n"}) == ()
    assert few_lines(base, {"a.py": ""}) == ()
    assert few_lines(base, base) == ()


def test_a_repair_shows_the_working_program_and_the_idea_it_was_made_for() -> None:
    text = said(prompt(REPAIR))
    assert "# The working program that the failed one was made from" in text
    assert "loss 1.250 ± 0.013 (3 measurements)" in text
    assert "-    a = b = 0.0\n+    a = b = v = 0.0" in text
    assert "The idea of its change: momentum crosses the flat part" in text
    assert "# Removed on the way" not in text
    assert text.count(REPAIR.parents[0].files["train.py"]) == 1
    whole_base = replace(FIRST, files={"train.py": "import math\n\nRATE = 1\n"})
    assert "import math\n\nRATE = 1\n" in said(prompt(replace(REPAIR, base=whole_base)))


def test_calls_in_flight_differ() -> None:
    prompts = [said(prompt(replace(FULL, ticket=n, siblings=n))) for n in range(8)]
    assert len(set(prompts)) == 8
    assert "being made at this moment" not in prompts[0]
    assert "Another child of this program is being made at this moment" in prompts[1]
    assert "3 other children of this program are being made" in prompts[3]
    assert "(it is number 4)" in prompts[3]
    calm = said(prompt(replace(FULL, tried=(), siblings=0)))
    assert "Look first at" not in calm
    assert "Look first at" not in said(prompt(replace(REPAIR, siblings=1, ticket=3)))


def test_the_length_of_the_answer_is_told_before_and_after() -> None:
    made = render(FULL, Format.DIFF, WORDS, budget_tokens=100_000, max_tokens=4000)
    assert isinstance(made, Prompt)
    assert "at most 4,000 tokens" in made.user[1].text
    assert "tokens; what is cut" not in said(prompt(FULL))
    faults = (
        BlockFault(1, Fault.TRUNCATED, "Block 1 has no line '>>>>>>> REPLACE'."),
        BlockFault(2, Fault.NOT_FOUND, "Block 2: no."),
    )
    turn = repair_turn(EditFailure(faults), WORDS, cut_at=4000)
    assert "Your answer was cut off at 4,000 tokens" in turn
    assert "has no line" not in turn
    assert "Block 2: no." in turn
    assert "make a smaller change" in turn.lower()


def test_a_crossover_says_how_its_parents_are_related() -> None:
    assert "They come from different lines of descent" in said(prompt(CROSS))
    kin = replace(CROSS, relation="The second was made from the first: what differs is what was changed on the way.")
    assert "The second was made from the first" in said(prompt(kin))
    assert "different lines of descent" not in said(prompt(kin))


def test_the_rules_are_told_and_are_the_same_for_people() -> None:
    quiet = replace(TASK, noisy=False, may_add_files=True)
    text = system_text(quiet, WORDS)
    for words in ("must get the same score whenever it is measured", "nothing depend on the clock", "New files may be added"):
        assert words in text
    assert "each measurement draws new seeds" in system_text(TASK, WORDS)
    assert "may import numpy" in system_text(TASK, WORDS)
    assert "What goes beyond one of them has no score" in system_text(TASK, WORDS)
    for rule in rules(quiet):
        assert rule in text
        assert rule in as_text(replace(FULL, task=quiet))
