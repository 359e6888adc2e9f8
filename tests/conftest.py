"""Each test starts from a clean environment: no keys, no settings of the person who runs it."""

from __future__ import annotations

import os
import random

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is there: threads that wait for cores are half of the time

import pytest
from hypothesis import HealthCheck, settings

_SETTINGS = ("EVOLVE_", "HYDRA_", "ANTHROPIC_", "OPENAI_", "RAY_", "PYTHONWARNINGS", "PYTHONHASHSEED", "COLUMNS", "LINES")
_MOST_PROCESSES = 8  # each of them imports everything


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """The whole suite runs in a process more than there are cores, for much of it waits; what is named runs in this one, as does
    ``-n 0``."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.usepdb
    if "PYTEST_XDIST_WORKER" in os.environ:  # this is one of them, and must not start more
        return
    if whole and config.pluginmanager.hasplugin("xdist") and config.option.numprocesses is None:
        config.option.numprocesses = min(len(os.sched_getaffinity(0)) + 1, _MOST_PROCESSES)
        config.option.dist = "worksteal"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests are begun first: one that is begun last keeps a single core busy while the others wait."""
    items.sort(key=lambda item: item.get_closest_marker("early") is None)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(_SETTINGS) or name.endswith(("_API_KEY", "_TOKEN")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")


class _Drawn:
    """Stands for the module ``secrets``: draws that a test's name settles."""

    def __init__(self, name: str) -> None:
        self._rng = random.Random(name)

    def randbits(self, k: int) -> int:
        return self._rng.getrandbits(k)

    def token_hex(self, nbytes: int) -> str:
        return self._rng.randbytes(nbytes).hex()


@pytest.fixture(autouse=True)
def _no_luck(request, monkeypatch):
    """A landing must not depend on luck: with CI set, what a run's measurements are drawn from hangs on the test's name; by hand
    it is the system's entropy, so that tests explore.  Commands that a test starts as processes draw as users' do."""
    if os.environ.get("CI"):
        monkeypatch.setattr("evolve.search._rng.secrets", _Drawn(request.node.nodeid))


# Neither the time of an example nor that of drawing it is a property: on a machine with other work both say what the work was.
# Tests of how time grows measure it themselves.
_TIMELESS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("by hand", **_TIMELESS)
# For the same reason property tests draw the same examples each time with CI set.
settings.register_profile("ci", derandomize=True, max_examples=40, **_TIMELESS)
settings.load_profile("ci" if os.environ.get("CI") else "by hand")
