"""Texts as vectors: a server's, paid for like any call, and those that need none."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys

import numpy as np
import pytest
from call_world import ATTEMPT, BACKOFF, FakeTime, ListBook
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import CallReserved, CallSettled
from evolve._errors import ConfigError, UsageError
from evolve.budget._ledger import Amount, Caps, Ledger
from evolve.models import (
    CallFailure,
    Embedder,
    EmbeddingCaller,
    Embeddings,
    FailureKind,
    HashedNgrams,
    Limiter,
    PriceBook,
    Reservations,
    TokenUsage,
    Vectors,
)  # fmt: skip
from evolve.testing import ModelServer, Say
from evolve.testing.models._says import error, openai_limits

TEXTS = ("one two", "three", "é ✓")
PRICES = PriceBook({"e": {"input": 2, "output": 0}})


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class World:
    def __init__(self, embedder: Embedder, caps: Caps | None = None, prices: PriceBook = PRICES) -> None:
        self.time = FakeTime()
        self.book = ListBook()
        self.ledger = Ledger(caps)
        self.limiter = Limiter(clock=self.time.clock(), backoff=BACKOFF)
        self.caller = EmbeddingCaller(embedder, self.limiter, Reservations(self.ledger, self.book), prices)

    async def embed(self, texts=TEXTS, **settings):
        return await self.caller.embed(ATTEMPT, texts, np.random.default_rng(0), **settings)


def played(*script: Say | None, texts=TEXTS, caps: Caps | None = None, **settings):
    async def scene():
        async with ModelServer(*script) as server:
            embedder = Embeddings(server.url + "/v1", "e", **settings)
            world = World(embedder, caps)
            try:
                return await world.embed(texts), world, server
            finally:
                await embedder.close()

    return asyncio.run(scene())


def test_one_request_gives_a_vector_for_each_text(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    outcome, world, server = played()
    expected = [[byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:8]] for text in TEXTS]
    answer = outcome.answer
    assert answer.vectors.dtype == np.float32
    np.testing.assert_allclose(answer.vectors, expected, rtol=1e-6)
    assert (answer.usage, answer.model, outcome.calls, outcome.usd) == (TokenUsage(input=5), "e", 1, 10e-6)
    (heard,) = server.heard
    assert (heard.path, heard.key) == ("/v1/embeddings", "secret")
    assert heard.body == {"model": "e", "input": list(TEXTS), "encoding_format": "float"}
    assert world.caller.embedder.request_bytes(TEXTS) == int(heard.headers["content-length"])


def test_it_is_reserved_and_settled_like_any_call():
    outcome, world, _ = played(error(503, "unavailable_error"), None)
    first, refused, second, settled = world.book.records
    assert isinstance(first, CallReserved)
    assert (first.provider, first.model, first.call, second.call) == ("openai-embeddings", "e", 1, 2)
    assert first.worst_usd == pytest.approx(world.caller.embedder.request_bytes(TEXTS) * 2e-6)
    assert (refused.outcome, refused.usd) == ("server_error", 0.0)
    assert settled == CallSettled(ATTEMPT, 2, "ok", 10e-6, 5, 0)
    assert world.book.texts == [""] * 4
    assert (outcome.calls, world.ledger.settled, world.ledger.reserved) == (2, Amount(10_000, 5, 2), Amount())


def test_a_length_can_be_asked_for():
    _, _, server = played(n_dims=64)
    assert server.heard[0].body["dimensions"] == 64


def test_what_does_not_fit_is_never_sent():
    outcome, world, server = played(caps=Caps(usd=1e-6))
    assert outcome.answer.kind is FailureKind.OVER_BUDGET
    assert (server.heard, world.book.records) == ([], [])


def test_a_limit_that_is_used_up_holds_the_next_call_back():
    body = {"data": [{"index": 0, "embedding": [1.0]}], "usage": {"prompt_tokens": 1}}
    _, world, _ = played(Say(body=body, headers=openai_limits(0, "20s")), texts=("a",))

    async def scene():
        async with world.limiter.slot():
            return world.time.time

    assert asyncio.run(scene()) == 20


def item(index: object, vector: object) -> dict:
    return {"object": "embedding", "index": index, "embedding": vector}


BAD = {
    "no data": {"object": "list"},
    "one for two": [item(0, [1.0, 2.0])],
    "three for two": [item(0, [1.0]), item(1, [1.0]), item(2, [1.0])],
    "the same twice": [item(0, [1.0]), item(0, [1.0])],
    "different lengths": [item(0, [1.0]), item(1, [1.0, 2.0])],
    "empty": [item(0, []), item(1, [])],
    "base64": [item(0, "AACAPw=="), item(1, "AACAPw==")],
    "null": [item(0, None), item(1, None)],
    "too large": [item(0, [1e300]), item(1, [1.0])],
    "objects": [item(0, {"a": 1}), item(1, {"a": 1})],
    "no objects": [1, 2],
}


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_vectors_of_another_form_are_a_failure_that_is_charged(data):
    outcome, _, _ = played(Say(body={"data": data, "usage": {"total_tokens": 4}}), texts=("a", "b"))
    assert isinstance(outcome.answer, CallFailure)
    assert (outcome.answer.kind, outcome.answer.usage, outcome.usd) == (FailureKind.WRONG_FORM, TokenUsage(input=4), 8e-6)
    assert "\n" not in outcome.answer.sentence


def test_what_nobody_counted_is_charged_in_full():
    outcome, world, _ = played(Say(body={"data": [item(0, [1])]}), texts=("a",))
    assert isinstance(outcome.answer, Vectors)
    assert outcome.usd == world.book.records[0].worst_usd


@pytest.mark.parametrize(
    ("say", "kind"),
    [
        (error(400, "invalid_request_error"), FailureKind.BAD_REQUEST),
        (error(404, "not_found_error"), FailureKind.NOT_FOUND),
        (Say(body=b"{"), FailureKind.GARBLED),
        (Say(body=b"<html>log in"), FailureKind.WRONG_SERVER),
        (Say(body={"error": {"message": "no such model"}}), FailureKind.NOT_FOUND),
    ],
)
def test_refusals_have_names(say, kind):
    async def scene():
        async with ModelServer(say) as server:
            embedder = Embeddings(server.url + "/v1", "e")
            answer = await embedder.embed(["a"])
            await embedder.close()
            return answer

    answer = asyncio.run(scene())
    assert isinstance(answer, CallFailure)
    assert answer.kind is kind


def test_a_model_without_a_price_is_an_error_before_anything_is_sent():
    async def scene():
        async with ModelServer() as server:
            world = World(Embeddings(server.url + "/v1", "nonesuch"))
            with pytest.raises(ConfigError, match="no price"):
                await world.embed()
            return server.heard

    assert asyncio.run(scene()) == []


CODE = "def area(r):\n    return 3.14159 * r * r\n"
SAME = "def area(r): return 3.14159*r*r   "
NEAR = "def area(r):\n    return 3.14159 * r ** 2\n"
FAR = "class Stack(list):\n    push = list.append\n    def top(self):\n        return self[-1]\n"


def test_vectors_without_a_server():
    local = HashedNgrams()
    answer = asyncio.run(local.embed([CODE, SAME, NEAR, FAR, ""]))
    code, same, near, far, empty = answer.vectors
    assert (answer.vectors.shape, answer.vectors.dtype, answer.usage) == ((5, 512), np.float32, TokenUsage())
    np.testing.assert_allclose(np.linalg.norm(answer.vectors, axis=1), [1, 1, 1, 1, 0], atol=1e-6)
    np.testing.assert_array_equal(code, same)
    assert code @ near > 0.6 > 0.3 > code @ far
    assert not empty.any()


def test_it_costs_nothing_through_a_caller():
    world = World(HashedNgrams(), Caps(usd=0.0), PriceBook())
    outcome = asyncio.run(world.embed())
    assert isinstance(outcome.answer, Vectors)
    assert (outcome.usd, world.ledger.settled) == (0.0, Amount(0, 0, 1))


def test_vectors_are_the_same_in_any_process():
    code = (
        "import sys; from evolve.models import HashedNgrams; "
        "print(HashedNgrams(n_dims=64).vectors([sys.argv[1]]).tobytes().hex(), end='')"
    )
    found = subprocess.run([sys.executable, "-c", code, CODE], capture_output=True, text=True, check=True).stdout
    assert found == HashedNgrams(n_dims=64).vectors([CODE]).tobytes().hex()
    assert hashlib.sha256(bytes.fromhex(found)).hexdigest()[:16] == "971e257f3b274813"


@settings(max_examples=50)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=4), st.integers(1, 40), st.integers(1, 4))
def test_any_text_has_a_vector_of_length_one_or_none(texts, n_dims, longest):
    found = HashedNgrams(n_dims=n_dims, longest=longest).vectors(texts)
    lengths = np.linalg.norm(found, axis=1)
    assert found.shape == (len(texts), n_dims)
    assert all(abs(length - 1) < 1e-5 or length == 0 for length in lengths)
    np.testing.assert_array_equal(found[:1], HashedNgrams(n_dims=n_dims, longest=longest).vectors(texts[:1]))


def test_order_and_repetition_count():
    one, other, twice = HashedNgrams().vectors(["a b c d", "d c b a", "a b c d a b c d"])
    assert not np.array_equal(one, other)
    assert 0 < one @ other < one @ twice < 1


@pytest.mark.parametrize("settings_", [{"n_dims": 0}, {"longest": 0}])
def test_impossible_settings(settings_):
    with pytest.raises(UsageError, match="at least 1"):
        HashedNgrams(**settings_)


def test_no_texts():
    with pytest.raises(UsageError, match="at least one text"):
        HashedNgrams().vectors([])
    with pytest.raises(UsageError, match="at least one text"):
        asyncio.run(Embeddings("http://127.0.0.1:1/v1", "e").embed([]))
