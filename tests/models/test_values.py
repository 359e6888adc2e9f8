"""Requests, scripted answers, recordings, headers: what needs no server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve._errors import UsageError
from evolve.models import (
    Block,
    CallFailure,
    FailureKind,
    Message,
    ModelReply,
    RecordingProvider,
    ReplayProvider,
    Scripted,
    ThinkingBudget,
    TokenUsage,
    Tool,
    ask,
    thinking_of,
)
from evolve.models.transport._headers import retry_after_s

PLAIN = ask("m", "x", 100)
USER = (Message("user", (Block("x"),)),)


def test_importing_loads_no_client():
    code = (
        "import sys, evolve.models; print(sorted({'anthropic', 'httpx', 'httpx2', 'pydantic', 'genai_prices'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": ()}, "first of them"),
        ({"messages": (Message("assistant", (Block("x"),)),)}, "first of them"),
        ({"tool": Tool("t", "", "{}"), "format": "{}"}, "not for both"),
        ({"system": tuple(Block(str(n), "5m") for n in range(5))}, "found 5"),
        ({"system": (Block("a", "5m"), Block("b", "1h"))}, "before"),
        ({"extra": "[]"}, "extra"),
        ({"thinking": ThinkingBudget(0)}, "found 0 with"),
        ({"thinking": ThinkingBudget(100)}, "found 100 with max_tokens 100"),
        ({"format": "{"}, "format"),
    ],
)
def test_a_request_that_no_provider_can_take(change, match):
    with pytest.raises(UsageError, match=match):
        replace(PLAIN, **change)


@pytest.mark.parametrize(
    ("text", "thinking"), [("", ""), ("adaptive", "adaptive"), ("disabled", "disabled"), ("2048", ThinkingBudget(2048))]
)
def test_thinking_as_settings_word_it(text, thinking):
    assert thinking_of(text) == thinking


@pytest.mark.parametrize("text", ["enabled", "-1", "1.5", "٣", " "])
def test_thinking_as_nobody_words_it(text):
    with pytest.raises(UsageError, match="a number of tokens, found"):
        thinking_of(text)


def test_a_schema_that_does_not_parse():
    with pytest.raises(UsageError, match="tool edit"):
        Tool("edit", "", "{")


def test_keys_tell_requests_apart_and_are_the_same_in_any_process():
    changes = (
        {}, {"model": "n"}, {"max_tokens": 1}, {"system": (Block("s"),)}, {"system": (Block("s", "1h"),)}, {"effort": "low"},
        {"thinking": "adaptive"}, {"thinking": ThinkingBudget(9)}, {"thinking": ThinkingBudget(10)},
        {"tool": Tool("t", "", "{}")}, {"format": "{}"}, {"stop": ("a",)}, {"extra": "{}"},
    )  # fmt: skip
    assert len({replace(PLAIN, **change).key for change in changes}) == len(changes)
    assert ask("m", "é\u2028", 7).key == "6d7a3b7cd2178a9e8fb038c3101e76a3"


def test_scripts():
    async def scene(script, request=PLAIN, calls=2):
        provider = Scripted(script)
        return [await provider.call(request) for _ in range(calls)]

    failure = CallFailure(FailureKind.REFUSAL, "no.", TokenUsage())
    assert [answer.text for answer in asyncio.run(scene("a"))] == ["a", "a"]
    assert [getattr(answer, "text", None) for answer in asyncio.run(scene(["a", failure]))] == ["a", ""]
    assert asyncio.run(scene(lambda request: request.model.upper()))[1].text == "M"
    with pytest.raises(UsageError, match="2 answers"):
        asyncio.run(scene(["a", "b"], calls=3))


def test_a_scripted_text_is_judged_like_a_servers():
    async def scene(text, **change):
        return await Scripted(text).call(replace(PLAIN, **change))

    tool = Tool("edit", "", "{}")
    assert asyncio.run(scene('{"a": 1}', tool=tool)).tool_input == {"a": 1}
    assert asyncio.run(scene("a text", tool=tool)).kind is FailureKind.WRONG_FORM
    cut = asyncio.run(scene("éé", max_tokens=3))
    assert (cut.kind, cut.text, cut.usage.output) == (FailureKind.MAX_TOKENS, "é", 3)


def test_what_was_recorded_is_played_back(tmp_path):
    recording = tmp_path / "recording.jsonl"
    other = ask("m", "other", 9)
    script = [
        ModelReply("one\u2028\n", "end_turn", TokenUsage(1, 2, 3, 4, 5, 6), {"a": [1]}, "m", "r"),
        CallFailure(FailureKind.CUT_STREAM, "cut.", None, "half", 1.5, 200),
        ModelReply("three", "stop", None),
        CallFailure(FailureKind.MAX_TOKENS, "long.", TokenUsage(1, output_known=False)),
    ]

    async def record():
        recorder = RecordingProvider(Scripted(script), recording)
        return [await recorder.call(request) for request in (PLAIN, PLAIN, other, PLAIN)]

    async def play():
        replay = ReplayProvider(recording)
        return [await replay.call(request) for request in (other, PLAIN, PLAIN, PLAIN)]

    assert asyncio.run(record()) == script
    assert asyncio.run(play()) == [script[2], script[0], script[1], script[3]]


def test_a_recording_without_the_answer(tmp_path):
    recording = tmp_path / "recording.jsonl"
    asyncio.run(RecordingProvider(Scripted("a"), recording).call(PLAIN))
    replay = ReplayProvider(recording)
    asyncio.run(replay.call(PLAIN))
    with pytest.raises(UsageError, match="no further answer"):
        asyncio.run(replay.call(PLAIN))
    with pytest.raises(UsageError, match="has no answer"):
        asyncio.run(replay.call(ask("m", "y", 1)))


def test_a_recording_in_order_answers_other_questions_too(tmp_path):
    recording = tmp_path / "recording.jsonl"
    recorder = RecordingProvider(Scripted(["a", "b", "c"]), recording)
    for number in range(3):
        asyncio.run(recorder.call(ask("m", str(number), 10)))
    replay = ReplayProvider(recording, in_order=True)
    played = [asyncio.run(replay.call(ask("m", text, 10))) for text in ("1", "other", "another", "0")]
    assert [answer.text for answer in played] == ["b", "a", "c", ""]
    assert (played[3].kind, played[3].usage, played[3].again) == (FailureKind.BAD_REQUEST, TokenUsage(), False)


def test_what_is_no_recording(tmp_path):
    with pytest.raises(UsageError, match="make one first"):
        ReplayProvider(tmp_path / "none")
    asyncio.run(RecordingProvider(Scripted("a"), tmp_path / "recording").call(PLAIN))
    with (tmp_path / "recording").open("a") as recording:
        recording.write('{"key": "half')
    with pytest.raises(UsageError, match="line 2"):
        ReplayProvider(tmp_path / "recording")


NOON = 1767268800.0  # Thu, 01 Jan 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "12", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT", "date": "Thu, 01 Jan 2026 12:00:20 GMT"}, 10),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT", "date": "today"}, 30),
    ],
)
def test_when_a_server_wants_to_be_asked_again(headers, seconds):
    assert retry_after_s(headers, NOON) == seconds


@given(st.text(max_size=40))
def test_no_header_is_too_odd(text):
    found = retry_after_s({"retry-after": text, "date": text}, NOON)
    assert found is None or found >= 0
