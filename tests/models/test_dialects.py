"""Servers that speak only a part of the protocol are met after one refusal, and what is no model's server is said to be none."""

from __future__ import annotations

import asyncio
import json

import pytest
from call_world import World

from archive import CallSettled
from evolve.models import AnthropicProvider, CallFailure, ChatProvider, FailureKind, ModelReply, TokenUsage, ask
from evolve.models._request import Block, Message, ModelRequest
from evolve.models.openai._dialect import Dialect, dialect_of
from evolve.models.transport._incoming import Silence, Silent
from evolve.models.transport._words import error_words, page_words
from evolve.testing import ModelServer, Say
from evolve.testing.models._dialects import DIALECTS, refusal, whole_chat
from evolve.testing.models._says import CHAT_USAGE, DONE, block, chat, chunk, start, text_block, whole_message

PLAIN = ask("m", "improve this", 100)
WITH_SYSTEM = ModelRequest("m", (Message("user", (Block("improve this"),)),), 100, system=(Block("be brief"),))
COUNTED = TokenUsage(input=5, cached=12, written_5m=3, output=5, thinking=2)
MAKES = {
    "anthropic": lambda url, **settings: AnthropicProvider(base_url=url, **settings),
    "openai": lambda url, **settings: ChatProvider(url + "/v1", **settings),
}
both = pytest.mark.parametrize("make", MAKES)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def answers(*script: Say, make: str = "openai", request=WITH_SYSTEM, n: int = 1, server=None, **settings):
    """The answers to so many equal calls, one after the other, and what the server heard."""

    async def scene():
        async with ModelServer(*script, **(server or {})) as found:
            provider = MAKES[make](found.url, **settings)
            try:
                return [await provider.call(request) for _ in range(n)], found.heard
            finally:
                await provider.close()

    return asyncio.run(scene())


def called(*script: Say, **settings) -> ModelReply | CallFailure:
    return answers(*script, **settings)[0][0]


@pytest.mark.parametrize("dialect", [one for one in DIALECTS if one != "ignores_stream"])
def test_a_field_that_a_server_refuses_is_left_out_from_then_on(dialect):
    found, heard = answers(n=3, server={"dialect": [dialect]})
    assert (found[0].kind, found[0].again, found[0].usage) == (FailureKind.DIALECT, True, TokenUsage())
    assert "From now on m is asked with" in found[0].sentence
    assert [one.text for one in found[1:]] == ["hello", "hello"]
    assert heard[1].body == heard[2].body != heard[0].body


@pytest.mark.parametrize("dialect", [("no_stream",), ("no_stream_options",), ("no_system_role",), ("content_parts",)])
def test_a_setting_says_it_before_the_first_call(dialect):
    found, heard = answers(server={"dialect": dialect}, dialect=dialect)
    assert (found[0].text, len(heard)) == ("hello", 1)


def test_a_server_with_every_oddity_is_learnt_one_by_one():
    found, heard = answers(n=7, server={"dialect": DIALECTS})
    assert [isinstance(one, ModelReply) for one in found] == [False] * 5 + [True] * 2
    assert found[-1].usage == COUNTED
    assert heard[-1].body == {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "be brief\n\nimprove this"}]}],
        "max_completion_tokens": 100,
        "stream": False,
    }


def test_what_one_call_learns_the_others_in_flight_try_again():
    async def scene():
        async with ModelServer(dialect=["no_stream_options"], delay_s=0.05) as server:
            provider = ChatProvider(server.url + "/v1")
            first = await asyncio.gather(*(provider.call(PLAIN) for _ in range(3)))
            then = await provider.call(PLAIN)
            await provider.close()
            return first, then

    first, then = asyncio.run(scene())
    assert [one.kind for one in first] == [FailureKind.DIALECT] * 3
    assert then.text == "hello"


def test_a_refusal_that_teaches_nothing_is_final():
    words = ("max_tokens is too large: 16000, at most 4096", "the upstream is broken", "content filter triggered", "no")
    for said in words:
        failure = called(refusal(said))
        assert (failure.kind, failure.again) == (FailureKind.BAD_REQUEST, False), said
    assert called(refusal("stream_options"), dialect=["no_stream_options"]).kind is FailureKind.BAD_REQUEST


