"""A problem that travels arrives as it was, once a machine, and what was changed on the way is told."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
from functools import partial
from importlib import metadata
from pathlib import Path

import pytest

import evolve
from evolve._errors import EnvironmentFault
from evolve.evaluate.isolation._hardware import hardware_of
from evolve.execute.cluster import ClusterExecutor
from evolve.execute.cluster._bundle import check_versions, pack, prune, touch, unpack
from evolve.execute.cluster._connection import Connection
from evolve.execute.cluster._host import _unpacked
from evolve.problem.contract._contract import Data, Problem
from evolve.testing import Probe, action, open_executor_bench


@pytest.fixture(scope="module")
def problem() -> Problem:
    return evolve.load_problem("circle_packing")


def test_what_arrives_loads_as_the_same_problem(problem: Problem, tmp_path: Path) -> None:
    bundle = pack(problem)
    assert pack(problem).digest == bundle.digest
    found = unpack(bundle, tmp_path)
    again = evolve.load_problem(found.folder)
    assert (again.id, again.evaluator) == (problem.id, problem.evaluator)
    assert (found.id, found.evaluator) == (problem.id, problem.evaluator)
    assert not [path for path in found.folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o222]


def test_it_is_unpacked_once(problem: Problem, tmp_path: Path) -> None:
    bundle = pack(problem)
    first = unpack(bundle, tmp_path).folder
    written = (first / "evaluate.py").stat().st_ino
    second = unpack(bundle, tmp_path).folder
    assert first == second
    assert (second / "evaluate.py").stat().st_ino == written


def test_what_was_damaged_on_the_way_is_refused_and_nothing_is_left(problem: Problem, tmp_path: Path) -> None:
    bundle = dataclasses.replace(pack(problem), data=pack(problem).data[:-1] + b"x")
    with pytest.raises(EnvironmentFault, match="arrived as"):
        unpack(bundle, tmp_path)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_what_was_changed_where_it_lies_is_named(problem: Problem, tmp_path: Path) -> None:
    bundle = pack(problem)
    file = unpack(bundle, tmp_path).folder / "evaluate.py"
    file.chmod(0o644)
    file.write_text("def evaluate(trial): ...\n")
    with pytest.raises(EnvironmentFault, match=r"expected \S+evaluate.py as it was sent .* found it changed; remove"):
        unpack(bundle, tmp_path)


def test_an_asset_that_was_changed_where_it_lies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path / "cache"))
    contract = "name: tiny\nmetric: score\ngoal: maximize\nassets: {grader: [answers.txt]}\n"
    prepare = 'import sys\nopen(sys.argv[1] + "/answers.txt", "w").write("6")\n'
    texts = {"problem.yaml": contract, "evaluate.py": "", "initial/main.py": "x = 1\n", "prepare.py": prepare}
    for name, text in texts.items():
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / name).write_text(text)
    bundle = pack(evolve.load_problem(tmp_path / "p"))
    found = unpack(bundle, tmp_path / "store")
    assert found.assets is not None
    file = found.assets / "answers.txt"
    assert file.read_text() == "6"
    file.chmod(0o644)
    file.write_text("7")
    with pytest.raises(EnvironmentFault, match=r"as it was sent .* found it changed; remove"):
        unpack(bundle, tmp_path / "store")


def test_bundles_that_nobody_used_for_a_week_go(problem: Problem, tmp_path: Path) -> None:
    folder = unpack(pack(problem), tmp_path).folder
    prune(tmp_path)
    assert folder.exists()
    prune(tmp_path, now=time.time() + 8 * 86400)
    assert not folder.exists()
    assert os.listdir(tmp_path)  # its lock


def test_other_versions_of_packages_are_named_with_what_to_install(problem: Problem) -> None:
    """Of what candidates import and of what that requires; what a package was built for is no other version."""
    bundle = pack(problem)
    numpy = metadata.version("numpy")
    assert bundle.versions["numpy"] == numpy
    check_versions(bundle)
    check_versions(dataclasses.replace(bundle, versions={"numpy": f"{numpy}+cpu"}))
    with pytest.raises(EnvironmentFault) as told:
        check_versions(
            dataclasses.replace(bundle, versions={"numpy": "0.1", "pytest": metadata.version("pytest"), "no-such": "2.0+x"})
        )
    assert str(told.value) == (
        f"expected numpy 0.1, no-such 2.0 for {problem.id}, as where the run is driven, found numpy {numpy}, no no-such; "
        "type there: pip install numpy==0.1 no-such==2.0"
    )


# Besides what the probe does: read the data.
_MORE = """
DO["read"] = lambda trial: Outcome(score=float(trial.data["number"].read_text()))
"""


def test_data_is_looked_for_where_the_slot_is(tmp_path: Path, ray_here: Connection) -> None:
    """Nothing of it travels, and a node without it takes no part."""
    from evolve.testing import _probe

    file = tmp_path / "number"
    file.write_text("7")
    probe = Probe(tmp_path, evaluate=_probe._EVALUATE + _MORE)
    data = Data(name="number", path=str(file), sha256=hashlib.sha256(b"7").hexdigest())
    probe.problem = dataclasses.replace(probe.problem, contract=dataclasses.replace(probe.problem.contract, data=(data,)))
    make = partial(ClusterExecutor, tier="none", grace_s=1.0)
    with open_executor_bench(make, probe) as bench:
        _, reports = bench.run(action("read"))
        assert [(report.result.score, report.hardware) for report in reports] == [(7.0, hardware_of())]
    bundle = pack(probe.problem)
    file.write_text("8")
    with pytest.raises(EnvironmentFault, match=r"^expected the data number of probe at \S+ on \S+ with the SHA-256"):
        _unpacked((bundle,), "none")


def test_a_store_that_others_could_have_written_is_refused(problem: Problem, tmp_path: Path) -> None:
    bundle = pack(problem)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for store in ("open", "link"):
        with pytest.raises(EnvironmentFault, match="it is a link, somebody else's, or others may write there"):
            unpack(bundle, tmp_path / store)
    assert list((tmp_path / "real").iterdir()) == []


def test_a_bundle_that_is_said_to_be_in_use_is_kept(problem: Problem, tmp_path: Path) -> None:
    folder = unpack(pack(problem), tmp_path).folder
    os.utime(folder, (0, 0))
    touch([folder, tmp_path / "gone"])
    prune(tmp_path)
    assert folder.exists()
