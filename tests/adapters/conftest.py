"""What is converted lies in a cache of the test's own; packages that offer adapters are put where Python finds them."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

NUMBERS = count()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installs an adapter ``name`` of a package of that name, from a module's text in which MODULE:Adapter is it."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def make(text: str, name: str = "cards") -> None:
        module = f"{name}_{next(NUMBERS)}"
        (site / f"{module}.py").write_text(text)
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[evolve.adapters]\n{name} = {module}:Adapter\n")

    return make
