"""What happens to a terminal, a pipe or an encoding ends no run and falsifies no exit code."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from cli_process import SETTINGS, Cli, n_records, wait_for

from archive import find_records
from evolve.cli._main import VERBS
from evolve.cli._streams import Outlet, is_fit

FULL = "/dev/full"


def shell(cli: Cli, command: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """A shell's command line in which ``evolve`` is ours; its stdout and stderr where it does not redirect them."""
    line = f"evolve() {{ '{sys.executable}' -W error -m evolve \"$@\"; }}; {command}"
    return subprocess.run(["bash", "-c", line], cwd=cli.folder, env=cli.env | env, capture_output=True, timeout=60, check=False)


@pytest.fixture
def here(cli: Cli, ended: tuple[Path, str, str]) -> Cli:
    """A folder in which ``ended`` is the run."""
    (cli.folder / "ended").symlink_to(ended[0])
    return cli


OTHERS = [pytest.param(verb, marks=pytest.mark.slow) for verb in ("best ended", "query ended 'select 1'", "config")]


@pytest.mark.parametrize("verb", ["status ended", "best ended --json", "--help", *OTHERS])
def test_an_answer_that_does_not_fit_on_the_disk_is_no_success(here: Cli, verb: str) -> None:
    done = shell(here, f"evolve {verb} > {FULL}")
    assert done.returncode == 3
    assert done.stderr.decode().startswith("evolve: stdout cannot be written (No space left on device); what evolve")
    assert done.stderr.count(b"\n") == 1


def test_an_answer_into_a_closed_stdout_is_no_success(here: Cli) -> None:
    done = shell(here, "evolve best ended >&-")
    assert done.returncode == 3
    assert b"stdout cannot be written (Bad file descriptor)" in done.stderr


def test_a_negative_verdict_stays_one_when_nobody_hears_it(here: Cli, problem: Path) -> None:
    broken = here.folder / "broken"
    broken.mkdir()
    done = shell(here, f"evolve validate broken > {FULL}")
    assert done.returncode == shell(here, "evolve validate broken").returncode != 0


@pytest.mark.parametrize("redirection", ["2>&-", f"2>{FULL}", "<&-"])
def test_a_question_is_answered_whatever_becomes_of_stderr_and_stdin(here: Cli, redirection: str) -> None:
    done = shell(here, f"evolve status ended --json {redirection}")
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "done"


@pytest.mark.parametrize(
    "redirections",
    [
        pytest.param("<&- >&- 2>&-", id="all closed"),
        pytest.param("2>{dead} | true", id="nobody reads stdout"),
        pytest.param(">&-", id="stdout closed", marks=pytest.mark.slow),
        pytest.param("2>&-", id="stderr closed", marks=pytest.mark.slow),
        pytest.param(f">{FULL} 2>{FULL}", id="both full", marks=pytest.mark.slow),
        pytest.param("2> >(true)", id="nobody reads stderr", marks=pytest.mark.slow),
    ],
)
def test_a_run_is_worth_what_it_did_and_not_what_could_be_told_of_it(cli: Cli, problem: Path, redirections: str) -> None:
    settings = " ".join([f"problem={problem}", "budget.evaluations=6", "out=run", *SETTINGS])
    done = shell(cli, f"set -o pipefail; evolve run {settings} {redirections.format(dead='/dev/null')}")
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert n_records(cli.folder / "run", "measured") == 6
    assert json.loads(shell(cli, "evolve status run --json").stdout)["status"] == "done"


