"""Prices: what the package says, what the user says, and that no call can cost more than its quote."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve._errors import ConfigError
from evolve.models import FREE, Block, Message, ModelRequest, PriceBook, PriceRow, Rate, ThinkingBudget, TokenUsage, Tool, ask

BOOK = PriceBook(at=datetime(2026, 6, 1, tzinfo=UTC))


def rate(base: str, *tiers: tuple[int, str]) -> Rate:
    return Rate(Decimal(base), tuple((start, Decimal(price)) for start, price in tiers))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-sonnet-4-5", (3, 15)),
        ("claude-haiku-4-5-20251001", (1, 5)),
        ("claude-opus-4-5", (5, 25)),
    ],
)
def test_rows_of_the_package(model, expected):
    row = BOOK.row("anthropic", model)
    assert (row.input.base, row.output.base) == expected
    assert row.source.startswith("genai-prices 0.")
    assert row.cached is not None
    assert row.written_5m is not None
    assert row.written_1h is not None
    assert row.cached.base < row.input.base < row.written_5m.base < row.written_1h.base


def test_a_row_of_the_package_with_tiers():
    row = BOOK.row("anthropic", "claude-sonnet-4-5")
    assert row.input == rate("3", (200_000, "6"))


def test_an_address_finds_its_provider():
    assert BOOK.row("https://api.openai.com/v1", "gpt-5").input.base == Decimal("1.25")


@pytest.mark.parametrize(
    ("place", "model"), [("anthropic", "claude-nonesuch"), ("http://127.0.0.1:8080/v1", "local"), ("nobody", "claude-opus-4-5")]
)
def test_a_model_without_a_price_is_an_error(place, model):
    with pytest.raises(ConfigError, match=f"no price is known for the model {model}"):
        BOOK.row(place, model)


def test_a_model_that_is_not_priced_by_tokens_is_an_error():
    with pytest.raises(ConfigError, match="not priced by tokens"):
        BOOK.row("openai", "tts-1")


def test_rows_of_ones_own_go_first():
    book = PriceBook({"local": {"input": 0, "output": 0}, "claude-opus-4-5": {"input": 1.5, "output": 2, "cached": 0.15}})
    assert book.row("http://127.0.0.1/v1", "local").cost(TokenUsage(10**6, output=10**6), 5) == 0
    row = book.row("anthropic", "claude-opus-4-5")
    assert row == PriceRow("claude-opus-4-5", rate("1.5"), rate("2"), "own", rate("0.15"))


@pytest.mark.parametrize(
    "numbers",
    [
        {},
        {"input": 1},
        {"input": 1, "output": 1, "batch": 1},
        {"input": -1, "output": 1},
        {"input": True, "output": 1},
        {"input": float("nan"), "output": 1},
    ],
)
def test_a_row_that_is_none(numbers):
    with pytest.raises(ConfigError, match="m"):
        PriceBook({"m": numbers})


def test_the_free_need_no_row():
    assert BOOK.row(FREE, "anything").quote(10**6, ask("anything", "x", 10**6)).worst == 0


TIERED = PriceRow(
    "m",
    rate("0.1", (1000, "0.5")),
    rate("0.5", (1000, "2.5")),
    "test",
    rate("0.01", (1000, "0.05")),
    rate("0.125", (1000, "0.625")),
    rate("0.2", (1000, "1")),
)


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        (TokenUsage(input=1000, output=100), 1000 * 100 + 100 * 500),
        (TokenUsage(input=1001, output=100), 1001 * 500 + 100 * 2500),
        (TokenUsage(input=1, cached=500, written_5m=300, written_1h=199, output=1), 100 + 500 * 10 + 300 * 125 + 199 * 200 + 500),
        (TokenUsage(input=1, cached=501, written_5m=300, written_1h=199), 500 + 501 * 50 + 300 * 625 + 199 * 1000),
        (TokenUsage(input=10, output=3, output_known=False), 10 * 100 + 64 * 500),
        (TokenUsage(input=10, output=90, output_known=False), 10 * 100 + 90 * 500),
        (TokenUsage(), 0),
    ],
)
def test_the_cost_of_a_call(usage, nano):
    assert TIERED.cost(usage, 64) == nano


def test_caching_without_a_price_costs_what_input_costs():
    row = PriceRow("m", rate("1"), rate("2"), "test")
    assert row.cost(TokenUsage(cached=1, written_5m=2, written_1h=4), 1) == 7 * 1000


def test_parts_of_a_nano_dollar_count_whole():
    assert PriceRow("m", rate("0.0000001"), rate("0"), "test").cost(TokenUsage(input=1), 1) == 1


def marked(mark: str) -> ModelRequest:
    return ModelRequest("m", (Message("user", (Block("x", mark),)),), 64)


@pytest.mark.parametrize(
    ("request_", "size", "nano"),
    [
        (ask("m", "x", 64), 1000, 1000 * 125 + 64 * 500),
        (marked("5m"), 1000, 1000 * 125 + 64 * 500),
        (marked("1h"), 1000, 1000 * 200 + 64 * 500),
        (marked("1h"), 1001, 1001 * 1000 + 64 * 2500),
        (ModelRequest("m", ask("m", "x", 1).messages, 64, tool=Tool("t", "", "{}")), 100, 1124 * 625 + 64 * 2500),
    ],
)
def test_the_worst_case_of_a_request(request_, size, nano):
    assert TIERED.quote(size, request_).worst == nano


@given(
    st.sampled_from(["", "5m", "1h"]),
    st.lists(st.integers(0, 900), min_size=4, max_size=4),
    st.integers(0, 64),
    st.booleans(),
    st.integers(0, 500),
)
def test_no_call_costs_more_than_its_quote(mark, parts, output, known, slack):
    fresh, cached, written_5m, written_1h = parts
    usage = TokenUsage(fresh, cached, written_5m, written_1h if mark == "1h" else 0, output, output_known=known)
    quote = TIERED.quote(usage.prompt + slack, marked(mark))
    assert TIERED.cost(usage, 64) <= quote.worst
    assert usage.prompt + 64 <= quote.worst_tokens


def test_thinking_is_paid_within_max_tokens():
    request = ask("m", "x", 64)
    assert TIERED.quote(100, replace(request, thinking=ThinkingBudget(50))) == TIERED.quote(100, request)


def test_what_the_journal_keeps_of_a_quote():
    quote = PriceRow("m", rate("0.1", (1000, "0.5")), rate("2"), "test").quote(100, ask("m", "x", 64))
    assert quote.text() == '{"source":"test","input":["0.1",[1000,"0.5"]],"output":["2"]}'
    assert quote.worst_tokens == 164
