"""Chat completions against a server of our own."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from evolve._errors import UsageError
from evolve.models import (
    Block,
    CallFailure,
    ChatProvider,
    FailureKind,
    Message,
    ModelReply,
    ModelRequest,
    ThinkingBudget,
    TokenUsage,
    Tool,
    ask,
)
from evolve.testing import ModelServer, Say
from evolve.testing.models._says import CHAT_USAGE, DONE, chat, chunk

PLAIN = ask("local-test", "improve this", 100)
TOOL = Tool("edit", "Change the program.", '{"type": "object"}')
WITH_TOOL = ModelRequest("local-test", (Message("user", (Block("improve this"),)),), 100, tool=TOOL)
COUNTED = TokenUsage(input=5, cached=12, written_5m=3, output=5, thinking=2)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def called(request: ModelRequest, *script: Say, **settings) -> tuple[ModelReply | CallFailure, ModelServer]:
    async def scene():
        async with ModelServer(*script) as server:
            provider = ChatProvider(server.url + "/v1", **settings)
            try:
                return await provider.call(request), server
            finally:
                await provider.close()

    return asyncio.run(scene())


def tool_call(*pieces: str, finish: str = "tool_calls") -> Say:
    opened = chunk({"tool_calls": [{"index": 0, "id": "t", "type": "function", "function": {"name": "edit", "arguments": ""}}]})
    rest = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in pieces]
    second = chunk({"tool_calls": [{"index": 1, "function": {"name": "edit", "arguments": '{"b": 2}'}}]})
    return Say(events=(opened, *rest, second, chunk({}, finish), chunk(usage=CHAT_USAGE), DONE))


def test_a_whole_answer():
    answer, _ = called(PLAIN, Say(events=chat("héllo").events, headers={"x-request-id": "r7"}))
    assert answer == ModelReply("héllo", "stop", COUNTED, None, "local-test", "r7")


def test_what_is_sent(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    turns = (Message("user", (Block("a", "5m"), Block("b"))),)
    request = ModelRequest(
        "m", turns, 64, (Block("contract"),), "low", tool=TOOL, stop=("END",), extra='{"temperature": 0.5, "stream_options": null}'
    )
    _, server = called(request, limit_field="max_completion_tokens")
    (heard,) = server.heard
    assert (heard.path, heard.key) == ("/v1/chat/completions", "secret")
    assert heard.body == {
        "model": "m",
        "messages": [{"role": "system", "content": "contract"}, {"role": "user", "content": "a\n\nb"}],
        "max_completion_tokens": 64,
        "stream": True,
        "stream_options": None,
        "reasoning_effort": "low",
        "tools": [
            {
                "type": "function",
                "function": {"name": "edit", "description": "Change the program.", "parameters": {"type": "object"}},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "edit"}},
        "stop": ["END"],
        "temperature": 0.5,
    }


BUDGET = ThinkingBudget(50)


@pytest.mark.parametrize(
    ("field", "thinking", "sent"),
    [
        ("", "adaptive", None),
        ("", BUDGET, None),
        ("thinking", "", None),
        ("thinking", "adaptive", {"type": "enabled"}),
        ("thinking", "disabled", {"type": "disabled"}),
        ("thinking", BUDGET, {"type": "enabled", "budget_tokens": 50}),
        ("reasoning", "adaptive", {"enabled": True}),
        ("reasoning", "disabled", {"enabled": False}),
        ("reasoning", BUDGET, {"max_tokens": 50}),
        ("chat_template_kwargs", "disabled", {"enable_thinking": False}),
        ("chat_template_kwargs", BUDGET, {"enable_thinking": True}),
    ],
)
def test_thinking_goes_where_the_server_takes_it(field, thinking, sent):
    _, server = called(replace(PLAIN, thinking=thinking), thinking_field=field)
    body = server.heard[0].body
    fields = {name: body[name] for name in ("thinking", "reasoning", "chat_template_kwargs") if name in body}
    assert fields == ({} if sent is None else {field: sent})


def test_a_field_for_thinking_that_nobody_knows():
    with pytest.raises(UsageError, match="found 'thoughts'"):
        ChatProvider("http://x/v1", thinking_field="thoughts")


def test_without_a_key_none_is_sent():
    _, server = called(PLAIN)
    assert "authorization" not in server.heard[0].headers


def test_the_bytes_counted_are_the_bytes_sent():
    request = ask("m", 'ünïcode ✓ \\ " \n', 5)
    _, server = called(request)
    assert ChatProvider("http://x").request_bytes(request) == int(server.heard[0].headers["content-length"])


def test_a_format_is_asked_for_and_checked():
    request = ModelRequest("m", (Message("user", (Block("x"),)),), 100, format='{"type": "object"}')
    answer, server = called(request, chat('{"a": 1}'))
    assert isinstance(answer, ModelReply)
    assert server.heard[0].body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert called(request, chat("Sure!"))[0].kind is FailureKind.WRONG_FORM


def test_a_tool_call_in_pieces():
    answer, _ = called(WITH_TOOL, tool_call('{"val', 'ue": 3}'))
    assert (answer.tool_input, answer.usage) == ({"value": 3}, COUNTED)


STREAMS = {
    "nothing at all": (PLAIN, Say(events=()), FailureKind.NO_ANSWER, None, ""),
    "dropped": (PLAIN, Say(events=(chunk({"content": "ha"}),), end="cut"), FailureKind.CUT_STREAM, None, "ha"),
    "closed": (PLAIN, chat("half", None, usage=None, done=False), FailureKind.CUT_STREAM, None, "half"),
    "no reason": (PLAIN, chat("half", None), FailureKind.NO_STOP_REASON, COUNTED, "half"),
    "length": (PLAIN, chat("half", "length"), FailureKind.MAX_TOKENS, COUNTED, "half"),
    "filter": (PLAIN, chat("half", "content_filter"), FailureKind.REFUSAL, COUNTED, "half"),
    "refusal": (
        PLAIN,
        Say(events=(chunk({"refusal": "I must "}), chunk({"refusal": "not"}, "stop"), chunk(usage=CHAT_USAGE), DONE)),
        FailureKind.REFUSAL,
        COUNTED,
        "",
    ),
    "odd reason": (PLAIN, chat("a", "bored"), FailureKind.WRONG_FORM, COUNTED, "a"),
    "text for a tool": (WITH_TOOL, chat("text"), FailureKind.WRONG_FORM, COUNTED, "text"),
    "garbled input": (WITH_TOOL, tool_call('{"value": ]'), FailureKind.WRONG_FORM, COUNTED, ""),
    "input cut": (WITH_TOOL, tool_call('{"value": ', finish="length"), FailureKind.MAX_TOKENS, COUNTED, ""),
    "garbled chunk": (PLAIN, Say(events=(chunk({"content": "a"}), ("", "{no"))), FailureKind.GARBLED, None, "a"),
    "a chunk of another form": (PLAIN, Say(events=(("", ["a"]),)), FailureKind.GARBLED, None, ""),
    "odd parts": (PLAIN, Say(events=(("", {"choices": [3, {"delta": "x"}]}), DONE)), FailureKind.NO_STOP_REASON, None, ""),
    "error within": (
        PLAIN,
        Say(events=(chunk({"content": "a"}), ("", {"error": {"message": "out of memory", "type": "server_error"}}))),
        FailureKind.SERVER_ERROR,
        None,
        "a",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "say", "kind", "usage", "text"), STREAMS.values(), ids=STREAMS)
def test_answers_that_break_are_failures_with_their_usage_and_text(request_, say, kind, usage, text):
    failure, server = called(request_, say)
    assert (failure.kind, failure.usage, failure.text) == (kind, usage, text)
    assert len(server.heard) == 1


def test_an_end_without_its_mark_is_an_end_where_a_reason_was_given():
    answer, _ = called(PLAIN, chat("whole", done=False))
    assert (answer.text, answer.usage) == ("whole", COUNTED)


def test_a_reply_that_nobody_counted_says_so():
    answer, _ = called(PLAIN, chat("whole", usage=None))
    assert isinstance(answer, ModelReply)
    assert answer.usage is None


def refusal(status: int, **inner: object) -> Say:
    return Say(status, {"retry-after": "3"}, {"error": {"message": "no", **inner}})


@pytest.mark.parametrize(
    ("say", "kind", "again"),
    [
        (refusal(400, type="invalid_request_error"), FailureKind.BAD_REQUEST, False),
        (refusal(401), FailureKind.AUTH, False),
        (refusal(402), FailureKind.PAYMENT, False),
        (refusal(404), FailureKind.NOT_FOUND, False),
        (refusal(422), FailureKind.BAD_REQUEST, False),
        (refusal(429, type="requests", code="rate_limit_exceeded"), FailureKind.RATE_LIMITED, True),
        (refusal(429, type="insufficient_quota", code="insufficient_quota"), FailureKind.PAYMENT, False),
        (refusal(503, type="unavailable_error", code=503), FailureKind.SERVER_ERROR, True),
        (Say(500, {"retry-after": "3"}, b"\xff<html>"), FailureKind.SERVER_ERROR, True),
        (Say(502, {"retry-after": "3"}, ["odd"]), FailureKind.SERVER_ERROR, True),
    ],
)
def test_error_answers_have_names_and_cost_nothing(say, kind, again):
    failure, _ = called(PLAIN, say)
    assert (failure.kind, failure.again, failure.usage, failure.status) == (kind, again, TokenUsage(), say.status)
    assert failure.retry_after_s == 3
    assert failure.sentence.startswith(f"openai-compatible answered {say.status} ")


@pytest.mark.parametrize("settings", [{"read_timeout_s": 0.05}, {"deadline_s": 0.3}], ids=["silence", "deadline"])
def test_a_server_that_stalls_is_given_up(settings):
    answer, _ = called(PLAIN, Say(events=(chunk({"content": "a"}),), end="stall"), **settings)
    assert (answer.kind, answer.again, answer.usage) == (FailureKind.TIMEOUT, True, None)


def test_nobody_listens_and_an_address_that_is_none():
    async def scene(url):
        provider = ChatProvider(url)
        answer = await provider.call(PLAIN)
        await provider.close()
        return answer

    async def closed_port():
        async with ModelServer() as server:
            return server.url

    for url in (asyncio.run(closed_port()), "nowhere", "ftp://x/v1"):
        answer = asyncio.run(scene(url))
        assert (answer.kind, answer.usage) == (FailureKind.UNREACHABLE, TokenUsage()), url


def test_events_in_any_dress():
    """Comments, names, CRLF, data on several lines, and characters that other formats take for the end of a line."""
    text = json.dumps(chunk({"content": "a\u2028\x85b"}, "stop")[1], indent=1, ensure_ascii=False).replace("\n", "\r\ndata:")
    two = text + "\r\n\r\ndata:" + json.dumps(chunk({"content": "c"})[1])
    answer, _ = called(PLAIN, Say(events=(("named\n: a comment", two), ("completion", "[DONE]"))))
    assert answer.text == "a\u2028\x85bc"


def test_data_that_is_no_text():
    raw = b"data: \xff\n\n"
    answer, _ = called(PLAIN, Say(headers={"content-type": "text/event-stream"}, body=raw))
    assert answer.kind is FailureKind.GARBLED
