"""The Messages API through the official client, against a server of our own."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from evolve.models import (
    AnthropicProvider,
    Block,
    CallFailure,
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
from evolve.testing.models._says import block, error, finish, message, start, text_block, tool_block

PLAIN = ask("claude-test", "improve this", 100)
TOOL = Tool("edit", "Change the program.", '{"type": "object", "properties": {"value": {"type": "integer"}}}')
WITH_TOOL = ModelRequest("claude-test", (Message("user", (Block("improve this"),)),), 100, tool=TOOL)
STARTED = TokenUsage(input=10, output=1, output_known=False)


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def called(request: ModelRequest, *script: Say, calls: int = 1, **settings) -> tuple[list[ModelReply | CallFailure], ModelServer]:
    """What the provider makes of a script, and the server that played it."""

    async def scene():
        async with ModelServer(*script) as server:
            provider = AnthropicProvider(base_url=server.url, **settings)
            try:
                return [await provider.call(request) for _ in range(calls)], server
            finally:
                await provider.close()

    return asyncio.run(scene())


def failed(request: ModelRequest, say: Say, **settings) -> CallFailure:
    (answer,), server = called(request, say, **settings)
    assert isinstance(answer, CallFailure)
    assert len(server.heard) == 1  # the client's own retries are off
    assert answer.sentence.endswith(".")
    assert "\n" not in answer.sentence
    return answer


def test_a_whole_answer():
    (answer,), _ = called(PLAIN, message("héllo", output=9))
    assert answer == ModelReply("héllo", "end_turn", TokenUsage(input=10, output=9), None, "claude-test", "req_1")


def test_what_is_sent():
    system = (Block("contract", "1h"), Block("summary", "5m"))
    turns = (Message("user", (Block("a", "5m"), Block("b"))), Message("assistant", (Block("c"),)), Message("user", (Block("d"),)))
    request = ModelRequest(
        "claude-test", turns, 64, system, "low", "adaptive", format='{"type": "object"}', stop=("END",), extra='{"seed": 3}'
    )
    _, server = called(request)
    (heard,) = server.heard
    assert heard.body == {
        "model": "claude-test",
        "max_tokens": 64,
        "stream": True,
        "system": [
            {"type": "text", "text": "contract", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "text", "text": "summary", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
        ],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
                    {"type": "text", "text": "b"},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "c"}]},
            {"role": "user", "content": [{"type": "text", "text": "d"}]},
        ],
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "thinking": {"type": "adaptive"},
        "stop_sequences": ["END"],
        "seed": 3,
    }
    assert heard.key == "dummy-key"


def test_thinking_with_a_budget():
    request = replace(PLAIN, max_tokens=4096, thinking=ThinkingBudget(2048))
    _, server = called(request)
    assert server.heard[0].body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert AnthropicProvider().request_bytes(request) >= int(server.heard[0].headers["content-length"])


@pytest.mark.parametrize("request_", [PLAIN, WITH_TOOL, ask("claude-test", 'ünïcode ✓ \\ " \n', 5)])
def test_no_fewer_bytes_are_counted_than_are_sent(request_):
    _, server = called(request_)
    (heard,) = server.heard
    sent = json.dumps(heard.body, ensure_ascii=False, separators=(",", ":")).encode()
    assert AnthropicProvider().request_bytes(request_) >= len(sent)


def test_a_marked_prompt_is_written_and_then_read():
    system = (Block("a b c d", "1h"), Block("e f g", "5m"))
    request = ModelRequest("claude-test", (Message("user", (Block("h i"),)),), 100, system)
    (first, second), _ = called(request, calls=2)
    assert first.usage == TokenUsage(input=2, written_1h=4, written_5m=3, output=7)
    assert second.usage == TokenUsage(input=2, cached=7, output=7)


@pytest.mark.parametrize(
    ("mark", "expected"), [("5m", TokenUsage(input=10, written_5m=50, output=7)), ("1h", TokenUsage(10, written_1h=50, output=7))]
)
def test_a_written_total_without_its_parts_counts_at_the_dearest_mark(mark, expected):
    request = ModelRequest("claude-test", (Message("user", (Block("x", mark),)),), 100)
    usage = {"input_tokens": 10, "output_tokens": 1, "cache_creation_input_tokens": 50}
    (answer,), _ = called(request, Say(events=(start(usage), *text_block("ok"), *finish())))
    assert answer.usage == expected


def test_thinking_is_part_of_the_output_and_none_of_the_text():
    thought = block(0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "hmm"})
    delta, stop = finish(output=30)
    delta[1]["usage"]["output_tokens_details"] = {"thinking_tokens": 25}
    (answer,), _ = called(PLAIN, Say(events=(start(), *thought, *text_block("ok", 1), delta, stop)))
    assert (answer.text, answer.usage) == ("ok", TokenUsage(input=10, output=30, thinking=25))


def test_events_of_an_unknown_type_are_passed_over():
    odd = ("news", {"type": "news", "what": 1})
    blocks = block(0, {"type": "hologram"}, {"type": "hologram_delta", "x": 1})
    (answer,), _ = called(PLAIN, Say(events=(start(), odd, *blocks, *text_block("ok", 1), *finish())))
    assert isinstance(answer, ModelReply)
    assert answer.text == "ok"


def test_a_tool_call_in_pieces():
    given = {"value": 3, "why": 'é "q"', "nested": {"list": [1, 2]}}
    (answer,), server = called(WITH_TOOL, Say(events=(start(), *tool_block("edit", json.dumps(given)), *finish("tool_use"))))
    assert answer.tool_input == given
    assert server.heard[0].body["tool_choice"] == {"type": "tool", "name": "edit"}
    assert server.heard[0].body["tools"][0]["input_schema"] == json.loads(TOOL.schema)


def test_text_before_a_tool_call_and_a_second_call_change_nothing():
    events = (start(), *text_block("I will."), *tool_block("edit", '{"value": 1}', 1), *tool_block("edit", '{"value": 2}', 2))
    (answer,), _ = called(WITH_TOOL, Say(events=(*events, *finish("tool_use"))))
    assert (answer.text, answer.tool_input) == ("I will.", {"value": 1})


@pytest.mark.parametrize(
    ("say", "kind", "again"),
    [
        (error(400, "invalid_request_error"), FailureKind.BAD_REQUEST, False),
        (error(401, "authentication_error"), FailureKind.AUTH, False),
        (error(402, "billing_error"), FailureKind.PAYMENT, False),
        (error(400, "billing_error"), FailureKind.PAYMENT, False),
        (error(403, "permission_error"), FailureKind.AUTH, False),
        (error(404, "not_found_error"), FailureKind.NOT_FOUND, False),
        (error(413, "request_too_large"), FailureKind.BAD_REQUEST, False),
        (error(408, "timeout_error"), FailureKind.TIMEOUT, True),
        (error(429, "rate_limit_error"), FailureKind.RATE_LIMITED, True),
        (error(500, "api_error"), FailureKind.SERVER_ERROR, True),
        (Say(503, body=b"<html>\nnot ready\n</html>"), FailureKind.SERVER_ERROR, True),
        (error(504, "timeout_error"), FailureKind.TIMEOUT, True),
        (error(529, "overloaded_error"), FailureKind.OVERLOADED, True),
    ],
)
def test_error_answers_have_names_and_cost_nothing(say, kind, again):
    failure = failed(PLAIN, say)
    assert (failure.kind, failure.again, failure.usage, failure.status) == (kind, again, TokenUsage(), say.status)


def test_an_error_answer_says_what_the_server_said_and_when_to_come_back():
    failure = failed(PLAIN, error(429, "rate_limit_error", "slow\ndown.", retry_after="7"))
    assert failure.retry_after_s == 7
    assert failure.sentence == "anthropic answered 429 rate_limited (request req_1): slow down."


CUT = (start(), *text_block("half of")[:3])
STREAMS = {
    "nothing at all": (PLAIN, Say(events=()), FailureKind.NO_ANSWER, None, ""),
    "dropped at once": (PLAIN, Say(events=(), end="cut"), FailureKind.CUT_STREAM, None, ""),
    "dropped in the middle": (PLAIN, Say(events=CUT, end="cut"), FailureKind.CUT_STREAM, STARTED, "half"[:3]),
    "closed in the middle": (PLAIN, Say(events=CUT), FailureKind.CUT_STREAM, STARTED, "half"[:3]),
    "no stop reason": (
        PLAIN,
        message("a", stop=None),
        FailureKind.NO_STOP_REASON,
        TokenUsage(10, output=7, output_known=False),
        "a",
    ),
    "no last delta": (PLAIN, Say(events=(*CUT, finish()[1])), FailureKind.NO_STOP_REASON, STARTED, "half"[:3]),
    "max_tokens": (PLAIN, message("a", "max_tokens", output=100), FailureKind.MAX_TOKENS, TokenUsage(10, output=100), "a"),
    "window": (PLAIN, message("a", "model_context_window_exceeded"), FailureKind.MAX_TOKENS, TokenUsage(10, output=7), "a"),
    "refusal": (PLAIN, message("", "refusal"), FailureKind.REFUSAL, TokenUsage(10, output=7), ""),
    "pause": (PLAIN, message("a", "pause_turn"), FailureKind.WRONG_FORM, TokenUsage(10, output=7), "a"),
    "text for a tool": (WITH_TOOL, message("text"), FailureKind.WRONG_FORM, TokenUsage(10, output=7), "text"),
    "tool input cut": (
        WITH_TOOL,
        Say(events=(start(), *tool_block("edit", '{"value": '), *finish("max_tokens"))),
        FailureKind.MAX_TOKENS,
        TokenUsage(10, output=7),
        "",
    ),
    "tool input garbled": (
        WITH_TOOL,
        Say(events=(start(), *tool_block("edit", '{"value": ]'), *finish("tool_use"))),
        FailureKind.WRONG_FORM,
        TokenUsage(10, output=7),
        "",
    ),
    "no object": (
        WITH_TOOL,
        Say(events=(start(), *tool_block("edit", "[1, 2]"), *finish("tool_use"))),
        FailureKind.WRONG_FORM,
        TokenUsage(10, output=7),
        "",
    ),
    "garbled event": (PLAIN, Say(events=(*CUT, ("message_delta", "{not json"))), FailureKind.GARBLED, STARTED, "half"[:3]),
    "overloaded within": (
        PLAIN,
        Say(events=(*CUT, ("error", {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}))),
        FailureKind.OVERLOADED,
        STARTED,
        "half"[:3],
    ),
    "nobody counted": (PLAIN, Say(events=(start({}), *text_block("a")[:3])), FailureKind.CUT_STREAM, None, ""),
}


@pytest.mark.parametrize(("request_", "say", "kind", "usage", "text"), STREAMS.values(), ids=STREAMS)
def test_answers_that_break_are_failures_with_their_usage_and_text(request_, say, kind, usage, text):
    failure = failed(request_, say)
    assert (failure.kind, failure.usage, failure.text) == (kind, usage, text)


def test_a_refusal_says_why():
    why = {"type": "refusal", "category": "cyber", "explanation": "It could do harm"}
    assert failed(PLAIN, message("", "refusal", stop_details=why)).sentence == "anthropic: the model refused: It could do harm."


def test_text_that_is_not_the_json_asked_for():
    request = ModelRequest("claude-test", (Message("user", (Block("x"),)),), 100, format='{"type": "object"}')
    (good, bad), _ = called(request, message('{"a": 1}'), message("Sure! {"), calls=2)
    assert isinstance(good, ModelReply)
    assert (bad.kind, bad.text) == (FailureKind.WRONG_FORM, "Sure! {")


@pytest.mark.parametrize("settings", [{"read_timeout_s": 0.05}, {"deadline_s": 0.3}], ids=["silence", "deadline"])
@pytest.mark.parametrize(("events", "usage"), [((), None), (CUT, STARTED)], ids=["at once", "in the middle"])
def test_a_server_that_stalls_is_given_up(settings, events, usage):
    (answer,), _ = called(PLAIN, Say(events=events, end="stall"), **settings)
    assert (answer.kind, answer.again) == (FailureKind.TIMEOUT, True)
    assert answer.usage in (usage, None)  # under load the deadline may come before the first event


def test_nobody_listens():
    async def scene():
        async with ModelServer() as server:
            url = server.url
        provider = AnthropicProvider(base_url=url)
        answer = await provider.call(PLAIN)
        await provider.close()
        return answer

    answer = asyncio.run(scene())
    assert (answer.kind, answer.again, answer.usage) == (FailureKind.UNREACHABLE, True, TokenUsage())


def test_a_wrong_key_and_no_key(monkeypatch, tmp_path):
    monkeypatch.setenv("OTHER_KEY", "wrong")
    (answer,), _ = called(PLAIN, key_variable="OTHER_KEY")
    assert (answer.kind, answer.status) == (FailureKind.AUTH, 401)
    assert "wrong" not in answer.sentence
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    (answer,), server = called(PLAIN)
    assert (answer.kind, answer.status, server.heard) == (FailureKind.AUTH, 0, [])
    assert "ANTHROPIC_API_KEY" in answer.sentence


def test_many_calls_at_a_time_keep_apart():
    async def scene():
        async with ModelServer(*(message(str(n)) for n in range(40))) as server:
            provider = AnthropicProvider(base_url=server.url)
            answers = await asyncio.gather(*(provider.call(PLAIN) for _ in range(40)))
            await provider.close()
            return {answer.text for answer in answers}

    assert asyncio.run(scene()) == {str(n) for n in range(40)}
