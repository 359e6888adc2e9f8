"""Answers that no model gives: endless, without lines, with counts and characters that nothing can keep, open after their end."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from call_world import World

from evolve.models import (
    AnthropicBatches,
    AnthropicProvider,
    CallFailure,
    ChatProvider,
    Embeddings,
    FailureKind,
    ModelReply,
    TokenUsage,
    ask,
)
from evolve.models import _size_limits as bounds
from evolve.models.transport import _sse as sse
from evolve.testing import ModelServer, Say
from evolve.testing.models._says import (
    DONE,
    block,
    chat,
    chunk,
    error,
    finish,
    message,
    start,
    succeeded,
    text_block,
    whole_message,
)

PLAIN = ask("m", "improve this", 100)
MAKES = {
    "anthropic": lambda url, **settings: AnthropicProvider(base_url=url, **settings),
    "openai": lambda url, **settings: ChatProvider(url + "/v1", **settings),
}  # fmt: skip
both = pytest.mark.parametrize("make", MAKES)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def called(make: str, *script: Say, calls: int = 1, **settings):
    async def scene():
        async with ModelServer(*script) as server:
            provider = MAKES[make](server.url, **settings)
            try:
                return [await provider.call(PLAIN) for _ in range(calls)][-1], server
            finally:
                await provider.close()

    return asyncio.run(scene())


def saying(make: str, *pieces: str, end: str = "whole") -> Say:
    """A whole answer in these pieces."""
    if make == "openai":
        return Say(events=(*(chunk({"content": piece}) for piece in pieces), chunk({}, "stop"), DONE), end=end)
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    return Say(events=(start(), *block(0, {"type": "text", "text": ""}, *deltas), *finish()), end=end)


@both
def test_halves_of_pairs_are_replaced_and_pairs_in_two_pieces_become_one(make):
    answer, _ = called(make, saying(make, "a\ud800b", "c\ud83d", "\ude00d\udfff"))
    assert answer.text == "a\ufffdbc\U0001f600d\ufffd"
    answer.text.encode()


def test_halves_of_pairs_in_a_tools_input_in_a_refusal_and_in_a_batch(monkeypatch):
    tool = {"type": "tool_use", "id": "t", "name": "x", "input": {"a": ["\ud800"]}}

    async def scene():
        results = [succeeded("a\ud800"), {"type": "succeeded", "message": whole_message(tool, stop="tool_use")}]
        async with ModelServer(verdict=lambda n, params: results[n], polls=0) as server:
            batches = AnthropicBatches(base_url=server.url, most=2, poll_first_s=0.01)
            answers = await asyncio.gather(batches.call(PLAIN), batches.call(PLAIN))
            await batches.close()
            return answers

    text, called_tool = asyncio.run(scene())
    assert text.text == "a\ufffd"
    assert "\ud800" not in str(called_tool)
    refused, _ = called("openai", Say(events=(chunk({"refusal": "no\ud800"}, "stop"), DONE)))
    assert refused.sentence == "openai-compatible: the model refused: no\ufffd."


@both
@pytest.mark.parametrize("number", [10**400, 2**63, 10**12])
def test_a_count_that_no_request_has_is_charged_in_full_and_told(make, number):
    for counts in ((number, 5), (5, number)):
        if make == "openai":
            say = chat(usage={"prompt_tokens": counts[0], "completion_tokens": counts[1]})
        else:
            say = Say(events=(start({"input_tokens": counts[0], "output_tokens": 1}), *text_block("a"), *finish(output=counts[1])))

        async def scene(say=say):
            async with ModelServer(say) as server:
                provider = MAKES[make](server.url)
                world = World(provider)
                await world.ask()
                await provider.close()
                return world

        world = asyncio.run(scene())
        reserved, settled = world.book.records
        assert (settled.outcome, settled.usd, settled.tokens_in) == ("ok", reserved.worst_usd, 0)
        assert (settled.usd_assumed, settled.tokens_assumed) == (reserved.worst_usd, reserved.worst_tokens)
        assert settled.reason.startswith("the server counted more tokens than a request can have; the call is charged in full")


def test_a_vector_of_numbers_that_are_too_large():
    async def scene():
        body = {"data": [{"index": 0, "embedding": [10**400]}], "usage": {"prompt_tokens": 1}}
        async with ModelServer(Say(body=body)) as server:
            embedder = Embeddings(server.url + "/v1", "e")
            answer = await embedder.embed(["a"])
            await embedder.close()
            return answer

    assert asyncio.run(scene()).kind is FailureKind.WRONG_FORM


@both
def test_json_too_deep_to_be_read(make):
    deep = "[" * 100_000
    answer, _ = called(make, Say(events=(("", deep),)))
    assert (answer.kind, answer.usage) == (FailureKind.GARBLED, None)
    assert called(make, Say(400, body=deep.encode()))[0].kind is FailureKind.BAD_REQUEST


@both
def test_an_answer_without_lines_is_given_up_soon(make):
    started = time.monotonic()
    raw = b"data: " + b"x" * 40_000_000
    answer, _ = called(make, Say(headers={"content-type": "text/event-stream"}, body=raw))
    assert (answer.kind, answer.usage, answer.text) == (FailureKind.TOO_LONG, None, "")
    assert answer.sentence.endswith("a line of the stream has more than 8 MiB.")
    assert time.monotonic() - started < 5


@both
def test_an_answer_of_more_text_than_any_model_writes(make):
    answer, _ = called(make, saying(make, *["A" * 500_000] * 12))
    assert answer.kind is FailureKind.TOO_LONG
    assert answer.sentence.endswith("the answer has more than 4 MiB of text.")
    assert len(answer.text) <= bounds.MOST_TEXT


@both
def test_a_stream_that_never_ends(make, monkeypatch):
    monkeypatch.setattr(sse, "MOST_ANSWER", 1 << 20)
    answer, _ = called(make, Say(events=(("ping", {"type": "ping", "choices": [], "pad": "x" * 1000}),) * 1200, end="stall"))
    assert answer.kind is FailureKind.TOO_LONG
    assert answer.sentence.endswith("the stream has more than 1 MiB.")


def test_a_batch_with_an_endless_answer(monkeypatch):
    monkeypatch.setattr("evolve.models.transport._stream.MOST_TEXT", 1000)

    async def scene():
        async with ModelServer(verdict=lambda n, params: succeeded("x" * 2000), polls=0) as server:
            batches = AnthropicBatches(base_url=server.url, most=1, poll_first_s=0.01)
            answer = await batches.call(PLAIN)
            await batches.close()
            return answer

    answer = asyncio.run(scene())
    assert (answer.kind, answer.usage) == (FailureKind.TOO_LONG, None)


def test_a_list_that_is_too_long(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_ANSWER", 1 << 20)

    async def scene(make):
        async with ModelServer(Say(body={"data": ["x" * 2_000_000]})) as server:
            provider = MAKES[make](server.url)
            found = await provider.catalogue()
            await provider.close()
            return found

    for make in MAKES:
        assert asyncio.run(scene(make)).sentence.endswith("the answer has more than 1 MiB.")


@both
def test_an_answer_whose_connection_stays_open_is_whole(make):
    started = time.monotonic()
    answer, _ = called(make, saying(make, "whole", end="stall"), read_timeout_s=5.0)
    assert isinstance(answer, ModelReply)
    assert answer.text == "whole"
    assert time.monotonic() - started < 3


@both
def test_the_next_call_uses_the_same_connection(make, monkeypatch):
    opened, serve = [], ModelServer._serve
    monkeypatch.setattr(ModelServer, "_serve", lambda self, *streams: opened.append(1) or serve(self, *streams))
    _, server = called(make, calls=3)
    assert (len(server.heard), len(opened)) == (3, 1)


def test_what_follows_the_end_of_a_message_is_no_part_of_it():
    answer, _ = called("anthropic", Say(events=(*message("a").events, *text_block("b"), ("", "{no"))))
    assert answer == ModelReply("a", "end_turn", TokenUsage(input=10, output=7), None, "claude-test", "req_1")


@both
@pytest.mark.parametrize("kind", ["authentication_error", "permission_error", "not_found_error", "billing_error"])
def test_an_error_in_the_middle_of_an_answer_says_nothing_of_the_next(make, kind):
    if make == "openai":
        say = Say(events=(chunk({"content": "a"}), ("", {"error": {"message": "who?", "type": kind}})))
    else:
        broken = ("error", {"type": "error", "error": {"type": kind, "message": "who?"}})
        say = Say(events=(start(), *text_block("aa")[:3], broken))
    answer, _ = called(make, say)
    assert (answer.kind, answer.again, answer.text) == (FailureKind.SERVER_ERROR, True, "a")
    assert f"{kind}: who?" in answer.sentence
    assert called(make, error(401, kind))[0].again is False


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_end_in_three_ways_wherever_pieces_do(end, size):
    lines = ["\ufeffdata: a\u2028b", "", ": no", "data:c", "data: d", "", "data:", "", "event: x", "", "data: e", ""]
    raw = "".join(line + end for line in lines).encode()

    async def pieces():
        for at in range(0, len(raw), size):
            yield raw[at : at + size]

    async def read():
        return [data async for data in sse.events(pieces())]

    assert asyncio.run(read()) == ["a\u2028b", "c\nd", "e"]


def test_many_small_pieces_of_one_line_take_linear_time():
    async def pieces():
        for _ in range(200_000):
            yield b"x" * 40

    async def read():
        return [data async for data in sse.events(pieces())]

    started = time.process_time()
    assert asyncio.run(read()) == []
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "body", [b"<html>", [], None, {"data": None}, {"data": [None, 5, {"id": None}, {"id": 7}, {"id": "a", "capabilities": [1]}]}]
)
@pytest.mark.parametrize("kind", ["application/json", "text/html"])
@both
def test_a_list_of_models_of_any_form(make, body, kind):
    async def scene():
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with ModelServer(Say(headers={"content-type": kind}, body=raw)) as server:
            provider = MAKES[make](server.url)
            found = await provider.catalogue()
            await provider.close()
            return found

    found = asyncio.run(scene())
    if isinstance(body, bytes):
        assert isinstance(found, CallFailure)
        assert found.kind is (FailureKind.WRONG_SERVER if make == "openai" else FailureKind.GARBLED)
    else:
        assert list(found) == (["a"] if isinstance(body, dict) and body["data"] else [])


def test_pages_that_go_in_circles_and_pages_without_end():
    def page(at: int, last: str) -> Say:
        return Say(body={"data": [{"id": f"m{at}"}], "has_more": True, "first_id": "a", "last_id": last})

    async def scene(pages):
        async with ModelServer(*pages) as server:
            provider = AnthropicProvider(base_url=server.url)
            found = await provider.catalogue()
            await provider.close()
            return found, server.count("/v1/models", "GET")

    found, gets = asyncio.run(scene([page(at, "same") for at in range(100)]))
    assert (list(found), gets) == (["m0", "m1"], 2)
    found, gets = asyncio.run(scene([page(at, f"m{at}") for at in range(100)]))
    assert (len(found), gets) == (50, 50)