ODD = [
    {"PYTHONIOENCODING": "ascii:strict"},
    {"PYTHONIOENCODING": "idna"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


@pytest.fixture(scope="session")
def accented(tmp_path_factory: pytest.TempPathFactory, problem: Path) -> Path:
    """A run whose program has characters that no small encoding has."""
    cli = Cli(tmp_path_factory.mktemp("accented"))
    folder = cli.folder / "naïve"
    subprocess.run(["cp", "-r", str(problem), str(folder)], check=True)
    seed = folder / "initial" / "main.py"
    seed.write_text(seed.read_text(encoding="utf-8").replace("A point.", "Ein Pünktchen → “here” 点."), encoding="utf-8")
    code, _, err = cli("run", "problem=naïve", "out=süß", "budget.evaluations=8", *SETTINGS)
    assert code == 0, err
    return cli.folder


@pytest.mark.parametrize(
    "env",
    [pytest.param(env, id=" ".join(env.values()), marks=[pytest.mark.slow] * ("PYTHONIOENCODING" in env)) for env in ODD],
)
def test_what_a_locale_lacks_is_escaped_and_ends_nothing(cli: Cli, accented: Path, env: dict[str, str]) -> None:
    cli.folder = accented
    for verb in ("best süß", "query süß 'select * from candidates'", "lineage süß"):
        done = shell(cli, f"evolve {verb}", **env)
        assert b"Traceback" not in done.stderr
        assert done.returncode == 0, done.stderr
    name = f"run-{len(list(accented.iterdir()))}"
    done = shell(cli, f"evolve run problem=naïve out={name} budget.evaluations=6 {' '.join(SETTINGS)}", **env)
    assert done.returncode == 0, done.stderr
    assert n_records(accented / name, "measured") == 6


@pytest.mark.parametrize("env", ODD, ids=lambda env: " ".join(env.values()))
def test_a_program_goes_into_a_pipe_byte_by_byte_in_any_locale(cli: Cli, accented: Path, env: dict[str, str]) -> None:
    cli.folder = accented
    done = shell(cli, "evolve best süß --source", **env)
    assert "Ein Pünktchen → “here” 点." in done.stdout.decode("utf-8")


NOWHERE = f"evolve status {'x' * 70}..nowhere"


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    return shell(Cli(tmp_path_factory.mktemp("plain")), NOWHERE).stderr.decode()


LIKE_OTHERS = [pytest.param(one, marks=pytest.mark.slow) for one in ("punycode", "undefined", "unicode_escape", "utf-8", "cp037")]


@pytest.mark.parametrize("encoding", ["idna", "utf-16", "latin-1", *LIKE_OTHERS])
def test_a_message_is_read_as_it_was_said_whatever_the_encoding(cli: Cli, plain: str, encoding: str) -> None:
    done = shell(cli, NOWHERE, PYTHONIOENCODING=encoding)
    *told, last = done.stderr.decode("utf-8" if not is_fit(encoding) else encoding).splitlines(keepends=True)
    assert (done.returncode, last) == (2, plain)
    assert ["cannot write every text; this is UTF-8" in one for one in told] == [True] * (not is_fit(encoding))


def test_encodings_of_texts_are_kept_and_others_are_not() -> None:
    fit = {"utf-8", "ascii", "latin-1", "cp1252", "shift_jis", "gb18030", "cp037", "utf-8-sig"}
    assert {one for one in (*fit, "idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape") if is_fit(one)} == fit


def test_a_name_that_a_locale_cannot_read_can_still_be_typed(cli: Cli, accented: Path) -> None:
    cli.folder = accented
    done = shell(cli, "evolve status süß", **ODD[-1])
    assert "süß".encode() in done.stdout


class Terminal:
    """A process on a terminal of its own, as the leader of its session; ``close`` is what happens when the window goes."""

    def __init__(self, cli: Cli, *words: str, term: str, ignore: bool = False, size: tuple[int, int] = (24, 80)) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_IGN if ignore else signal.SIG_DFL)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            os.chdir(cli.folder)
            os.execve(sys.executable, [sys.executable, "-m", "evolve", *words], cli.env | {"TERM": term})
        self.seen = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._closing, self._close = os.pipe()
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):
            while True:
                ready, _, _ = select.select([self.fd, self._closing], [], [])
                if self._closing in ready or not (part := os.read(self.fd, 65536)):
                    return
                self.seen += part

    def close(self) -> None:
        os.write(self._close, b"x")
        self._reader.join()
        os.close(self.fd)

    def wait(self) -> int:
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        for fd in (self._closing, self._close):
            os.close(fd)
        return code


