"""One of a thing is told in the singular."""

from __future__ import annotations

from evolve._counted import counted


def test_one_of_a_thing_is_told_in_the_singular() -> None:
    assert [counted(n, "vault") for n in (0, 1, 2)] == ["0 vaults", "1 vault", "2 vaults"]
    assert [counted(n, "child", "children") for n in (0, 1, 2)] == ["0 children", "1 child", "2 children"]
