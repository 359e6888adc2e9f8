"""Data that does not travel: it is where the contract says, and is what its hash says, before anything is spent."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problem_folders import MINIMAL, write_problem

import evolve
from archive import BlockStatus
from evolve._errors import EnvironmentFault
from evolve.cli import main
from evolve.evaluate import VisibleFiles, open_sandbox_factory
from evolve.execute import LocalExecutor
from evolve.problem import _data
from evolve.problem._data import check_data
from evolve.problem.contract._contract import Contract, Data
from evolve.testing import Probe, action, open_executor_bench


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def contract(path: Path, hash_: str) -> Contract:
    return Contract(name="p", metric="m", goal="minimize", data=(Data(name="corpus", path=str(path), sha256=hash_),))


@pytest.fixture
def check(tmp_path: Path) -> Callable[[Path, str], None]:
    memory = tmp_path / "memory"
    memory.mkdir()
    return lambda path, hash_: check_data(contract(path, hash_), remembered=memory)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is read, in order."""
    read, paths = _data._sha256, list[str]()
    monkeypatch.setattr(_data, "_sha256", lambda path: paths.append(path) or read(path))
    monkeypatch.setattr(_data, "_TICK_S", -1.0)  # else what is written here is too young to be remembered
    return paths


def test_a_folder_has_the_hash_that_the_documented_command_prints(tmp_path: Path, check: Callable[[Path, str], None]) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/write-a-problem.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("cd /shared/shards && ")]
    folder = tmp_path / "d"
    plain = ["b", "a/c", "a/b.bin", "a.bin"]
    odd = [
        "a b",
        "-rf",
        "--help",
        "a\nb",
        "a\rb",
        "a\\b",
        "\\",
        "it's",
        '"',
        "*",
        "$(id)",
        "\t",
        "é",
        "\U0001f600",
        " /-x/ ",
        "~",
        "#",
        "\ufffd",
    ]
    for name in [*plain, *odd, os.fsdecode(b"\xff"), os.fsdecode(b"\xf0/\x80")]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.fsencode(name))
    told = subprocess.run(["sh", "-c", line.replace("/shared/shards", str(folder))], capture_output=True, text=True, check=True)
    assert told.stderr == ""
    check(folder, told.stdout.split()[0])


def test_a_name_that_holds_a_line_is_not_that_line(tmp_path: Path, check: Callable[[Path, str], None]) -> None:
    """A list of two files could be that of one, with an odd name."""
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "b").write_text("b") if folder == two else (folder / f"a\n{sha256(b'b')}  .").mkdir()
    (two / "a").write_text("a")
    (one / f"a\n{sha256(b'b')}  ." / "b").write_text("a")
    list_of_two = sha256(f"{sha256(b'a')}  ./a\n{sha256(b'b')}  ./b\n".encode())
    check(two, list_of_two)
    with pytest.raises(EnvironmentFault, match=r"found [0-9a-f]{64}"):
        check(one, list_of_two)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["a", "b", "c/a", "c/d/a"]), st.binary(max_size=3), min_size=1), st.data())
def test_any_change_of_a_file_or_its_name_is_found(tmp_path: Path, files: dict[str, bytes], draw: st.DataObject) -> None:
    def write(files: dict[str, bytes]) -> Path:
        shutil.rmtree(tmp_path / "d", ignore_errors=True)
        for name, data in files.items():
            (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "d" / name).write_bytes(data)
        return tmp_path / "d"

    def hash_of(files: dict[str, bytes]) -> str:
        return sha256("".join(f"{sha256(data)}  ./{name}\n" for name, data in sorted(files.items())).encode())

    other = draw.draw(st.dictionaries(st.sampled_from(["a", "b", "c/a", "c/d/a"]), st.binary(max_size=3), min_size=1))
    check_data(contract(write(files), hash_of(files)), remembered=tmp_path)
    if other == files:
        check_data(contract(write(other), hash_of(files)), remembered=tmp_path)
    else:
        with pytest.raises(EnvironmentFault, match=f"found {hash_of(other)}"):
            check_data(contract(write(other), hash_of(files)), remembered=tmp_path)


