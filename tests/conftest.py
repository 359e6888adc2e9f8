"""Each test starts from a clean environment: no keys, no settings of the person who runs it."""

from __future__ import annotations

import os

import pytest

_SETTINGS = ("EVOLVE_", "HYDRA_", "ANTHROPIC_", "OPENAI_", "RAY_", "PYTHONWARNINGS", "PYTHONHASHSEED", "COLUMNS", "LINES")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(_SETTINGS) or name.endswith(("_API_KEY", "_TOKEN")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
