"""The tasks of ``benchmarks/search_quality.py`` and its mutator: each half has all kinds, the best of a task is what it says."""

from __future__ import annotations

import random

import pytest
from quality._mutator import HABITS, Habits, mutate
from quality._tasks import CHOOSING, REPORTING, TASKS

HALVES = {"choosing": CHOOSING, "reporting": REPORTING}


@pytest.mark.parametrize("half", HALVES)
def test_a_half_has_all_kinds(half):
    tasks = [TASKS[name] for name in HALVES[half]]
    kinds = [task.kind for task in tasks if not task.noise]
    assert kinds.count("structural") >= 3
    assert kinds.count("deceptive") >= 3
    assert kinds.count("files") >= 2
    assert {task.helpful for task in tasks if task.described} == {True, False}
    assert len({task.noise for task in tasks if task.noise}) >= 2
    assert all(len(task.files) > 1 for task in tasks if task.kind == "files")


def test_the_halves_are_all_tasks_and_share_none():
    assert sorted([*CHOOSING, *REPORTING]) == sorted(TASKS)


def _right(n: int, shifts: range | list[int], modulus: int, wanted: int) -> list[int]:
    return [(wanted - shift) % modulus for shift in shifts][:n]


BEST = {
    "trap": f"BITS = {_right(36, [i * i // 3 for i in range(36)], 2, 1)}",
    "maze": f"MOVES = {[1, 1, 1, 0, 0, 0, 0, 0, 3, 3, 3, 2, 2, 0, 0, 2, 0, 2]}",
    "modes": f"PARTS = {[[2, round(2.0 * (0.7 + 0.12 * i), 6)] for i in range(6)]}",
    "pairs": f"PAIRS = {[[(2 - i) % 3, (2 - i * i) % 3] for i in range(10)]}",
    "hills": f"X = {[round(2.6 - 0.1 * i, 6) for i in range(8)]}",
    "rastrigin": "X = [0.83, 1.71, 2.94, 1.12, 2.37, 0.61, 3.05, 1.48]",
    "cubic": "def f(x):\n    return 0.8 * x * x * x - 1.5 * x * x + 0.4 * x + 1.2",
    "gate": "def f(x):\n    if x < -0.6:\n        return 1.3 + 0.5 * x\n    return 0.8 * x * x - 0.4",
    "product": "def f(x, y):\n    return 0.7 * x * y - max(x, y) + 0.5",
    "long": "def f(x):\n    return 0.6 * x * x - 0.8 * max(x, -0.5) + 0.4",
}


@pytest.mark.parametrize("name", BEST)
def test_the_best_program_of_a_task_is_worth_one(name):
    judged = TASKS[name].true({"main.py": BEST[name] + "\n"})
    begin = TASKS[name].true(TASKS[name].files)
    assert judged is not None
    assert begin is not None
    assert judged.score == pytest.approx(1.0)
    assert begin.score < 0.7


@pytest.mark.parametrize("name", ["pairs", "modes", "trap", "hills", "rastrigin"])
def test_the_way_up_of_a_deceptive_task_ends_before_its_best(name):
    task, rng = TASKS[name], random.Random(name)
    best, score = task.files, task.true(task.files).score
    for _ in range(1500):
        child = mutate(best, (), rng, Habits(harm=0.0))
        judged = task.true(child)
        if judged is not None and judged.score >= score:
            best, score = child, judged.score
    assert score < 0.97, "a greedy climb finds the best"


def test_a_leap_is_mostly_worse_and_sometimes_better_once_its_number_is_adapted():
    task, rng = TASKS["cubic"], random.Random(1)
    begin = task.true(task.files).score
    leap, adapt = Habits(harm=0.0, leaps=10**9), Habits(harm=0.0, step=0.5)
    worse = rescued = 0
    for _ in range(100):
        child = mutate(task.files, (), rng, leap)
        judged = task.true(child)
        assert judged is not None, child
        if judged.score < begin:
            worse += 1
            grown = [task.true(mutate(child, (), rng, adapt)) for _ in range(20)]
            rescued += any(one is not None and one.score > begin for one in grown)
    assert worse > 50
    assert rescued > 5


@pytest.mark.parametrize("name", ["tour", "hills", "modes", "heater", "dispatch"])
def test_a_leap_changes_programs_of_every_form(name):
    task, rng = TASKS[name], random.Random(2)
    children = [mutate(task.files, (), rng, Habits(harm=0.0, leaps=10**9)) for _ in range(20)]
    assert sum(child != task.files for child in children) > 15
    assert all(task.true(child) is not None for child in children)


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "f = abs.__self__",
        "while True:\n    pass",
        "f = lambda: f()",
        "x = [i for i in (1, 2)]",
        "x = 10 ** 9",
        "x = f'{1}'",
        "def f(x):\n    return f(x)",
        "abs = max",
        "del abs",
        "x = ]]",
    ],
)
def test_a_program_that_could_loop_recur_or_reach_out_is_broken(text):
    assert TASKS["cubic"].true({"main.py": f"def f(x):\n    return x\n{text}\n"}) is None


@pytest.mark.parametrize("habits", HABITS)
def test_a_child_follows_from_the_generator(habits):
    files = TASKS["features"].files
    one, other = (mutate(files, (files,), random.Random(3), HABITS[habits]) for _ in range(2))
    assert one == other