@pytest.mark.parametrize("term", [pytest.param("dumb", marks=pytest.mark.slow), "xterm"])
def test_a_run_under_nohup_outlives_its_terminal(cli: Cli, problem: Path, term: str) -> None:
    words = ("run", f"problem={problem}", "problem.params.sleep=0.1", "out=run", "budget.evaluations=14", *SETTINGS)
    terminal = Terminal(cli, *words, term=term, ignore=True)
    wait_for(lambda: n_records(cli.folder / "run", "measured") >= 2)
    terminal.close()
    assert terminal.wait() == 0
    assert n_records(cli.folder / "run", "measured") == 14


@pytest.mark.parametrize("term", ["dumb", pytest.param("xterm", marks=pytest.mark.slow)])
def test_a_terminal_that_goes_away_ends_a_run_like_one_interrupt(cli: Cli, problem: Path, term: str) -> None:
    words = ("run", f"problem={problem}", "problem.params.sleep=0.2", "out=run", "budget.evaluations=1000", *SETTINGS)
    terminal = Terminal(cli, *words, term=term)
    run = cli.folder / "run"
    wait_for(lambda: n_records(run, "measure_issued") >= 2)
    os.kill(terminal.pid, signal.SIGHUP)  # a shell sends one to its jobs, and the kernel another
    terminal.close()
    assert terminal.wait() == 130
    assert n_records(run, "measure_issued") == n_records(run, "block_closed")  # drained
    assert [stamped.record.status for stamped in find_records(run, ("closed",))] == ["interrupted"]


@pytest.mark.parametrize(
    ("columns", "encoding"),
    [
        ("1", "utf-8"),
        pytest.param("0", "utf-8", marks=pytest.mark.slow),
        pytest.param("x", "utf-8", marks=pytest.mark.slow),
        ("80", "ascii"),
    ],
)
def test_a_terminal_of_any_width_and_encoding_shows_a_run_to_its_end(cli: Cli, problem: Path, columns: str, encoding: str) -> None:
    cli.env |= {"COLUMNS": columns, "PYTHONIOENCODING": encoding}
    terminal = Terminal(cli, "run", f"problem={problem}", "out=run", "budget.evaluations=6", *SETTINGS, term="xterm", size=(1, 1))
    assert terminal.wait() == 0
    assert n_records(cli.folder / "run", "measured") == 6


def test_a_stream_that_another_process_made_non_blocking_loses_nothing() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    outlet, text = Outlet(theirs, closed=False, whole=True), bytes(range(256)) * 4096
    found = bytearray()

    def read() -> None:
        while len(found) < len(text):
            found.extend(os.read(ours, 10_000))

    reader = threading.Thread(target=read)
    reader.start()
    rest = memoryview(text)
    while rest:
        rest = rest[outlet.write(rest) :]
    reader.join()
    assert (bytes(found), outlet.lost) == (text, None)
    os.close(ours)
    os.close(theirs)


def test_data_ends_at_the_first_loss_and_progress_goes_on_after_it(tmp_path: Path) -> None:
    full = os.open(FULL, os.O_WRONLY)
    data, progress = Outlet(full, closed=False, whole=True), Outlet(full, closed=False, whole=False)
    assert (data.write(b"ab"), progress.write(b"ab")) == (2, 2)
    room = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(room, full)
    assert (data.write(b"cd"), progress.write(b"ef")) == (2, 2)
    assert (tmp_path / "log").read_bytes() == b"ef"
    assert data.lost is not None
    assert progress.lost is not None
    assert data.lost.errno == progress.lost.errno == errno.ENOSPC
    os.close(full)
    os.close(room)


def test_which_verbs_are_worth_what_they_did_is_a_decision() -> None:
    assert {verb.name for verb in VERBS if verb.acts} == {"run", "resume", "stop", "rebin", "note", "retract", "new", "ablate"}