@pytest.mark.parametrize("words", [
    "Unrecognized request argument supplied: stream_options",
    '{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}',
    "Unknown field: stream_options.include_usage",
])  # fmt: skip
def test_words_for_one_refusal(words):
    assert Dialect().after(words) == (dialect_of(["no_stream_options"]), "without stream_options")


@pytest.mark.parametrize("words", [
    "System role not supported", "Only user and assistant roles are supported!",
    "Conversation roles must alternate user/assistant/user/assistant/...", "role 'system' is not allowed for this model",
    "this model does not support system messages",
])  # fmt: skip
def test_words_for_another(words):
    assert Dialect().after(words) == (dialect_of(["no_system_role"]), "without the system role")


def test_a_completion_that_is_not_streamed_is_an_answer_and_remembered():
    found, heard = answers(n=2, server={"dialect": ["ignores_stream"]})
    assert [(one.text, one.usage) for one in found] == [("hello", COUNTED)] * 2
    assert [one.body["stream"] for one in heard] == [True, False]


def test_parts_of_text_are_text():
    parts = [{"type": "text", "text": "he"}, {"type": "text", "text": "llo"}]
    assert called(Say(events=(chunk({"content": parts}, "stop"), chunk(usage=CHAT_USAGE), DONE))).text == "hello"
    assert called(whole_chat(parts)).text == "hello"


def test_a_message_that_is_not_streamed_is_an_answer_of_anthropics_protocol_too():
    answer = called(Say(body=whole_message({"type": "text", "text": "hi"})), make="anthropic")
    assert (answer.text, answer.usage.output) == ("hi", 7)


PAGE = b"<!doctype html><html><head><title>Sign in</title><style>p{}</style></head><body>Please <b>log in</b><script>x()</script>"


def test_one_json_object_a_line_is_named_as_the_form_of_another_endpoint():
    said = b'{"message":{"content":"a"},"done":false}\n{"done":true}\n'
    failure = called(Say(headers={"content-type": "application/x-ndjson"}, body=said))
    assert (failure.kind, failure.again, failure.usage) == (FailureKind.WRONG_SERVER, False, TokenUsage())
    assert "one JSON object a line, as Ollama's own endpoint" in failure.sentence
    assert "check llm.base_url: it must lead to the API itself, with its version (.../v1)" in failure.sentence


@both
@pytest.mark.parametrize("kind", ["text/html", "text/event-stream", "application/json"])
def test_a_page_is_no_answer_costs_nothing_and_is_not_asked_for_again(make, kind):
    failure = called(Say(headers={"content-type": kind}, body=PAGE), make=make)
    assert (failure.kind, failure.again, failure.usage) == (FailureKind.WRONG_SERVER, False, TokenUsage())
    assert "with a page: Sign in Please log in; check llm.base_url" in failure.sentence


@both
@pytest.mark.parametrize(
    ("say", "kind", "words"),
    [
        (Say(302, {"location": "https://login.example/x?token=secret"}, b""), FailureKind.WRONG_SERVER, "https://login.example/x;"),
        (Say(404, {"content-type": "text/html"}, PAGE), FailureKind.NOT_FOUND, "Sign in Please log in"),
        (Say(502, {"content-type": "text/html"}, b"<h1>Bad Gateway</h1>"), FailureKind.SERVER_ERROR, "Bad Gateway"),
        (Say(body={"status": "ok"}), FailureKind.WRONG_SERVER, '{"status": "ok"}'),
        (Say(405, body={"detail": "Method Not Allowed"}), FailureKind.WRONG_SERVER, "Method Not Allowed"),
    ],
)
def test_what_answers_in_a_models_place_is_named_with_its_words(make, say, kind, words):
    failure = called(say, make=make)
    assert (failure.kind, failure.usage) == (kind, TokenUsage())
    assert words in failure.sentence
    assert "secret" not in failure.sentence


def test_a_text_that_is_no_stream_of_events():
    failure = called(Say(headers={"content-type": "text/plain"}, body=b"It works!\n"))
    assert (failure.kind, failure.usage) == (FailureKind.WRONG_SERVER, TokenUsage())
    assert "It works!" in failure.sentence


