"""Built-in folders are found beside the package in a checkout, and inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from evolve._errors import EnvironmentFault
from evolve.problem import _packaged
from evolve.problem._packaged import resource_folder


def test_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evolve").mkdir()
    (tmp_path / "problems").mkdir()
    monkeypatch.setattr(_packaged, "__file__", str(tmp_path / "evolve" / "problem" / "_packaged.py"))
    assert resource_folder("problems") == tmp_path / "problems"
    with pytest.raises(EnvironmentFault, match="expected a folder configs in or beside"):
        resource_folder("configs")


def test_a_wheel_prefers_what_it_carries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evolve" / "_data" / "problems").mkdir(parents=True)
    (tmp_path / "problems").mkdir()  # another distribution's, in the same site-packages
    monkeypatch.setattr(_packaged, "__file__", str(tmp_path / "evolve" / "problem" / "_packaged.py"))
    assert resource_folder("problems") == tmp_path / "evolve" / "_data" / "problems"


def test_this_installation_has_problems() -> None:
    assert (resource_folder("problems") / "circle_packing" / "problem.yaml").is_file()
