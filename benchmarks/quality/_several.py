"""Tasks whose program is several files that must fit each other."""

from __future__ import annotations

import math

from quality._functions import POINTS
from quality._programs import Program, numbers
from quality._task import Judged, Task, function, listed


def _two_files(program: Program) -> Judged:
    """A rule in one file with weights in another: they must fit each other."""
    weights = program.get("WEIGHTS")
    numbers(weights, 4)
    errors = [program.call("rule", weights, x) - (1.7 * x * x - 0.6 * x + 0.9 * abs(x) - 1.1) for x in POINTS]
    return Judged(1 / (1 + math.sqrt(sum(e * e for e in errors) / len(errors))))


def _features(program: Program) -> Judged:
    """A formula out of two others, each in a file of its own."""
    errors = []
    for x in POINTS:
        features = program.call("first", x), program.call("second", x)
        errors.append(program.call("model", *features) - (1.4 * min(abs(x), 1.0) - 0.5 * x * x + 0.3 * x))
    return Judged(1 / (1 + math.sqrt(sum(e * e for e in errors) / len(errors)) / 0.4))


def _cart(program: Program) -> Judged:
    """A cart is pushed to where it should be: the rule in one file, its gains in another.  Little of way and of force."""
    gains = program.get("GAINS")
    numbers(gains, 3)
    cost = 0.0
    for goal, drag in ((1.0, 0.1), (-2.0, 0.4), (3.0, 0.0)):
        at, speed = 0.0, 0.0
        for _ in range(30):
            force = max(-2.0, min(2.0, program.call("push", gains, goal - at, speed)))
            speed += 0.2 * (force - drag * speed)
            at += 0.2 * speed
            cost += 0.2 * ((goal - at) ** 2 + 0.1 * force * force)
    return Judged(12 / (12 + cost))


_WANTED = (16.0, 16.0, 20.0, 21.0, 18.0, 20.0, 22.0, 17.0)
_OUTSIDE = (2.0, -1.0, 3.0, 9.0, 12.0, 10.0, 5.0, 3.0)


def _heater(program: Program) -> Judged:
    """A house is heated over a day: a plan in one file, the rule that follows it in another.  Comfort and heat count."""
    plan = numbers(program.get("PLAN"), 8)
    inside, cost = 14.0, 0.0
    for hour in range(48):
        part = hour % 24 // 3
        power = max(0.0, min(6.0, program.call("heat", plan[part], inside, plan[(part + 1) % 8])))
        inside += power - 0.2 * (inside - _OUTSIDE[part])
        cost += (inside - _WANTED[part]) ** 2 + 0.3 * power
    return Judged(100 / (100 + cost))


def _file(name: str, head: str, *body: str) -> dict[str, str]:
    return {name: function(head, *body)["main.py"]}


def _list(path: str, name: str, values: tuple[float, ...], about: str) -> dict[str, str]:
    return {path: listed(name, values, about)["main.py"]}


SEVERAL = (
    Task(
        "two_files",
        "files",
        {**_file("rule.py", "rule(w, x)", "return w[0] * x + w[1]"), **_list("weights.py", "WEIGHTS", (0.5,) * 4, "Four weights.")},
        _two_files,
    ),
    Task(
        "features",
        "files",
        {
            **_file("first.py", "first(x)", "return x"),
            **_file("model.py", "model(a, b)", "return 0.5 * a + 0.5 * b"),
            **_file("second.py", "second(x)", "return abs(x)"),
        },
        _features,
    ),
    Task(
        "cart",
        "files",
        {
            **_list("gains.py", "GAINS", (0.2, 0.1, 0.5), "Three gains."),
            **_file("rule.py", "push(k, gap, speed)", "return k[0] * gap - k[1] * speed"),
        },
        _cart,
    ),
    Task(
        "heater",
        "files",
        {
            **_list("plan.py", "PLAN", (19.0,) * 8, "Eight temperatures."),
            **_file("rule.py", "heat(want, inside, soon)", "return 0.3 * (want - inside)"),
        },
        _heater,
    ),
)