@both
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "model m is not loaded, run pull first", "type": "not_found_error"}}, FailureKind.NOT_FOUND),
        ({"error": "model 'm' not found, try pulling it first"}, FailureKind.NOT_FOUND),
        ({"error": {"message": "No models loaded.", "type": "server_error"}}, FailureKind.NOT_FOUND),
        ({"error": {"message": "no credit", "code": 402}}, FailureKind.PAYMENT),
        ({"error": {"message": "who are you", "type": "authentication_error"}}, FailureKind.AUTH),
        ({"error": {"message": "slow down", "code": 429}}, FailureKind.RATE_LIMITED),
        ({"error": {"message": "CUDA out of memory", "code": 500}}, FailureKind.SERVER_ERROR),
        ({"error": {"message": "the model is loading, please retry"}}, FailureKind.SERVER_ERROR),
        ({"object": "error", "message": "something", "code": 400}, FailureKind.BAD_REQUEST),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_with_status_200_is_an_error_with_its_words(make, body, kind, streamed):
    say = Say(events=(("", body),)) if streamed else Say(body=body)
    failure = called(say, make=make)
    inner = body.get("error", body)
    words = inner if isinstance(inner, str) else inner["message"]
    assert (failure.kind, failure.usage) == (kind, TokenUsage())
    assert words.rstrip(".") in failure.sentence


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_model_that_is_not_there_is_not_asked_again_whatever_the_status(status):
    failure = called(refusal("The model `m` does not exist or you do not have access to it.", status, code="model_not_found"))
    assert (failure.kind, failure.again) == (FailureKind.NOT_FOUND, False)


_ADDRESS, _MODEL = "check llm.base_url", "lacks the model: check its name"


@both
@pytest.mark.parametrize(
    ("body", "said", "unsaid"),
    [
        ({"error": {"message": "The model `m` does not exist", "code": "model_not_found"}}, _MODEL, "base_url"),
        ({"type": "error", "error": {"type": "not_found_error", "message": "model: m"}}, _MODEL, "base_url"),
        ({"error": "model 'm' not found, try pulling it first"}, _MODEL, "base_url"),
        ({"error": {"message": "Invalid URL (POST /chat/completions)"}}, f"nothing at that address: {_ADDRESS}", "the model"),
        ({"error": "no such path"}, f"nothing at that address: {_ADDRESS}", "the model"),
        ({"detail": "Not Found"}, f"lacks that address or that model: {_ADDRESS}", "the server is there"),
        ({"error": "unknown url /models/chat/completions"}, f"lacks that address or that model: {_ADDRESS}", "the server is there"),
        ({"error": {"message": "No endpoints found for m."}}, "then the model's name", "the server is there"),
    ],
)
def test_what_was_not_found_is_said_the_model_or_the_address(make, body, said, unsaid):
    failure = called(Say(404, body=body), make=make)
    assert failure.kind is FailureKind.NOT_FOUND
    assert said in failure.sentence
    assert unsaid not in failure.sentence


@both
@pytest.mark.parametrize("alive", [": keep-alive\n\n", 'event: ping\ndata: {"type": "ping", "choices": []}\n\n', " \n", "\n"])
def test_keep_alives_are_no_answer(make, alive):
    failure = called(Say(events=(), end="alive", alive=alive), make=make, read_timeout_s=0.3)
    assert (failure.kind, failure.again) == (FailureKind.TIMEOUT, True)
    assert "nothing but keep-alives for 0.3 s; a slow server may need a longer llm.read_timeout_s" in failure.sentence


def test_a_model_that_thinks_is_not_silent():
    thinks = 'data: {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}\n\n'
    failure = called(Say(events=(), end="alive", alive=thinks), read_timeout_s=0.1, deadline_s=1.0)
    assert "no answer in time" in failure.sentence  # the deadline, not the silence


def test_silence_is_counted_from_the_last_word():
    now = 0.0
    silence = Silence(10.0, lambda: now)
    for now in (9.0, 10.0):  # noqa: B007 - the clock
        silence.check()
    silence.heard()
    now = 20.0
    silence.check()
    now = 20.1
    with pytest.raises(Silent):
        silence.check()


@both
def test_where_a_connection_breaks_is_told_apart(make):
    before = called(Say(events=(), end="cut"), make=make)
    said = Say(events=(chunk({"content": "ha"}),), end="cut")
    if make == "anthropic":
        said = Say(events=(start(), *text_block("haha")[:3]), end="cut")
    within = called(said, make=make)
    assert (before.kind, within.kind) == (FailureKind.CUT_STREAM, FailureKind.CUT_STREAM)
    assert (before.text, within.text) == ("", "ha")
    assert called(Say(events=()), make=make).kind is FailureKind.NO_ANSWER


