"""A package of somebody else adds an operator, an archive, an executor, an adapter: installed, named in a run, taken away again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # whole runs in processes of their own; tests/engine/registry/test_plugins.py has each part of it
PACKAGE = Path(__file__).parent / "evolve_voronoi"
ROOT = Path(__file__).parents[2]
RUN = (
    "problem=circle_packing", "problem.params.n=4", "search.operators=[swap_lines,ast_edit]", "search.archive=voronoi",
    "budget.evaluations=16", "executor.slots=1", "sandbox=none", "seed=3", "out=run",
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that the package was installed into."""
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "package")
    dist, target = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:  # all that installing it would do, in a tenth of the time
        packed.extractall(target)
    return target


@pytest.fixture(scope="module")
def with_it(site):
    return {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}


@pytest.fixture(scope="module")
def without_it():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def evolve(*words, cwd, env):
    argv = [sys.executable, "-m", "evolve", *words]
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def folder(with_it, tmp_path_factory):
    """A folder with a run in which the operator made children that stand in the archive."""
    place = tmp_path_factory.mktemp("runs")
    done = evolve("run", *RUN, "--json", cwd=place, env=with_it)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["measurements"] >= 15  # one may be kept back for the best
    return place


def answer(verb, *words, cwd, env):
    done = evolve(verb, "run", *words, "--json", cwd=cwd, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_uses_what_the_package_offers(folder, with_it):
    status = answer("status", cwd=folder, env=with_it)
    assert status["cells"] == 64
    assert {share["operator"] for share in status["operators"]} >= {"swap_lines", "ast_edit"}
    made = answer("query", "SELECT count(*) AS n FROM candidates WHERE operator = 'swap_lines'", cwd=folder, env=with_it)
    assert made["rows"][0][0] > 0


def test_the_run_is_read_where_the_package_is_not(folder, with_it, without_it):
    before, after = (answer("best", cwd=folder, env=env) for env in (with_it, without_it))
    assert before == after
    done = evolve("status", "run", "--json", cwd=folder, env=without_it)
    there, here = answer("status", cwd=folder, env=with_it), json.loads(done.stdout)
    for key in ("best_id", "best_score", "candidates", "measurements", "failures", "claims"):
        assert here[key] == there[key]
    said = "the archive voronoi is of the package evolve-voronoi, which is not installed; type: pip install evolve-voronoi"
    assert done.stderr.strip() == f"the elites stand here as a shipped archive would have them: {said}"
    sql = "SELECT id, operator, score FROM candidates ORDER BY id"
    assert answer("query", sql, cwd=folder, env=without_it) == answer("query", sql, cwd=folder, env=with_it)


@pytest.mark.parametrize("words", [("resume", "run", "budget.evaluations=20"), ("ask", "run")])
def test_who_would_drive_it_is_told_what_to_install(words, folder, without_it):
    before = sorted((path, path.stat().st_size) for path in (folder / "run" / "journal").iterdir())
    done = evolve(*words, cwd=folder, env=without_it)
    assert done.returncode == 3
    assert "is of the package evolve-voronoi, which is not installed; type: pip install evolve-voronoi" in done.stderr
    assert sorted((path, path.stat().st_size) for path in (folder / "run" / "journal").iterdir()) == before


def test_it_goes_on_where_the_package_is_back(folder, with_it, without_it, tmp_path):
    copy = shutil.copytree(folder / "run", tmp_path / "run")
    assert evolve("status", str(copy), cwd=tmp_path, env=without_it).returncode == 0
    done = evolve("resume", str(copy), "budget.evaluations=24", "--json", cwd=tmp_path, env=with_it)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["measurements"] >= 23
    assert json.loads(evolve("status", str(copy), "--json", cwd=tmp_path, env=with_it).stdout)["cells"] == 64


def test_who_names_none_of_it_has_no_part_of_it(folder, with_it, tmp_path):
    done = evolve("config", "--json", cwd=tmp_path, env=with_it)
    assert json.loads(done.stdout)["config"]["plugins"] == {}
    done = evolve("config", "search.operators=[swap_line]", cwd=tmp_path, env=with_it)
    assert done.returncode == 2
    assert "found 'swap_line'; did you mean swap_lines?" in done.stderr
    done = evolve("config", *RUN[:-1], "--json", cwd=tmp_path, env=with_it)
    plugins = {"operator swap_lines": "evolve-voronoi", "archive voronoi": "evolve-voronoi"}
    assert json.loads(done.stdout)["config"]["plugins"] == plugins


def test_a_problem_of_its_own_form_is_searched_and_outlives_the_package(with_it, without_it, tmp_path):
    form = tmp_path / "halves"
    form.mkdir()
    (form / "fit.py").write_text("def f(x):\n    return 0.2 * x + 0.9\n")
    (form / "table.csv").write_text("0,1\n1,1.5\n2,2\n")
    words = ("problem=halves", "executor=named", "executor.slots=1", "sandbox=none", "budget.evaluations=20", "out=run")
    env = {"EVOLVE_CACHE": str(tmp_path / "cache"), "MACHINE": "theirs"}
    done = evolve("run", *words, "--json", cwd=tmp_path, env=with_it | env)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["best_score"] < found["seed_score"] == pytest.approx(0.7)
    assert done.stderr.startswith("halves is read as a table to fit.\n")
    machines = answer("query", "SELECT DISTINCT machine FROM measurements", cwd=tmp_path, env=with_it)
    assert machines["rows"] == [["theirs"]]
    done = evolve("validate", "halves", cwd=tmp_path, env=without_it | env)
    assert (done.returncode, "Other forms that are understood: autoresearch, openevolve;" in done.stderr) == (2, True)
    shutil.rmtree(form)
    shutil.rmtree(tmp_path / "cache")
    done = evolve("resume", "run", "budget.evaluations=25", "--json", cwd=tmp_path, env=with_it | env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["measurements"] > found["measurements"]
    done = evolve("validate", "run/problem", "sandbox=none", "--json", cwd=tmp_path, env=without_it | env)
    assert json.loads(done.stdout)["ok"]


def test_the_packages_own_tests_pass(with_it, tmp_path):
    shutil.copy(PACKAGE / "test_voronoi.py", tmp_path)
    argv = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "test_voronoi.py"]
    done = subprocess.run(argv, cwd=tmp_path, env=with_it, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_a_checkpoint_keeps_it_whole PASSED" in done.stdout
