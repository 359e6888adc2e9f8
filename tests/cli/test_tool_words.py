"""What tools say names tools: every text of every answer and refusal, on runs of many kinds.  And what is no advice stays."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_process import EVALUATE, SEED, SETTINGS, YAML, Cli, held, write_problem
from mcp import Client

import evolve
from evolve.cli import main
from evolve.cli.mcp._stdin import whole
from evolve.cli.mcp._tool_words import TOOLS, in_tools, named
from evolve.cli.mcp._tools import server_of
from evolve.engine.requests import _client

QUOTED = "type: evolve ask RUN; see: `evolve status RUN`"  # what an evaluator says, not we
SHAKY = EVALUATE.replace('trial.rng("noise")', "np.random.default_rng()")
ERRS = EVALUATE.replace("    noise =", f"    if x != 4.0:\n        raise RuntimeError({QUOTED!r})\n    noise =")
BROKEN = EVALUATE.replace("    noise =", f"    raise RuntimeError({QUOTED!r})\n    noise =")
FIXED = "from evolve import Outcome\n\n\ndef evaluate(trial):\n    return Outcome(score=float(len(trial.files['main.txt'])))\n"
THEIRS = ("files", "feedback", "summary", "hypothesis", "expected", "plan", "rows", "first", "statement", "instructions")
COMMAND = re.compile(rf"(?:`|\b(?:type|see|run|next|with|by|that|to go on): ?|\b)evolve ({'|'.join(TOOLS)})\b")
GIVEN = "search=fixed_candidates"
MODELS = ("search.operators=[]", "llm=openai", "llm.models=[m]", "llm.prices=*=1/5", "llm.max_attempts=1")


def write(folder: Path, evaluate: str, *, noisy: bool = False) -> Path:
    write_problem(folder, noisy=noisy)
    (folder / "evaluate.py").write_text(evaluate.replace("NOISE", "0.1"))
    return folder


def texts(value: Any, key: str = "") -> Iterator[str]:
    """Every text of an answer but those that others wrote."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from texts(one, name) if name not in THEIRS else ()
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts(one, key)
    elif isinstance(value, str):
        yield value


def answers(run: Path, calls: list[tuple[str, dict[str, object]]]) -> list[tuple[str, Any]]:
    """What tools answer, or their refusal as a text."""

    async def session() -> list[tuple[str, Any]]:
        found = []
        async with Client(server_of(str(run))) as client:
            for name, words in calls:
                said = await client.call_tool(name, words)
                found.append((name, said.content[0].text if said.is_error else said.structured_content))
        return found

    return asyncio.run(session())


def every_call(ticket: int) -> list[tuple[str, dict[str, object]]]:
    """Each tool, rightly and wrongly used."""
    other = {"main.py": SEED.replace("4.0", "2.25")}
    return [
        ("status", {}), ("ask", {}), ("ask", {"parent": "zz"}), ("ask", {"expires_s": -1}),
        ("tell", {"ticket": 999, "files": other}), ("tell", {"ticket": ticket, "files": {"no/such.py": "x"}}),
        ("tell", {"ticket": ticket, "files": other}), ("tell", {"ticket": ticket, "files": other}),
        ("tell", {"ticket": 1.5, "files": {}}), ("result", {"what": ticket}), ("result", {"what": ticket, "wait_s": 20}),
        ("result", {"what": 999}), ("result", {"what": "zz"}), ("note", {"text": ""}), ("note", {"text": "x"}), ("best", {}),
        ("show", {"id": "seed"}), ("show", {"id": "zz"}), ("show", {"id": "best"}), ("lineage", {}), ("lineage", {"id": "zz"}),
        ("query", {"sql": "SELECT 1"}), ("query", {"sql": "DROP TABLE runs"}),
        ("validate", {"files": {"/etc/x": ""}}), ("validate", {"wait_s": 0.01}), ("claims", {}),
        ("resume", {"budget": {"nonsense": 1}}), ("resume", {"budget": {"calls": -1}}),
        ("resume", {"budget": {"evaluations": 90}, "drive": False}), ("status", {}), ("validate", {"files": other}),
    ]  # fmt: skip


def made(folder: Path, problem: Path, *words: str) -> Path:
    run = folder / "run"
    main(["run", "--json", f"problem={problem}", f"out={run}", *words, *SETTINGS])
    return run


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


