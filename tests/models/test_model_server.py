"""The server that other tests ask: the official client is satisfied with it, and it answers hundreds at a time."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request

import pytest

from evolve.models import AnthropicProvider, ChatProvider, Limiter, ModelReply, ask
from evolve.testing import ModelServer
from evolve.testing.models._says import error, succeeded

PLAIN = ask("claude-test", "improve this", 100)
REQUEST = {"model": "claude-test", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def with_client(scene, **settings):
    """What a scene makes of the official client, its answers checked against the client's own types."""
    import anthropic

    async def play():
        async with (
            ModelServer(**settings) as server,
            anthropic.AsyncAnthropic(base_url=server.url, max_retries=0, _strict_response_validation=True) as client,
        ):
            return await scene(client, server)

    return asyncio.run(play())


def test_the_official_client_takes_a_batch_from_its_creation_to_its_results():
    async def scene(client, server):
        requests = [{"custom_id": f"c{n}", "params": REQUEST} for n in range(3)]
        batch = await client.messages.batches.create(requests=requests)
        states = [batch.processing_status]
        while states[-1] != "ended":
            batch = await client.messages.batches.retrieve(batch.id)
            states.append(batch.processing_status)
        counts = batch.request_counts
        found = {each.custom_id: each.result async for each in await client.messages.batches.results(batch.id)}
        return states, (counts.succeeded, counts.expired, counts.processing), found

    verdicts = {0: succeeded("zero"), 1: {"type": "expired"}, 2: None}
    states, counts, found = with_client(scene, polls=2, verdict=lambda place, params: verdicts[place])
    assert states == ["in_progress"] * 3 + ["ended"]
    assert counts == (2, 1, 0)
    assert list(found) == ["c2", "c1", "c0"]
    assert found["c0"].message.content[0].text == "zero"
    assert found["c1"].type == "expired"


def test_the_official_client_cancels_a_batch():
    async def scene(client, server):
        batch = await client.messages.batches.create(requests=[{"custom_id": "c", "params": REQUEST}])
        cancelled = await client.messages.batches.cancel(batch.id)
        ended = await client.messages.batches.retrieve(batch.id)
        (line,) = [each async for each in await client.messages.batches.results(batch.id)]
        return cancelled.processing_status, ended.processing_status, ended.request_counts.canceled, line.result.type

    assert with_client(scene, polls=9) == ("canceling", "ended", 1, "canceled")


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [{"custom_id": "a", "params": REQUEST}] * 2,
        [{"custom_id": "a b", "params": REQUEST}],
        [{"custom_id": "a", "params": {}}],
    ],
    ids=["none", "twice", "odd id", "no message"],
)
def test_a_batch_that_a_real_server_refuses(requests):
    import anthropic

    async def scene(client, server):
        with pytest.raises(anthropic.BadRequestError, match="requests"):
            await client.messages.batches.create(requests=requests)

    with_client(scene)


def test_the_official_client_reads_the_list_of_models():
    async def scene(client, server):
        return [model async for model in client.models.list()]

    (model,) = with_client(scene)
    assert (model.id, model.lifecycle, model.capabilities.effort.supported) == ("claude-test", "active", False)


def test_it_keeps_a_journal_of_what_it_was_asked():
    async def scene():
        async with ModelServer(None, error(500, "api_error")) as server:
            provider = ChatProvider(server.url + "/v1")
            answers = [await provider.call(PLAIN) for _ in range(3)]
            await provider.catalogue()
            await provider.close()
            return answers, server

    answers, server = asyncio.run(scene())
    assert [isinstance(answer, ModelReply) for answer in answers] == [True, False, True]
    assert [(heard.method, heard.path) for heard in server.heard] == [("POST", "/v1/chat/completions")] * 3 + [
        ("GET", "/v1/models")
    ]
    assert server.count("/v1/chat/completions") == 3
    assert sorted(heard.at_s for heard in server.heard) == [heard.at_s for heard in server.heard]


@pytest.mark.slow
def test_hundreds_of_calls_wait_at_a_time_without_a_thread_for_each():
    async def scene():
        async with ModelServer(delay_s=2.0) as server:
            provider = AnthropicProvider(base_url=server.url)
            limiter = Limiter(256)

            async def call():
                async with limiter.slot():
                    return await provider.call(PLAIN)

            started, before = time.monotonic(), threading.active_count()
            asking = asyncio.gather(*(call() for _ in range(256)))
            await asyncio.sleep(1.0)
            threads = threading.active_count() - before
            answers = await asking
            took_s = time.monotonic() - started
            await provider.close()
            return answers, took_s, threads, server

    answers, took_s, threads, server = asyncio.run(scene())
    assert sum(isinstance(answer, ModelReply) for answer in answers) == 256
    assert len(server.heard) == 256
    assert threads < 20
    assert took_s < 30  # 2 s each one after the other would be 512 s


def test_in_a_thread_of_its_own():
    with ModelServer(error(404, "not_found_error"), None) as server:
        for status in (404, 200):
            body = json.dumps({"model": "m", "input": ["a"]}).encode()
            request = urllib.request.Request(server.url + "/v1/embeddings", body, {"content-type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    found = response.status
            except urllib.error.HTTPError as refused:
                found = refused.code
                refused.close()
            assert found == status
    assert [heard.path for heard in server.heard] == ["/v1/embeddings"] * 2
    assert not any(thread.name == "model-server" for thread in threading.enumerate())