def test_a_connection_that_breaks_before_an_answer_begins():
    async def scene():
        async def drop(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()

        server = await asyncio.start_server(drop, "127.0.0.1", 0)
        provider = ChatProvider(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        answer = await provider.call(PLAIN)
        await provider.close()
        server.close()
        return answer

    failure = asyncio.run(scene())
    assert (failure.kind, failure.again, failure.usage) == (FailureKind.NO_ANSWER, True, None)
    assert "the connection broke before an answer began" in failure.sentence


def test_another_protocol_than_http():
    async def scene():
        async def greet(reader, writer):
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
            await writer.drain()
            await reader.read(1)
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        provider = ChatProvider(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        answer = await provider.call(PLAIN)
        await provider.close()
        server.close()
        return answer

    assert asyncio.run(scene()).kind is FailureKind.WRONG_SERVER


@both
def test_bytes_that_are_no_text_have_a_name_of_their_own(make):
    raw = b'data: {"type": "x", "choices": []}\n\ndata: \xff\n\n'
    failure = called(Say(headers={"content-type": "text/event-stream"}, body=raw), make=make)
    assert (failure.kind, failure.again) == (FailureKind.GARBLED, True)


def settled(*script: Say) -> CallSettled:
    async def scene():
        async with ModelServer(*script) as server:
            provider = ChatProvider(server.url + "/v1")
            world = World(provider)
            await world.ask()
            await provider.close()
            return world

    world = asyncio.run(scene())
    reserved, found = world.book.records
    assert world.ledger.assumed.nano == round(found.usd_assumed * 1e9)
    assert found.usd_assumed == found.usd == reserved.worst_usd
    assert found.tokens_assumed == reserved.worst_tokens
    return found


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (None, "counted no tokens"),
        ({}, "counted no tokens"),
        ({"prompt_tokens": 0, "completion_tokens": 0}, "counted no tokens"),
        ({"prompt_tokens": -7, "completion_tokens": 5}, "counted what is no number of tokens"),
        ({"prompt_tokens": 7, "completion_tokens": -5}, "counted what is no number of tokens"),
        ({"prompt_tokens": "7", "completion_tokens": 5}, "counted what is no number of tokens"),
        ({"prompt_tokens": 7.5, "completion_tokens": 5}, "counted what is no number of tokens"),
    ],
)
def test_what_a_server_does_not_count_is_charged_in_full_and_shown_as_assumed(usage, words):
    events = tuple(chat("hello", usage=None, done=False).events) + ((chunk(usage=usage),) if usage is not None else ()) + (DONE,)
    found = settled(Say(events=events))
    assert (found.outcome, found.tokens_in, found.tokens_out) == ("ok", 0, 0)
    assert words in found.reason
    assert "(assumed)" in found.reason


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "a", "type": "t"}}, ("t", "a")),
        ({"error": "a"}, ("", "a")),
        ({"detail": "Not Found"}, ("", "Not Found")),
        ({"message": "a", "code": "c"}, ("c", "a")),
        ({"errors": [{"message": "a"}]}, ("", "a")),
        ({"error": {"message": {"why": "a"}}}, ("", '{"message": {"why": "a"}}')),
        (["odd"], ("", '["odd"]')),
        (None, ("", "null")),
    ],
)
def test_an_errors_words_wherever_they_stand(body, words):
    assert error_words(body) == words


def test_a_pages_words_take_linear_time_and_leave_tags_out():
    assert page_words(b"<p>a &amp; b</p><!-- c --><style>d</style> e <unfinished") == "a & b e"
    assert "<" not in page_words(b"<script" * 100_000)
    assert page_words(json.dumps("\u00e9").encode()) == '"\\u00e9"'


def test_an_anthropic_error_event_after_a_beginning_is_passing():
    broken = ("error", {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})
    failure = called(Say(events=(start(), *block(0, {"type": "text", "text": ""})[:1], broken)), make="anthropic")
    assert (failure.kind, failure.again, failure.usage.input) == (FailureKind.OVERLOADED, True, 10)
