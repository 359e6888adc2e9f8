"""How the suite runs itself: in one process more than there are cores where all of it runs, and in no more."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

WHOLE, NAMED = pytest.Config.ArgsSource.TESTPATHS, pytest.Config.ArgsSource.ARGS


@pytest.mark.parametrize(("source", "worker", "given", "processes"), [
    (WHOLE, "", None, 3), (NAMED, "", None, None), (WHOLE, "", 0, 0), (WHOLE, "", 4, 4), (WHOLE, "gw0", None, None),
])  # fmt: skip
def test_the_whole_suite_starts_processes_and_these_start_none(monkeypatch, pytestconfig, source, worker, given, processes):
    (suite,) = (one for one in pytestconfig.pluginmanager.get_plugins() if getattr(one, "_TIMELESS", None))
    monkeypatch.setenv("PYTEST_XDIST_WORKER", worker) if worker else monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    option = SimpleNamespace(usepdb=False, numprocesses=given, dist="no")
    there = SimpleNamespace(hasplugin=lambda name: name == "xdist")
    suite.pytest_cmdline_main(SimpleNamespace(args_source=source, option=option, pluginmanager=there))
    assert option.numprocesses == processes
