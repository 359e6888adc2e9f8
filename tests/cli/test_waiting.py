"""Who waits for a score and is interrupted, or goes away, is back at once; measuring goes on and nothing is lost."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_process import SEED, Cli, Say, held, is_driven, n_records, wait_for
from test_agents import n_measured

from evolve.cli import main

AT_ONCE_S = 10  # on a loaded machine; nothing that is waited for here ends before the test lets it
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


@pytest.fixture
def run(undriven: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(undriven, tmp_path / "run"))


@pytest.fixture
def go(cli: Cli) -> Path:
    """The child of ``slow`` can be measured once this file is there."""
    return cli.folder / "go"


@pytest.fixture
def slow(go: Path) -> str:
    waits = f"import os\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.02)\n"
    return SEED.replace("\n\ndef", f"\n{waits}\n\ndef", 1).replace("X = 4.0", "X = 2.0")


@pytest.fixture
def heard() -> Iterator[None]:
    """Where tests run in the background, children would ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def in_hand(run: Path, before: int = 1) -> None:
    wait_for(lambda: n_records(run, "measure_issued") > before)


def is_measured_once(say: Say, run: Path, go: Path, ticket: int) -> None:
    """Nothing of it was lost: it is measured by whoever had it in hand."""
    wait_for(lambda: is_driven(run))
    assert json.loads(say("result", run, ticket, "--json"))["result"]["status"] == "not measured"
    go.write_text("")
    found = json.loads(say("result", run, ticket, "--wait", "60", "--json"))
    assert (found["result"]["status"], found["result"]["score"]) == ("ok", 1.5)
    wait_for(lambda: not is_driven(run))
    assert n_measured(run, found["candidate"]) == 1


@pytest.mark.parametrize("flags", [pytest.param((), marks=pytest.mark.slow), ("--json",)], ids=["", "json"])
def test_one_interrupt_ends_the_wait_of_tell_and_no_measurement(
    cli: Cli, say: Say, run: Path, slow: str, go: Path, file, heard: None, flags: tuple[str, ...]
) -> None:
    mine = json.loads(say("ask", run, "--json"))["ticket"]
    teller = cli.start("tell", str(run), str(mine), str(file(slow)), "--wait", *flags)
    in_hand(run)
    teller.send_signal(signal.SIGINT)
    out, err = teller.communicate(timeout=AT_ONCE_S)
    assert (teller.returncode, "Traceback" in err) == (130, False), err
    assert f"(ticket {mine}); to look later, type: evolve result {run} {mine} --wait\n" in err
    if flags:
        found = json.loads(out)
        assert (found["status"], found["result"]["status"]) == ("accepted", "not measured")
        assert f"evolve result {run} {mine} --wait" in found["result"]["reason"]
    else:
        assert out.startswith("accepted: ")
    is_measured_once(say, run, go, mine)


def test_an_interrupt_of_result_says_what_to_type(
    say: Say, run: Path, file, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = json.loads(say("ask", run, "--json"))["ticket"]
    say("tell", run, mine, file(SEED.replace("X = 4.0", "X = 2.0")))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evolve.cli.external._results.wait_measured", interrupted)
    assert main(["result", str(run), str(mine), "--wait"]) == 130
    assert f"type: evolve result {run} {mine} --wait\n" in capsys.readouterr().err


def test_an_interrupt_before_the_driver_took_the_child_says_where_to_look(
    cli: Cli, say: Say, run: Path, slow: str, file, heard: None
) -> None:
    mine = json.loads(say("ask", run, "--json"))["ticket"]
    with held(run):  # a driver that does not listen
        teller = cli.start("tell", str(run), str(mine), str(file(slow)), "--wait")
        wait_for(lambda: any((run / "inbox").glob("*.json")))
        teller.send_signal(signal.SIGINT)
        _, err = teller.communicate(timeout=AT_ONCE_S)
    assert teller.returncode == 130
    assert f"whether it was taken says: evolve result {run} {mine}\n" in err
    assert json.loads(say("result", run, mine, "--json"))["status"] == "open"
    say("note", run, "whoever speaks to the run next takes in what was left", "--json")
    assert json.loads(say("result", run, mine, "--json"))["status"] == "told"


class Server:
    """``evolve mcp``, line by line."""

    def __init__(self, cli: Cli, run: Path) -> None:
        self.process, self._n = cli.start("mcp", str(run), stdin=subprocess.PIPE), 0
        self.send("initialize", HELLO)
        self.answer()
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def send(self, method: str, params: dict[str, Any]) -> None:
        self._n += 1
        self._write({"jsonrpc": "2.0", "id": self._n, "method": method, "params": params})

    def give_up(self) -> None:
        """The call that was sent last."""
        self._write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": self._n}})

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        while (found := json.loads(self.process.stdout.readline())).get("id") != self._n:
            pass
        return dict(found["result"])

    def start_call(self, name: str, **arguments: object) -> None:
        self.send("tools/call", {"name": name, "arguments": arguments})

    def call(self, name: str, **arguments: object) -> dict[str, Any]:
        self.start_call(name, **arguments)
        return dict(self.answer()["structuredContent"])


@pytest.mark.parametrize(
    "how", ["interrupted", pytest.param("left", marks=pytest.mark.slow), pytest.param("given up", marks=pytest.mark.slow)]
)
def test_a_server_does_not_stay_for_a_wait_that_nobody_waits_for(
    cli: Cli, say: Say, run: Path, slow: str, go: Path, heard: None, how: str
) -> None:
    server = Server(cli, run)
    mine = int(server.call("ask")["ticket"])
    server.start_call("tell", ticket=mine, files={"main.py": slow}, wait_s=600)
    in_hand(run)
    if how == "interrupted":
        server.process.send_signal(signal.SIGINT)
    elif how == "left":
        server.leave()
    else:
        server.give_up()
        assert server.call("status")["status"] == "running"
        server.leave()
    assert server.process.wait(timeout=AT_ONCE_S) == (130 if how == "interrupted" else 0)
    is_measured_once(say, run, go, mine)


def test_a_server_that_nobody_speaks_to_ends_at_an_interrupt(cli: Cli, run: Path, heard: None) -> None:
    server = Server(cli, run)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(timeout=AT_ONCE_S) == 130


def test_a_tool_is_back_when_its_seconds_are_over(cli: Cli, say: Say, run: Path, slow: str, go: Path) -> None:
    server = Server(cli, run)
    mine = int(server.call("ask")["ticket"])
    told = server.call("tell", ticket=mine, files={"main.py": slow}, wait_s=1)
    assert (told["status"], told["result"]["status"]) == ("accepted", "not measured")
    assert server.call("result", what=mine, wait_s=0.5)["result"]["status"] == "not measured"
    is_measured_once(say, run, go, mine)
