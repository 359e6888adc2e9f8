"""A key is read without what a file put around it, and is in no text that leaves the package."""

from __future__ import annotations

import asyncio

import pytest

from evolve._errors import UsageError
from evolve.models import (
    AnthropicBatches,
    AnthropicProvider,
    CallFailure,
    ChatProvider,
    Embeddings,
    FailureKind,
    ModelReply,
    RecordingProvider,
    TokenUsage,
    ask,
    key_in,
)
from evolve.models._secrets import redact_and_repair
from evolve.testing import ModelServer, Say
from evolve.testing.models._says import chat, chunk, error, errored, finish, start, text_block

SECRET = "sk-ant-0123456789abcdef"
PLAIN = ask("m", "improve this", 100)
MAKES = {
    "anthropic": lambda url: AnthropicProvider(base_url=url),
    "openai": lambda url: ChatProvider(url + "/v1"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    hold(monkeypatch, SECRET)


def hold(monkeypatch, key: str) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, key)


def called(make, *script: Say, wrap=lambda provider: provider, key: str = SECRET):
    async def scene():
        async with ModelServer(*script, key=key) as server:
            provider = wrap(MAKES[make](server.url))
            try:
                return await provider.call(PLAIN), server
            finally:
                await provider.close()

    return asyncio.run(scene())


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("around", ["{}\r", "{}\n", " {} ", "\t{}\r\n"])
def test_white_space_around_a_key_is_no_part_of_it(make, around, monkeypatch):
    hold(monkeypatch, around.format(SECRET))
    answer, server = called(make)
    assert isinstance(answer, ModelReply)
    assert server.heard[0].key == SECRET


def test_the_other_key_of_anthropic_too(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "\r\n")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", SECRET + "\r")
    answer, server = called("anthropic")
    assert isinstance(answer, ModelReply)
    assert server.heard[0].headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("odd", ["\r\n", " ", "\x7f", "ü", "\u200b"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(make, odd, monkeypatch):
    hold(monkeypatch, SECRET[:12] + odd + SECRET[12:])
    answer, server = called(make)
    assert (answer.kind, answer.again, answer.usage, server.heard) == (FailureKind.AUTH, False, TokenUsage(), [])
    assert "holds a character that no key has" in answer.sentence
    assert SECRET[:12] not in answer.sentence
    assert SECRET[12:] not in answer.sentence
    with pytest.raises(UsageError, match="OPENAI_API_KEY holds a character") as refused:
        key_in("OPENAI_API_KEY")
    assert SECRET[:12] not in str(refused.value)


def test_a_header_that_cannot_be_sent_costs_nothing_and_is_not_shown(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", f"x-gateway-key: {SECRET[::-1]}\x0b.")
    answer, server = called("anthropic")
    assert (answer.kind, answer.again, answer.usage, server.heard) == (FailureKind.BAD_REQUEST, False, TokenUsage(), [])
    assert SECRET[::-1] not in answer.sentence


def echoes(make: str) -> dict[str, Say]:
    """Answers that hold the key."""
    words = f"wrong key {SECRET}"
    if make == "openai":
        return {
            "refused": Say(401, body={"error": {"message": words, "type": SECRET}}),
            "plain": Say(403, body=("x " * 140 + words).encode()),
            "cut": Say(400, body={"error": {"message": "x" * 285 + SECRET}}),
            "midway": Say(events=(chunk({"content": "a"}), ("", {"error": {"message": words}}))),
            "refusal": Say(events=(chunk({"refusal": "x" * 285 + SECRET}, "stop"),)),
            "reply": chat(words),
            "header": Say(401, {"x-request-id": SECRET}, {"error": {"message": "no"}}),
            "stop": chat("x", SECRET),
        }
    return {
        "refused": error(401, "authentication_error", words),
        "cut": error(400, "invalid_request_error", "x" * 285 + SECRET),
        "midway": Say(events=(start(), ("error", {"type": "error", "error": {"type": SECRET, "message": words}}))),
        "reply": Say(events=(start(model=SECRET), *text_block(words), *finish())),
        "header": Say(headers={"request-id": SECRET}, events=(start(), *text_block("x"), *finish())),
    }


@pytest.mark.parametrize(("make", "name"), [(make, name) for make in MAKES for name in echoes(make)])
def test_a_key_that_a_server_echoes_is_in_no_answer_and_in_no_recording(make, name, tmp_path):
    recording = tmp_path / "recording.jsonl"
    answer, _ = called(make, echoes(make)[name], wrap=lambda provider: RecordingProvider(provider, recording))
    for text in (repr(answer), recording.read_text()):
        assert SECRET[:12] not in text
        assert "sk-ant" not in text


def test_a_batch_and_an_embedder_hide_it_too():
    async def scene():
        words = f"no {SECRET}"
        async with ModelServer(verdict=lambda n, params: errored(words=words), key=SECRET, polls=0) as server:
            batches = AnthropicBatches(base_url=server.url, wait_s=0.0, poll_first_s=0.01)
            server.script[:] = []
            answers = [await batches.call(PLAIN)]
            await batches.close()
            server.script[:] = [Say(401, body={"error": {"message": words}})]
            embedder = Embeddings(server.url + "/v1", "e")
            answers.append(await embedder.embed(["a"]))
            await embedder.close()
            return answers

    for answer in asyncio.run(scene()):
        assert isinstance(answer, CallFailure)
        assert SECRET not in answer.sentence
        assert "[key]" in answer.sentence


def test_short_keys_of_local_servers_are_words(monkeypatch):
    hold(monkeypatch, "EMPTY")
    assert called("openai", chat("an EMPTY list"))[0].text == "an EMPTY list"


def test_texts_are_shown_without_halves_of_pairs():
    assert redact_and_repair("a\ud800b\udfffc") == "a\ufffdb\ufffdc"
    assert redact_and_repair("\ud83d\ude00 ünïcode \U0001f600") == "\U0001f600 ünïcode \U0001f600"
