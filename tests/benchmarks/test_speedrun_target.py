"""The target of problem=speedrun: which program is measured for it, and what is made of its losses; tables of counts beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from speedrun_calibrate import cut, summary
from speedrun_ngrams import bigrams, trigrams


def test_the_baseline_is_the_program_with_other_steps() -> None:
    files = {"train.py": "A = 1\nSTEPS = 272  # tune: 40..1000 log\nB = STEPS\n"}
    assert cut(files, 224) == {"train.py": "A = 1\nSTEPS = 224  # tune: 40..1000 log\nB = STEPS\n"}
    assert cut(files, None) == files
    with pytest.raises(SystemExit, match="expected one line STEPS = N"):
        cut({"train.py": "A = 1\n"}, 224)


def test_the_target_is_the_mean_rounded_up() -> None:
    found = summary("time", 224, [4.01, 4.02, 4.03001], [10.0, 11.0, 12.0])
    assert found["target"] == 4.0201
    assert found["sd"] == pytest.approx(0.010005, abs=1e-6)
    assert found["command"] == "python benchmarks/speedrun_calibrate.py --form time --steps 224 --runs 3 --write"


def test_tables_know_what_follows() -> None:
    rng = np.random.default_rng(0)
    period = np.tile([0, 1, 0, 2], 500)  # what follows 0 hangs on what stood before it
    rows = period[:40].reshape(2, 20)
    assert trigrams(period, rows, 4) < 0.2 < bigrams(period, rows, 4) < 1.0
    noise = rng.integers(4, size=4000)
    assert bigrams(noise, noise[:40].reshape(2, 20), 4) == pytest.approx(math.log(4), abs=0.1)
    assert trigrams(np.zeros(3, np.int64), np.array([[1, 2, 3]]), 4) == pytest.approx(math.log(4), abs=0.5)