KINDS: dict[str, tuple[str, bool, tuple[str, ...]]] = {
    "fresh": (EVALUATE, False, (GIVEN, "budget.evaluations=60")),
    "spent": (EVALUATE, False, (GIVEN, "budget.evaluations=2")),
    "noisy": (EVALUATE, True, ("budget.evaluations=60",)),
    "noisy and given": (EVALUATE, True, (GIVEN, "budget.evaluations=60")),
    "shaky": (SHAKY, False, ("budget.evaluations=30",)),
    "errors": (ERRS, False, ("budget.evaluations=12",)),
    "failed": (BROKEN, False, ("budget.evaluations=12",)),
    "no model": (EVALUATE, False, (*MODELS, "budget.calls=4")),
}  # fmt: skip

# Each has most of its words from a kind that is always run.
LONG = ("noisy", "noisy and given", "shaky", "spent", "errors", "failed", "no model")


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in LONG)) for kind in KINDS])
def test_no_text_of_an_answer_names_a_command_that_is_a_tool(kind: str, tmp_path: Path) -> None:
    evaluate, noisy, words = KINDS[kind]
    more = (f"llm.base_url=http://127.0.0.1:{closed_port()}/v1",) if "llm=openai" in words else ()
    run = made(tmp_path, write(tmp_path / "problem", evaluate, noisy=noisy), *words, *more)
    ticket = [one for name, one in answers(run, [("ask", {})]) if isinstance(one, dict)]
    whole_problem = [("validate", {})] if kind in ("fresh", "shaky") else []  # the others would say the same, and it takes a while
    found = answers(run, [*every_call(ticket[0]["ticket"] if ticket else 1), *whole_problem])
    assert {name for name, _ in found} == set(TOOLS)
    quotes = 0
    for name, one in found:
        for text in texts(one):
            quotes += text.count(QUOTED)
            ours = text.replace(QUOTED, "")
            assert not COMMAND.search(ours), f"{kind}, {name}: {text}"
    status = next(one for name, one in found if name == "status")
    if kind in ("errors", "failed"):
        assert QUOTED in status["evaluator"]["first"]
        assert quotes
    if kind == "shaky":
        assert status["not_deterministic"]
    if kind == "no model":
        assert "and call resume with budget=" in status["reason"]


@pytest.mark.slow
def test_hints_of_validate_name_tools(tmp_path: Path) -> None:
    folder = tmp_path / "problem"
    (folder / "initial").mkdir(parents=True)
    (folder / "problem.yaml").write_text(YAML.partition("params:")[0].format(noise="deterministic"))
    (folder / "evaluate.py").write_text(FIXED)
    (folder / "initial" / "main.txt").write_text("words\n")
    run = made(tmp_path, folder, GIVEN, "budget.evaluations=20")
    ((_, found),) = answers(run, [("validate", {})])
    remedies = [one["remedy"] for one in found["checks"] if one["hint"] and not one["ok"]]
    assert any("(search=fixed_candidates, the tool ask)" in one for one in remedies), found["checks"]
    assert not [text for text in texts(found) if COMMAND.search(text)]


def test_what_no_tool_can_do_stays_a_command(tmp_path: Path) -> None:
    run = made(tmp_path, write(tmp_path / "problem", EVALUATE), GIVEN, "budget.evaluations=20")
    (run / "problem" / "evaluate.py").write_text("raise SystemExit\n")
    ((_, said),) = answers(run, [("resume", {})])
    assert f"type: evolve resume {run} --recorded" in said


def test_a_driver_that_does_not_answer_is_told_of_as_soon_as_the_constant_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(tmp_path, write(tmp_path / "problem", EVALUATE), GIVEN, "budget.evaluations=20")
    monkeypatch.setattr(_client, "ANSWER_S", 0.25)
    with held(run, "open"):
        calls: list[tuple[str, dict[str, object]]] = [("ask", {}), ("note", {"text": "x"}), ("tell", {"ticket": 1, "files": {}})]
        found = answers(run, calls)
    assert ["did not answer in 0.25 s" in said for _, said in found[:2]] == [True, True]
    assert not [said for _, said in found if COMMAND.search(str(said))]


