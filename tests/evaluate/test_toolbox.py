"""The system's compiler inside a sandbox: built inside, run inside; and a sentence where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from archive import StartMode
from evolve._errors import EnvironmentFault
from evolve.evaluate import JsonValue, VisibleFiles, open_sandbox_factory
from evolve.problem import _toolbox as toolbox_module
from evolve.problem._load import load_problem
from evolve.problem._toolbox import Toolbox, toolbox
from evolve.problem.contract._contract import Stage

STAGE = Stage(name="s", time_s=30.0, memory_mib=512)
needs_cc = pytest.mark.skipif(shutil.which("cc") is None or shutil.which("make") is None, reason="no compiler on this machine")
SOURCE = """\
import ctypes, os, subprocess

def built(x):
    open("/tmp/a.c" if os.path.isdir("/candidate") else "a.c", "w").write("#include <math.h>\\nint f(int x) { return x * x; }")
    place = "/tmp/a" if os.path.isdir("/candidate") else "./a"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", place + ".so", place + ".c"], check=True)
    return ctypes.CDLL(place + ".so").f(x)

def made(x):
    open("Makefile", "w").write("all:\\n\\t@mkdir -p out && echo $$((2 * %d)) > out/x && cat out/x\\n" % x)
    return int(subprocess.run(["make", "-s"], check=True, capture_output=True, text=True).stdout)

def seen(x):
    return sorted(os.listdir("/usr/bin")) if os.path.isdir("/usr/bin") else []
"""


def called(tier: str, tools: tuple[str, ...], entry: str, start: StartMode = StartMode.COLD):
    with (
        open_sandbox_factory(tier, VisibleFiles(toolbox=tools)) as factory,
        factory.sandbox({"m.py": SOURCE}, STAGE, start=start) as sandbox,
    ):
        return sandbox.call(f"m.py:{entry}", {"x": 7}, {"value": JsonValue()})


@needs_cc
@pytest.mark.parametrize("tier", ["strict", "none"])
@pytest.mark.parametrize(("entry", "found"), [("built", 49), ("made", 14)])
def test_programs_are_built_inside_and_run_inside(tier: str, entry: str, found: int) -> None:
    reply = called(tier, ("cc", "make"), entry)
    assert reply.ok, (reply.reason, reply.log)
    assert reply.value["value"] == found


@needs_cc
def test_it_works_from_a_fork_server_too() -> None:
    reply = called("strict", ("cc",), "built", StartMode.WARM)
    assert reply.ok, (reply.reason, reply.log)


@needs_cc
def test_no_tools_but_those_named_are_shown() -> None:
    assert called("strict", (), "seen").value["value"] == []
    shown = called("strict", ("cc",), "seen").value["value"]
    assert {"cc", "as", "ld"} <= set(shown)
    assert not {"make", "sh", "dash", "bash", "python3", "env"} & set(shown)


@needs_cc
def test_a_view_without_tools_is_the_policy_that_it_was() -> None:
    with (
        open_sandbox_factory("strict", VisibleFiles()) as plain,
        open_sandbox_factory("strict", VisibleFiles(toolbox=("cc",))) as more,
    ):
        assert plain.tier_hash != more.tier_hash
    assert toolbox(()) == Toolbox()


def test_without_a_compiler_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(toolbox_module, "_FOLDERS", str(tmp_path))
    with pytest.raises(EnvironmentFault, match="built with cc, which is not on this machine; install it") as caught:
        load_problem("edit_distance_c")
    assert caught.value.exit_code == 3
    for tier in ("strict", "none"):
        with pytest.raises(EnvironmentFault, match="built with make"):
            open_sandbox_factory(tier, VisibleFiles(toolbox=("make",))).close()
