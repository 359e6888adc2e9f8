"""What can be imported by name, and what importing costs."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(
    ".".join(init.parent.relative_to(ROOT).parts) for top in ("evolve", "archive") for init in (ROOT / top).rglob("__init__.py")
)
MODULES = sorted(path for top in ("evolve", "archive") for path in (ROOT / top).rglob("*.py"))
HEAVY = {
    "anthropic", "asyncio", "duckdb", "hydra", "hypothesis", "numpy", "omegaconf", "pytest", "ray", "rich", "scipy", "torch",
    "triton", "yaml", "zstandard",
}  # fmt: skip


def loaded_by(statement: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter has loaded after a statement."""
    code = f"import json, sys; {statement}; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_there(name):
    package = importlib.import_module(name)
    assert package.__doc__
    names = getattr(package, "__all__", [])  # a room without them has nothing to offer but its modules
    assert len(set(names)) == len(names)
    missing = [public for public in names if not hasattr(package, public)]
    assert missing == []


@pytest.mark.parametrize("name", PACKAGES)
def test_a_star_import_gives_exactly_the_public_names(name):
    space: dict[str, object] = {}
    exec(f"from {name} import *", space)
    assert set(space) - {"__builtins__"} == set(getattr(importlib.import_module(name), "__all__", []))


def test_every_module_is_private():
    modules = [path for path in MODULES if not {"programs", "texts"} & {one.name for one in path.parents}]  # that nothing imports
    public = [
        str(path.relative_to(ROOT)) for path in modules if not path.name.startswith("_") and not path.parent.name.startswith("_")
    ]
    assert public == []


def test_importing_the_engine_loads_nothing_heavy():
    assert loaded_by("import evolve") & HEAVY == set()


def test_the_python_api_needs_numpy_and_zstandard_alone():
    heavy = HEAVY - {"numpy", "zstandard", "asyncio"}
    found = loaded_by("import evolve.engine._session, evolve.evaluate, evolve.execute, evolve.propose, evolve.testing, archive")
    assert found & heavy == set()


def test_what_import_evolve_offers_needs_no_more():
    names = "create_run, open_run, load_problem, measure, validate, Run, Budget, Operator, LocalExecutor"
    assert loaded_by(f"from evolve import {names}") & (HEAVY - {"numpy", "zstandard", "asyncio"}) == set()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module("evolve").no_such_name  # noqa: B018