@pytest.mark.parametrize(("told", "ours", "said"), [
    ("see: evolve show /r c0ffee; it", False, 'call show with id="c0ffee"; it'),
    ("its effect: evolve claims /r.", False, "its effect: call claims."),
    ("see: evolve status '/r'", False, "call status"),
    ("see: evolve status /r2", False, "see: evolve status /r2"),  # another run
    ("type: evolve ask RUN", False, "type: evolve ask RUN"),  # it may be quoted
    ("type: evolve ask RUN", True, "call ask"),
    ("run `evolve validate /tmp/x/problem`", True, "call validate without files"),
    ("type: evolve validate /r/problem", False, "call validate without files"),
    ("(search=fixed_candidates, evolve ask)", True, "(search=fixed_candidates, the tool ask)"),
    ("evolve best /r --diff", True, "evolve best /r --diff"),
    ("type: evolve stop /r", True, "type: evolve stop /r"),  # no tool
    ("type: evolve result /r 7 --wait", False, 'call result with what="7" and wait_s=600'),
    ("type: evolve lineage /r c0ffee", False, 'call lineage with id="c0ffee"'),
])  # fmt: skip
def test_commands_become_calls_by_their_words(told: str, ours: bool, said: str) -> None:
    assert named(told, "/r", ours=ours) == said


def test_advice_names_tools_where_there_is_one() -> None:
    told = "nobody drives the run; to measure it, type: evolve result '/a b/run' c0ffee --wait"
    assert named(told, "/a b/run") == 'nobody drives the run; to measure it, call result with what="c0ffee" and wait_s=600'
    more = "to go on, type: evolve resume /r budget.wall_s=262 budget.usd=0.5."
    assert named(more, "/r") == 'to go on, call resume with budget={"wall_s": 262, "usd": 0.5}.'
    answer = {"files": {"reason": 1, "a": "evolve ask /r"}, "more": [{"command": "evolve resume /r"}], "feedback": "evolve ask /r"}
    assert in_tools(answer, "/r") == {**answer, "more": [{"command": "call resume"}]}


def test_what_others_wrote_stays_as_it_is() -> None:
    words = "type: evolve status /r"
    theirs = dict.fromkeys((*THEIRS, "text", "author", "notes", "lines", "lacking"), words)
    assert in_tools({"a": [theirs]}, "/r") == {"a": [theirs]}
    assert in_tools({"models": {"refused": {"m": words}}, "new": [words]}, "/r") == {
        "models": {"refused": {"m": "call status"}}, "new": ["call status"],
    }  # fmt: skip


def test_what_an_engine_error_says_in_an_evaluators_place_names_no_command() -> None:
    for file in Path(evolve.__file__).parent.joinpath("evaluate", "isolation").glob("*.py"):
        assert not COMMAND.search(file.read_text()), file.name


@pytest.mark.parametrize(("line", "read"), [
    (rb'"a\ud800b"', "a\ufffdb"), (rb'"\udc00\ud800"', "\ufffd\ufffd"), (rb'"\ud83d\ude00"', "\U0001f600"),
    (rb'"\\ud800"', r"\ud800"), (rb'"plain"', "plain"),
    (rb'"\\\ud800\n"', "\\\ufffd\n"), (rb'"\uD83D\ud83d\ude00"', "\ufffd\U0001f600"), (rb'"\u00e9"', "é"),
])  # fmt: skip
def test_half_a_pair_of_surrogates_is_read_as_no_character(line: bytes, read: str) -> None:
    assert json.loads(whole(line)) == read


def test_a_request_with_half_a_pair_of_surrogates_is_answered(tmp_path: Path, cli: Cli) -> None:
    run = made(tmp_path, write(tmp_path / "problem", EVALUATE), GIVEN, "budget.evaluations=20")
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    asks = [
        {"name": "note", "arguments": {"text": "half \ud800 a pair"}},
        {"name": "show", "arguments": {"id": "\udfff"}},
        {"name": "status", "arguments": {"\ud800": 1}},
        {"name": "\ud800", "arguments": {}},
        {"name": "status", "arguments": {}},
    ]
    server = cli.start("mcp", str(run), stdin=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}) + "\n")
    server.stdin.write(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}) + "\n")
    for number, params in enumerate(asks, 1):
        server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}) + "\n")
    server.stdin.flush()
    late = threading.Timer(30, server.kill)  # an answer that does not come
    late.start()
    found = {one["id"]: one for one in (json.loads(server.stdout.readline()) for _ in range(len(asks) + 1))}
    late.cancel()
    rest, err = server.communicate(timeout=30)
    assert (server.returncode, rest, sorted(found)) == (0, "", [0, 1, 2, 3, 4, 5]), err
    assert found[1]["result"]["structuredContent"]["text"] == "half \ufffd a pair"
    assert found[2]["result"]["isError"]
    assert found[5]["result"]["structuredContent"]["schema"] == 1
