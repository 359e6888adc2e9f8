"""What servers say of their models, and requests that are made to fit."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.models import (
    AnthropicBatches,
    AnthropicProvider,
    CallFailure,
    ChatProvider,
    FailureKind,
    ModelInfo,
    RecordingProvider,
    Scripted,
    ThinkingBudget,
    adapt_request,
    ask,
    find_model,
    unavailable_reason,
)
from evolve.models._request import EFFORTS
from evolve.testing import ModelServer, Say
from evolve.testing.models._says import error, model_info

PLAIN = ask("m", "x", 10_000)
MODELS = (
    model_info("claude-new", max_tokens=128_000, efforts=("low", "high", "max"), thinking=("adaptive", "disabled")),
    model_info("claude-old", thinking=("enabled", "disabled"), lifecycle="deprecated"),
    model_info("claude-gone", lifecycle="retired", capabilities=None, max_tokens=None, max_input_tokens=None),
    model_info("claude-plain", thinking=("disabled",)),
    model_info("claude-last", future=[1], capabilities={"news": {"supported": True}}),
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def catalogue(make, *script: Say, models=MODELS):
    async def scene():
        async with ModelServer(*script, models=models) as server:
            provider = make(server)
            found = await provider.catalogue()
            await provider.close()
            return found, server

    return asyncio.run(scene())


def anthropic(server):
    return AnthropicProvider(base_url=server.url)


@pytest.mark.parametrize("make", [anthropic, lambda server: AnthropicBatches(base_url=server.url)])
def test_all_pages_of_anthropics_list(make):
    found, server = catalogue(make)
    assert found == {
        "claude-new": ModelInfo(
            "claude-new", 200_000, 128_000, ("low", "high", "max"), ("adaptive", "disabled"), True, True, "active"
        ),
        "claude-old": ModelInfo("claude-old", 200_000, 64_000, (), ("enabled", "disabled"), True, True, "deprecated"),
        "claude-gone": ModelInfo("claude-gone", lifecycle="retired"),
        "claude-plain": ModelInfo("claude-plain", 200_000, 64_000, (), ("disabled",), True, True, "active"),
        "claude-last": ModelInfo("claude-last", 200_000, 64_000, lifecycle="active"),
    }
    assert server.count("/v1/models", "GET") == 3


def test_a_list_of_an_older_server():
    """No lifecycle, no word of ``disabled``, one way to think."""
    old = {"id": "a", "type": "model", "display_name": "A", "created_at": "2025-01-01T00:00:00Z"}
    can = {
        "batch": {"supported": False},
        "effort": {"supported": False},
        "thinking": {"supported": True, "types": {"enabled": {"supported": True}}},
    }
    found, _ = catalogue(anthropic, models=(old, old | {"id": "b", "capabilities": can}, {"type": "model"}))
    assert found == {"a": ModelInfo("a"), "b": ModelInfo("b", efforts=(), thinking=("enabled", "disabled"), batch=False)}


def test_a_chat_server_tells_little_more_than_ids():
    say = Say(body={"data": [{"id": "qwen", "max_model_len": 4096}, {"id": "other"}, {"object": "x"}, 3]})
    found, server = catalogue(lambda server: ChatProvider(server.url + "/v1/"), say)
    assert found == {"qwen": ModelInfo("qwen", 4096), "other": ModelInfo("other")}
    assert server.count("/v1/models", "GET") == 1
    assert list(catalogue(lambda server: ChatProvider(server.url + "/v1"))[0]) == [each["id"] for each in MODELS]


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.parametrize("make", [anthropic, lambda server: ChatProvider(server.url + "/v1")], ids=["anthropic", "openai"])
def test_a_server_without_a_list_has_an_empty_one(make, status):
    assert catalogue(make, error(status, "not_found_error"))[0] == {}


@pytest.mark.parametrize("make", [anthropic, lambda server: ChatProvider(server.url + "/v1")], ids=["anthropic", "openai"])
@pytest.mark.parametrize(
    ("say", "kind"),
    [
        (error(401, "authentication_error"), FailureKind.AUTH),
        (error(500, "api_error"), FailureKind.SERVER_ERROR),
        (Say(body=b"[}"), FailureKind.GARBLED),
    ],
)
def test_a_list_that_is_refused(make, say, kind):
    found, _ = catalogue(make, say)
    assert isinstance(found, CallFailure)
    assert found.kind is kind


def test_providers_without_a_server_answer_as_any_model(tmp_path):
    assert asyncio.run(RecordingProvider(Scripted("a"), tmp_path / "recording").catalogue()) == {}
    assert unavailable_reason("anything", {}, "scripted") == ""


KNOWN = {
    name: ModelInfo(name)
    for name in ("claude-opus-5-5", "claude-haiku-4-5-20251001", "claude-haiku-4-5-20250101", "claude-haiku-4-5-20260101-fast")
} | {
    "claude-opus-4": ModelInfo("claude-opus-4", lifecycle="retired"),
    "claude-aged": ModelInfo("claude-aged", lifecycle="deprecated"),
}


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        ("claude-haiku-4-5-latest", "claude-haiku-4-5-20251001"),
        ("claude-haiku-4-5-20250101", "claude-haiku-4-5-20250101"),
        ("claude-haiku", None),
        ("claude-opus-5", None),
    ],
)
def test_models_are_found_by_their_names_with_and_without_a_date(model, found):
    assert find_model(model, KNOWN) == (KNOWN[found] if found else None)


def test_a_model_that_is_not_there():
    assert unavailable_reason("claude-opus-5-5", KNOWN, "anthropic") == ""
    assert unavailable_reason("claude-haiku-4-5", KNOWN, "anthropic") == ""
    assert unavailable_reason("claude-aged", KNOWN, "anthropic") == ""
    missing = unavailable_reason("claude-opus-5", KNOWN, "anthropic")
    assert missing.startswith("anthropic has no model claude-opus-5; it has claude-opus-5-5")
    retired = unavailable_reason("claude-opus-4", KNOWN, "anthropic")
    assert retired.startswith("anthropic has retired the model claude-opus-4; it has claude-opus-5-5")
    assert "claude-opus-4," not in retired
    far = unavailable_reason("gpt", KNOWN, "anthropic")
    assert far == "anthropic has no model gpt; it has claude-aged, claude-haiku-4-5-20250101, claude-haiku-4-5-20251001."


@pytest.mark.parametrize(("batch", "sentence"), [(False, "anthropic cannot ask the model m in batches."), (True, ""), (None, "")])
def test_a_model_that_takes_no_batches(batch, sentence):
    known = {"m": ModelInfo("m", batch=batch)}
    assert unavailable_reason("m", known, "anthropic", in_batches=True) == sentence
    assert unavailable_reason("m", known, "anthropic") == ""


ALL = ModelInfo("m", 200_000, 64_000, EFFORTS, ("adaptive", "enabled", "disabled"), True, True, "active")


@pytest.mark.parametrize("info", [ModelInfo("m"), ALL])
def test_what_a_model_takes_or_may_take_is_left_alone(info):
    for request in (
        PLAIN,
        replace(PLAIN, effort="max", thinking="adaptive", format="{}"),
        replace(PLAIN, thinking="disabled"),
        replace(PLAIN, thinking=ThinkingBudget(9_999)),
    ):
        assert adapt_request(request, info).request is request
        assert adapt_request(request, info).changes == ()


CASES = [
    ({"max_tokens": 64_001}, ALL, {"max_tokens": 64_000}, "m writes at most 64000 tokens; max_tokens was 64001."),
    ({"effort": "max"}, replace(ALL, efforts=("low", "high")), {"effort": "high"}, "m takes no effort max; high is asked for."),
    ({"effort": "low"}, replace(ALL, efforts=("high",)), {"effort": ""}, "m takes no effort low; none is asked for."),
    ({"effort": "high"}, replace(ALL, efforts=()), {"effort": ""}, "m takes no effort high; none is asked for."),
    ({"thinking": "adaptive"}, replace(ALL, thinking=()), {"thinking": ""}, "m does not take thinking adaptive; nothing is set."),
    (
        {"thinking": "adaptive"},
        replace(ALL, thinking=("enabled",)),
        {"thinking": ThinkingBudget(5_000)},
        "m does not take thinking adaptive; a budget of 5000 tokens is set.",
    ),
    (
        {"thinking": ThinkingBudget(3_000)},
        replace(ALL, thinking=("adaptive",)),
        {"thinking": "adaptive"},
        "m does not take thinking with a budget of 3000 tokens; adaptive is set.",
    ),
    (
        {"thinking": "disabled"},
        replace(ALL, thinking=("adaptive",)),
        {"thinking": ""},
        "m does not take thinking disabled; nothing is set.",
    ),
    (
        {"thinking": "adaptive", "max_tokens": 2_000},
        replace(ALL, thinking=("enabled",)),
        {"thinking": ""},
        "m does not take thinking adaptive; nothing is set.",
    ),
    (
        {"format": "{}"},
        replace(ALL, structured_outputs=False),
        {"format": ""},
        "m takes no JSON schema for its text; it is asked without.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "info", "changed", "sentence"), CASES)
def test_what_a_model_does_not_take_is_lowered_or_left_out(asked, info, changed, sentence):
    request = replace(PLAIN, **asked)
    found = adapt_request(request, info)
    assert found.request == replace(request, **changed)
    assert found.changes == (sentence,)


def test_a_budget_stays_below_what_may_be_written():
    request = replace(PLAIN, thinking=ThinkingBudget(9_000))
    assert adapt_request(request, replace(ALL, max_tokens=4_000)).request.thinking == ThinkingBudget(2_000)
    assert adapt_request(request, replace(ALL, max_tokens=1_000)).request.thinking == ""


THINKINGS = st.sampled_from(["", "adaptive", "disabled", ThinkingBudget(1_024), ThinkingBudget(7_000)])
INFOS = st.builds(
    ModelInfo,
    st.just("m"),
    max_tokens=st.none() | st.integers(1, 20_000),
    efforts=st.none() | st.lists(st.sampled_from(EFFORTS), unique=True).map(lambda found: tuple(sorted(found, key=EFFORTS.index))),
    thinking=st.none() | st.lists(st.sampled_from(["adaptive", "enabled", "disabled"]), unique=True).map(tuple),
    structured_outputs=st.none() | st.booleans(),
)


@given(st.sampled_from(["", *EFFORTS]), THINKINGS, st.sampled_from(["", "{}"]), INFOS)
def test_what_was_made_to_fit_fits(effort, thinking, form, info):
    found = adapt_request(replace(PLAIN, effort=effort, thinking=thinking, format=form), info)
    again = adapt_request(found.request, info)
    assert (again.request, again.changes) == (found.request, ())
    assert found.request.max_tokens <= (info.max_tokens or 10_000)
    assert all(sentence.endswith(".") and sentence.startswith("m ") for sentence in found.changes)
