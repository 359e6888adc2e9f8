"""Holding back before a server has to refuse: what its headers say, and what the limiter makes of it."""

from __future__ import annotations

import asyncio

import pytest
from call_world import PLAIN, World, failure
from hypothesis import given
from hypothesis import strategies as st

from evolve.models import (
    AnthropicProvider,
    ChatProvider,
    FailureKind,
    ModelReply,
    RecordingProvider,
    ReplayProvider,
    Scripted,
    TokenUsage,
)
from evolve.models.transport._headers import hold_s
from evolve.testing import ModelServer, Say
from evolve.testing.models._says import anthropic_limits, chat, error, message, openai_limits

NOON = 1767268800.0  # Thu, 01 Jan 2026 12:00:00 GMT
USED_UP = {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-01-01T12:00:30Z"}


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        (USED_UP, 30),
        (USED_UP | {"date": "Thu, 01 Jan 2026 12:00:20 GMT"}, 10),
        (USED_UP | {"anthropic-ratelimit-requests-remaining": "1"}, 0),
        (USED_UP | {"anthropic-ratelimit-requests-reset": "2026-01-01T11:00:00Z"}, 0),
        (USED_UP | {"anthropic-ratelimit-requests-reset": "2026-01-01T14:00:15+02:00"}, 15),
        (USED_UP | {"anthropic-ratelimit-requests-reset": "soon"}, 0),
        ({"anthropic-ratelimit-requests-remaining": "0"}, 0),
        (
            USED_UP
            | {
                "anthropic-ratelimit-output-tokens-remaining": "0",
                "anthropic-ratelimit-output-tokens-reset": "2026-01-01T12:01:00Z",
            },
            60,
        ),
        ({"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2026-01-01T12:00:05Z"}, 5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m1.5s"}, 361.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m"}, 3720),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7"}, 7),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "tomorrow"}, 0),
        ({"x-ratelimit-remaining-tokens": "12", "x-ratelimit-reset-tokens": "9s"}, 0),
    ],
)
def test_how_long_a_limit_is_used_up(headers, seconds):
    assert hold_s(headers, NOON) == seconds


@given(st.text(max_size=30))
def test_no_header_of_limits_is_too_odd(text):
    names = ("anthropic-ratelimit-requests", "anthropic-ratelimit-tokens")
    headers = {f"{name}-reset": text for name in names} | {f"{name}-remaining": "0" for name in names}
    headers |= {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": text, "date": text}
    assert hold_s(headers, NOON) >= 0


async def waited(world: World) -> float:
    """Seconds that the next call is held back."""
    before = world.time.time
    async with world.limiter.slot():
        return world.time.time - before


def held_back(provider_of, *script: Say, **settings) -> tuple[float, World]:
    async def scene():
        async with ModelServer(*script) as server:
            provider = provider_of(server)
            world = World(provider)
            await world.ask(**settings)
            await provider.close()
            return await waited(world), world

    return asyncio.run(scene())


def anthropic(server: ModelServer) -> AnthropicProvider:
    return AnthropicProvider(base_url=server.url)


def openai(server: ModelServer) -> ChatProvider:
    return ChatProvider(server.url + "/v1")


@pytest.mark.parametrize(
    ("provider", "say", "seconds"),
    [
        (anthropic, Say(events=message().events, headers=anthropic_limits(0, 20)), 20),
        (anthropic, Say(events=message().events, headers=anthropic_limits(0, 20, "output-tokens")), 20),
        (anthropic, Say(events=message().events, headers=anthropic_limits(1, 20)), 0),
        (anthropic, Say(events=message("a", "max_tokens").events, headers=anthropic_limits(0, 20)), 20),
        (anthropic, Say(events=message().events, headers=anthropic_limits(0, 86_400)), 50),
        (openai, Say(events=chat().events, headers=openai_limits(0, "20s")), 20),
        (openai, Say(events=chat().events, headers=openai_limits(0, "20s", "tokens")), 20),
        (openai, Say(events=chat().events, headers=openai_limits(3, "20s")), 0),
    ],
)
def test_the_next_call_waits_until_there_is_room(provider, say, seconds):
    assert held_back(provider, say)[0] == seconds


def test_a_refusal_that_says_when_to_come_back_is_taken_at_its_word():
    refusal = error(429, "rate_limit_error", retry_after="7")
    refusal.headers.update(anthropic_limits(0, 40))
    _, world = held_back(anthropic, refusal, message())
    assert 7 <= sum(world.time.slept) < 9


@pytest.mark.parametrize(
    ("provider", "limits", "say"), [(anthropic, anthropic_limits(0, 40), message()), (openai, openai_limits(0, "40s"), chat())]
)
def test_a_refusal_without_a_time_waits_for_the_reset(provider, limits, say):
    refusal = error(429, "rate_limit_error")
    refusal.headers.update(limits)
    _, world = held_back(provider, refusal, say)
    assert 40 <= world.time.time < 42


def test_many_answers_do_not_add_up():
    world = World(Scripted("a"))

    async def scene():
        for seconds in (5.0, 20.0, 10.0):
            world.limiter.on_reply(ModelReply("a", "stop", TokenUsage(), hold_s=seconds))
        world.limiter.on_reply(failure(FailureKind.BAD_REQUEST))
        return await waited(world)

    assert asyncio.run(scene()) == 20


def test_a_recording_does_not_hold_back(tmp_path):
    recording = tmp_path / "recording.jsonl"

    async def scene():
        recorded = await RecordingProvider(Scripted([ModelReply("a", "stop", TokenUsage(), hold_s=30.0)]), recording).call(PLAIN)
        return recorded.hold_s, (await ReplayProvider(recording).call(PLAIN)).hold_s

    assert asyncio.run(scene()) == (30.0, 0.0)
