"""What the display says of limits: each of them, money included, and the nearest."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from evolve import Budget
from evolve.cli.show._limits import budget_text, left_text, spent_of, spent_share


def seen(**limits: float) -> SimpleNamespace:
    models = SimpleNamespace(usd=0.12, tokens=700, calls=2)
    return SimpleNamespace(budget=Budget(**limits), models=models, cpu_s=30.0, handed_out=4, candidates=3)


@pytest.mark.parametrize(
    ("limits", "in_full", "left", "share"),
    [
        ({}, "none: it goes on until it is stopped", "no limit, 0:20 so far", None),
        ({"evaluations": 1}, "1 measurement", "0 of 1 measurement", 1.0),
        ({"calls": 1, "tokens": 1}, "1 token of models, 1 call of models", "0 of 1 token, 0 of 1 call", 1.0),
        ({"usd": 0.3}, "$0.3 for models", "$0.18 of $0.3 for models", 0.4),
        ({"usd": 0.1, "wall_s": 60}, "1:00 on the clock, $0.1 for models", "0:40 of 1:00, $0 of $0.1 for models", 1.0),
        ({"calls": 5, "tokens": 1000}, "1000 tokens of models, 5 calls of models", "300 of 1000 tokens, 3 of 5 calls", 0.7),
        ({"evaluations": 10, "cpu_s": 60}, "1:00 of CPU, 10 measurements", "0:30 of 1:00 CPU, 6 of 10 measurements", 0.5),
    ],
)
def test_every_limit_is_said(limits, in_full, left, share):
    budget, spent = Budget(**limits), spent_of(seen(**limits), 20.0)
    assert budget_text(budget) == in_full
    assert left_text(budget, spent) == left
    found = spent_share(budget, spent)
    assert found == (pytest.approx(share) if share is not None else None)
