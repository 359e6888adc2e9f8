"""evolve mcp: the official client, over stdio, on a real run."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cli_process import SETTINGS, Cli, n_records, wait_for
from mcp import Client, StdioServerParameters

from evolve.cli import main

TOOLS = ["ask", "tell", "note", "resume", "status", "result", "best", "show", "lineage", "query", "validate", "claims"]
Call = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="module")
def packing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five discs; nobody drives the run."""
    run = tmp_path_factory.mktemp("packing") / "run"
    words = ("problem=circle_packing", "problem.params.n=5", "search=fixed_candidates", f"out={run}", *SETTINGS)
    assert main(["run", "--json", *words]) == 0
    return run


def served(run: Path, use: Callable[[Client, Call], Awaitable[None]]) -> None:
    """Start a server as a client does, and use it."""
    place = StdioServerParameters(command=sys.executable, args=["-W", "error", "-m", "evolve", "mcp", str(run)], env={**os.environ})

    async def session() -> None:
        async with asyncio.timeout(60), Client(place) as client:

            async def call(name: str, **words: object) -> Any:
                found = await client.call_tool(name, words)
                assert not found.is_error, found.content
                return found.structured_content

            await use(client, call)

    asyncio.run(session())


def test_an_agent_asks_tells_and_looks_back(packing: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def verb(*words: str) -> Any:
        capfd.readouterr()
        assert main([words[0], str(packing), *words[1:], "--json"]) == 0
        return json.loads(capfd.readouterr().out)

    async def use(client: Client, call: Call) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == TOOLS
        assert [name for name, tool in tools.items() if tool.annotations.read_only_hint] == TOOLS[4:]
        assert "duplicate" in (tools["tell"].description or "")
        assert "two\nstandard deviations" in (client.instructions or "")

        asked = await call("ask", expires_s=600)
        assert list(asked) == list(verb("ask"))
        ((path, text),) = asked["parents"][0]["files"].items()
        same = await call("tell", ticket=asked["ticket"], files={path: text + "\n# the same\n"})
        assert (same["status"], same["candidate"]) == ("duplicate", asked["parents"][0]["id"])
        loud = f"print('not the protocol')\nprint('really', flush=True)\n{text}"
        words = {"summary": "prints", "hypothesis": "loud", "expected": "nothing", "plan": "print"}
        told = await call("tell", ticket=asked["ticket"], files={path: loud}, wait_s=60, **words)
        assert (told["status"], told["late"], told["result"]["status"]) == ("accepted", False, "ok")
        assert told["result"]["effect_gain"] == pytest.approx(0.0)
        assert told["fate"]["measured"]

        assert await call("best") == verb("best")
        assert await call("result", what=asked["ticket"]) == await call("result", what=str(asked["ticket"]))
        assert await call("result", what=asked["ticket"]) == verb("result", str(asked["ticket"]))
        tried = await call("validate", files={path: loud})
        assert tried["ok"]
        assert (await call("resume", budget={"evaluations": 90}, drive=False))["budget"]["evaluations"] == 90
        assert (await call("resume", wait_s=30))["status"] == "done"
        shown = await call("show", id=told["candidate"])
        assert shown == verb("show", told["candidate"])
        assert (shown["operator"], shown["hypothesis"], len(shown["measurements"])) == ("external", "loud", 1)
        assert await call("lineage", id=told["candidate"]) == verb("lineage", told["candidate"])
        assert await call("claims") == verb("claims")
        assert await call("status") == verb("status")
        assert (await call("note", text="printing is no help", author="me"))["author"] == "me"
        sql = "SELECT operator, count(*) FROM candidates GROUP BY 1 ORDER BY 1"
        assert await call("query", sql=sql) == {**verb("query", sql), "rows": [["external", 1], ["seed", 1]]}
        assert (await call("query", sql="SELECT range FROM range(9)", limit=2))["more"]

    served(packing, use)


@pytest.mark.parametrize(
    ("tool", "words", "said"),
    [
        ("tell", {"ticket": 999, "files": {}}, "no ticket 999 was handed out by the tool ask; call ask"),
        ("ask", {"expires_s": -1}, "a ticket expires after more than 0"),
        ("ask", {"parent": "zz"}, "has no candidate 'zz'"),
        ("show", {"id": "zz"}, "has no candidate 'zz'"),
        ("note", {"text": ""}, "expected a note of 1 to 4000 characters"),
        ("query", {"sql": "DROP TABLE candidates"}, "a query is one SELECT"),
        ("query", {"sql": "SELECT 1; SELECT 2"}, "a query is one SELECT"),
        ("query", {"sql": "COPY candidates TO 'stolen.csv'"}, "a query is one SELECT"),
        ("query", {"sql": "SELECT * FROM read_text('/etc/hostname')"}, "disabled"),
        ("query", {"sql": "SELECT nothing FROM candidates"}, "nothing"),
        ("query", {"sql": "SELECT repeat('a', 50000000)"}, "more than 1048576 bytes; ask for fewer rows or columns"),
        ("query", {"sql": "SELECT count(*) FROM range(1000000000000)"}, "given up after 0.5 s; ask for less"),
        ("note", {"text": "\ud800"}, "note takes Unicode text"),
        ("tell", {"ticket": "one", "files": {}}, "ticket of tell must be a valid integer, found 'one'."),
        (
            "tell",
            {"ticket": 1, "files": {}, "wait": 600},
            "tell takes ticket, files, summary, hypothesis, expected, plan, wait_s, found wait.",
        ),
        ("status", {"verbose": True}, "status takes problem, found verbose."),
    ],
)
def test_what_is_refused_is_a_tool_error_in_our_words(
    packing: Path, tool: str, words: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process: what differs over stdio is tested above."""
    from evolve.cli.mcp._tools import server_of

    async def call() -> Any:
        async with Client(server_of(str(packing))) as client:
            return await client.call_tool(tool, words)

    monkeypatch.chdir(tmp_path)
    if "given up" in said:  # nobody else is held to a clock
        monkeypatch.setattr("evolve.cli.mcp._tools.QUERY_S", 0.5)
    found = asyncio.run(call())
    assert found.is_error
    assert said in found.content[0].text
    assert "Traceback" not in found.content[0].text
    assert "https://" not in found.content[0].text
    assert not list(tmp_path.iterdir())


def test_a_limit_that_is_spent_is_refused_and_nothing_is_written(ended: tuple[Path, str, str]) -> None:
    from evolve.cli.mcp._tools import server_of

    async def call(limit: dict[str, float]) -> str:
        async with Client(server_of(str(ended[0]))) as client:
            found = await client.call_tool("resume", {"budget": limit, "wait_s": 1})
            assert found.is_error
            return str(found.content[0].text)

    def on_disk() -> dict[Path, bytes]:
        return {one: one.read_bytes() for one in ended[0].rglob("*") if one.is_file() and one.name != "lock"}

    before = on_disk()
    for key, limit in (("evaluations", 5), ("candidates", 1), ("wall_s", 0.001), ("cpu_s", 1e-4)):
        said = rf'expected budget\.{key} above the \S+ that are spent, found {limit}; call resume with budget={{"{key}": '
        assert re.search(said, asyncio.run(call({key: limit})))
    assert on_disk() == before


@pytest.mark.slow
def test_a_live_run_is_served_and_nothing_but_the_protocol_is_on_stdout(cli: Cli, problem: Path) -> None:
    words = ("problem.params.sleep=0.05", "out=live", "budget.evaluations=100000")
    driver = cli.start("run", "--json", f"problem={problem}", *words, *SETTINGS)
    run = cli.folder / "live"
    wait_for(lambda: n_records(run, "measured") >= 1)

    async def use(client: Client, call: Call) -> None:
        asked = await call("ask", parent="seed")
        text = asked["parents"][0]["files"]["main.py"].replace("X = 4.0", "X = 1.125")
        told = await call("tell", ticket=asked["ticket"], files={"main.py": text}, wait_s=60)
        assert told["result"]["score"] == 0.625
        assert (await call("status"))["status"] == "running"
        statuses = await asyncio.gather(*(call("ask", expires_s=5) for _ in range(4)))
        assert len({one["ticket"] for one in statuses}) == 4

    served(run, use)
    assert driver.poll() is None

    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "best", "arguments": {}}},
    ]
    server = cli.start("mcp", str(run), stdin=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    for line in lines:
        server.stdin.write(json.dumps(line) + "\n")
    server.stdin.flush()
    answers = [json.loads(server.stdout.readline()) for _ in range(2)]
    assert [one["id"] for one in answers] == [1, 2]
    assert answers[1]["result"]["structuredContent"]["schema"] == 1
    rest, err = server.communicate(timeout=30)  # the end of stdin is the end of the server
    assert (server.returncode, rest) == (0, ""), err


def test_without_the_package_it_says_what_to_type(packing: Path, tmp_path: Path) -> None:
    (tmp_path / "mcp.py").write_text("raise ModuleNotFoundError(\"No module named 'mcp'\", name='mcp')\n")
    done = subprocess.run(
        [sys.executable, "-m", "evolve", "mcp", str(packing)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == 'evolve: this needs the package mcp, which is not installed; run: pip install "mcp>=2"\n'