def test_it_is_read_once_until_it_changes(tmp_path: Path, check: Callable[[Path, str], None], reads: list[str]) -> None:
    file, link = tmp_path / "a.bin", tmp_path / "link"
    file.write_bytes(b"one")
    link.symlink_to(file)
    check(file, sha256(b"one"))
    check(link, sha256(b"one"))
    assert reads == [str(file)]
    before = file.stat()
    file.write_bytes(b"two")  # the same size, and by its time of change alone as if it were the same
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(EnvironmentFault, match=f"SHA-256 {sha256(b'one')}, found {sha256(b'two')}"):
        check(file, sha256(b"one"))
    check(file, sha256(b"two"))
    assert reads == [str(file)] * 2


def test_what_was_changed_just_now_is_not_remembered(tmp_path: Path, check: Callable[[Path, str], None], reads: list[str]) -> None:
    """It may be changed once more and have the same times."""
    _data._TICK_S = 2.0  # what the fixture puts back
    (tmp_path / "a.bin").write_bytes(b"one")
    for _ in range(2):
        check(tmp_path / "a.bin", sha256(b"one"))
    assert len(reads) == 2


def test_hashes_are_remembered_only_where_nobody_else_could_write_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path / "cache"))
    assert _data._memory() == tmp_path / "cache" / "data"
    (tmp_path / "cache" / "data").chmod(0o777)
    monkeypatch.setattr(_data.tempfile, "gettempdir", lambda: str(tmp_path))
    assert _data._memory() == tmp_path / f"evolve-data-{os.getuid()}"


def _bind(at: Path) -> None:
    here = os.open(at.parent, os.O_RDONLY)  # the path may be longer than a socket's name
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/{at.name}")
    os.close(here)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda at: None, r"found nothing there; put it there, or a link to where it is"),
        (lambda at: at.symlink_to("nowhere"), r"found nothing there"),
        (lambda at: at.mkdir(), r"found what cannot be read \(the folder is empty\); type: ls -lR \S+data"),
        (
            lambda at: (at.mkdir(), (at / "a").symlink_to("/etc/passwd")),
            r"found a link in it \('a'\); data are files and folders of them: put a copy there, or write another path into problem",
        ),
        (lambda at: os.mkfifo(at), r"found a pipe; data are"),
        (lambda at: (at.mkdir(), os.mkfifo(at / "a\nb")), r"found a pipe in it \('a\\nb'\); data are"),
        (_bind, r"found a socket; data are"),
        (lambda at: at.symlink_to("/dev/zero"), r"found a device; data are"),
        (lambda at: at.symlink_to("/proc/kmsg"), r"found what the kernel makes as it is read; data are"),
        (lambda at: at.symlink_to("/proc"), r"found what the kernel makes as it is read; data are"),
        (lambda at: at.symlink_to("/sys/kernel"), r"found what the kernel makes as it is read; data are"),
        (
            lambda at: at.write_text("other"),
            rf"with the SHA-256 {'0' * 64}, found {sha256(b'other')}; put there what the problem was made with, or, .*yaml",
        ),
    ],
)
def test_what_is_not_as_declared_is_one_sentence(
    tmp_path: Path, check: Callable[[Path, str], None], make: Callable[[Path], object], said: str
) -> None:
    make(tmp_path / "data")
    with pytest.raises(EnvironmentFault, match=rf"^expected the data corpus of p at \S+/data on \S+( |, ){said}") as told:
        check(tmp_path / "data", "0" * 64)
    assert "\n" not in str(told.value)


# ------------------------------------------------------------------------------------------------ a problem with data

PROGRAM = """\
import fcntl, os
ROOT = os.environ["EVOLVE_DATA"]


def look():
    with open(ROOT + "/one") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        except OSError:
            locked = False
        found = [open(ROOT + "/shards/sub/b.bin").read(), file.read()]
    return [sorted(os.listdir(ROOT)), found, locked, os.path.exists("/.layer")]
"""
EVALUATE = """\
import json

from evolve import JsonValue, Outcome


def evaluate(trial):
    assert sorted(trial.data) == ["one", "secret", "shards"]
    assert trial.data["secret"].read_text() == "secret"
    reply = trial.sandbox.call("main.py:look", {}, {"seen": JsonValue()})
    return Outcome(score=1.0, feedback=json.dumps(reply.value["seen"])) if reply.ok else reply.outcome()
"""


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    """Its data lies beside it: a file and a folder that programs see, and a file that they do not."""
    there = tmp_path / "there"
    (there / "shards" / "sub").mkdir(parents=True)
    for name, text in {"shards/sub/b.bin": "b", "one.bin": "one", "secret.bin": "secret"}.items():
        (there / name).write_text(text)
    folder_hash = sha256(f"{sha256(b'b')}  ./sub/b.bin\n".encode())
    declared = f"""data:
  - {{name: shards, path: {there}/shards, sha256: "{folder_hash}", reader: candidate}}
  - {{name: one, path: {there}/one.bin, sha256: "{sha256(b"one")}", reader: candidate}}
  - {{name: secret, path: {there}/secret.bin, sha256: "{sha256(b"secret")}"}}
"""
    return write_problem(tmp_path / "problem", MINIMAL + declared, evaluate_py=EVALUATE, initial__main_py=PROGRAM)


