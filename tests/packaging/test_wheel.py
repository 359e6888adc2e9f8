"""The wheel holds what the tree holds, and works where it is all there is."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HOMES = {"evolve": "evolve", "archive": "archive", "problems": "evolve/_data/problems", "configs": "evolve/_data/configs"}
BASE = ("numpy", "scipy", "zstandard")
SEARCH = """
import json, sys
from evolve.config._schema import BudgetConfig, ExecutorConfig, ProblemConfig, RunConfig, SandboxConfig
from evolve.engine._session import start

config = RunConfig(
    problem=ProblemConfig(name="./packing", params={"n": 5}),
    budget=BudgetConfig(evaluations=6),
    executor=ExecutorConfig(slots=1),
    sandbox=SandboxConfig(tier="none"),
    out="run",
)
summary = start(config)
import archive, evolve
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps([summary.status, summary.best_score, summary.measurements, evolve.__file__, archive.__file__, loaded]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def empty_python(wheel, tmp_path_factory):
    """The interpreter of a new environment: the wheel without its dependencies, and the three libraries of the Python API."""
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    (packages,) = home.glob("lib/python*/site-packages")
    for name in BASE:
        spec = importlib.util.find_spec(name)
        place = Path(spec.submodule_search_locations[0])
        for folder in (place, place.with_name(f"{name}.libs"), *place.parent.glob(f"{name}-*.dist-info")):
            if folder.is_dir():
                (packages / folder.name).symlink_to(folder)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    return python


def tree() -> set[str]:
    """Files of the checkout that belong into the wheel, under their names there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *HOMES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [path for path in listed.stdout.splitlines() if (ROOT / path).exists()]
    else:
        found = [str(path.relative_to(ROOT)) for top in HOMES for path in (ROOT / top).rglob("*") if path.is_file()]
    parts = [PurePosixPath(path).parts for path in found if "__pycache__" not in path]
    return {"/".join((HOMES[top], *rest)) for top, *rest in parts}


def test_the_wheel_holds_the_tree_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if ".dist-info/" not in name}
    assert held == tree()


def test_the_metadata_names_command_and_extras(wheel):
    with zipfile.ZipFile(wheel) as file:
        info = next(name.split("/")[0] for name in file.namelist() if ".dist-info/" in name)
        metadata = file.read(f"{info}/METADATA").decode()
        commands = file.read(f"{info}/entry_points.txt").decode()
    assert "evolve = evolve.cli:main" in commands
    assert "Requires-Python: >=3.11" in metadata
    for extra in ("nanochat", "test", "torch"):
        assert f"Provides-Extra: {extra}" in metadata


def test_a_search_runs_from_the_wheel_and_three_libraries(empty_python, tmp_path):
    packing = shutil.copytree(ROOT / "problems" / "circle_packing", tmp_path / "packing")
    contract = packing / "problem.yaml"
    contract.write_text(json.dumps(yaml.safe_load(contract.read_text())))  # JSON is YAML, and needs no library
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(empty_python), "-c", SEARCH], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    status, best, measurements, *files, loaded = json.loads(done.stdout.splitlines()[-1])
    assert status == "done"
    assert best > 0
    assert 3 <= measurements <= 6  # one is kept back for measuring the best again cold
    assert all(Path(file).is_relative_to(empty_python.parents[1]) for file in files)
    assert {"ray", "duckdb", "hydra", "anthropic", "rich", "torch"} & set(loaded) == set()


def test_what_is_not_installed_is_missed_with_one_sentence(empty_python, tmp_path):
    done = subprocess.run(
        [str(empty_python), "-m", "evolve", "query", "nowhere", "SELECT 1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
