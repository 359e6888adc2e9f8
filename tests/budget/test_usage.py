"""What was spent, beside another's clock."""

from __future__ import annotations

from dataclasses import fields, replace

from evolve.budget._usage import Usage


def test_beside_anothers_clock_every_other_count_is_ones_own() -> None:
    mine = Usage(
        *(float(i) if one.name not in ("wall_by_purpose", "count_by_purpose") else {} for i, one in enumerate(fields(Usage)))
    )
    other = Usage(opened_at=100.0, before_s=50.0, last_at=120.0)
    assert mine.by_clock_of(other, 0.25) == replace(mine, opened_at=100.0, before_s=50.0, last_at=120.0, pace=0.25)