@pytest.mark.parametrize("tier", ["strict", "none"])
def test_evaluator_and_program_see_what_is_theirs(problem: Path, tmp_path: Path, tier: str) -> None:
    """In the strict tier as objects of the slot's own: what somebody else has locked is free there."""
    with open_sandbox_factory(tier, VisibleFiles()) as factory:
        own = getattr(factory.isolation, "own_files", False)
    with (tmp_path / "there" / "one.bin").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (result,) = evolve.measure(problem, seeds=[1], sandbox=tier)
    assert result.feedback == f'[["one", "shards"], ["b", "one"], {str(own).lower()}, false]', result.reason


def test_a_run_is_refused_before_it_is_made_and_lost_by_nothing(
    problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = tmp_path / "there" / "secret.bin", tmp_path / "run"
    words = ["run", f"problem={problem}", f"out={run}", "sandbox=none", "executor.slots=1", "budget.evaluations=2"]
    file.rename(tmp_path / "away")
    for verb in (words, ["validate", str(problem), "sandbox=none"]):
        assert main(verb) == 3
        assert "expected the data secret of tiny at " in capsys.readouterr().err
    assert not run.exists()
    (tmp_path / "away").rename(file)
    assert main(words) == 0
    file.write_text("Secret")
    before = sorted((run / "journal").iterdir()), (run / "journal").stat().st_mtime_ns
    assert main(["resume", str(run), "budget.evaluations=3"]) == 3
    assert f"found {sha256(b'Secret')}; put there what" in capsys.readouterr().err
    assert (sorted((run / "journal").iterdir()), (run / "journal").stat().st_mtime_ns) == before
    file.write_text("secret")
    assert main(["resume", str(run), "budget.evaluations=3"]) == 0


def test_another_hash_makes_another_problem(problem: Path) -> None:
    before = evolve.load_problem(problem)
    file = problem / "problem.yaml"
    file.write_text(file.read_text().replace(sha256(b"secret"), "0" * 64))
    after = evolve.load_problem(problem)
    assert (before.id, before.evaluator) != (after.id, after.evaluator)
    assert replace(after.contract, data=before.contract.data) == before.contract


def test_data_that_is_replaced_while_a_run_goes_on_is_measured_on_no_more(tmp_path: Path) -> None:
    file, other = tmp_path / "one.bin", tmp_path / "two.bin"
    file.write_bytes(b"one")
    other.write_bytes(b"two")
    data = (Data(name="one", path=str(file), sha256=sha256(b"one")),)

    def make(problems, *, slots, sink):
        with_data = {name: replace(one, contract=replace(one.contract, data=data)) for name, one in problems.items()}
        return LocalExecutor(with_data, slots=slots, tier="none", sink=sink, patience_s=0.5)

    with open_executor_bench(make, Probe(tmp_path)) as bench:
        closed, _ = bench.run(action("score"))
        assert closed.status is BlockStatus.OK
        other.rename(file)
        closed, reports = bench.run(action("score"))
        assert (closed.status, closed.lost, reports) == (BlockStatus.LOST, None, [])
        assert "expected the data one of" in closed.reason


def test_folders_may_be_deep(tmp_path: Path, check: Callable[[Path, str], None]) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(1100):  # deeper than calls may nest, and near to as long as a path may be
        os.mkdir("a", dir_fd=here)
        below = os.open("a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    try:
        with pytest.raises(EnvironmentFault, match="with the SHA-256"):
            check(folder, sha256(b"x"))
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)  # shutil.rmtree calls itself for each level
