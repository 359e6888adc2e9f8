"""Prices as settings write them, and the row for all other models."""

from __future__ import annotations

from decimal import Decimal

import pytest

from evolve._errors import ConfigError
from evolve.models import FREE, AnthropicBatches, PriceBook, PriceRow, Rate, TokenUsage, ask, price_rows


@pytest.mark.parametrize(
    ("text", "model", "row"),
    [
        ("m=3/15", "m", {"input": 3, "output": 15}),
        ("m=0/0", "m", {"input": 0, "output": 0}),
        (" m = 3 / 15 / 0.3 ", "m", {"input": 3, "output": 15, "cached": 0.3}),
        ("m=3/15/.3/3.75", "m", {"input": 3, "output": 15, "cached": 0.3, "written_5m": 3.75}),
        ("m=3/15/0.3/3.75/6", "m", {"input": 3, "output": 15, "cached": 0.3, "written_5m": 3.75, "written_1h": 6}),
        ("*=0/0", "*", {"input": 0, "output": 0}),
        ("org/model:free=1e-3/2.", "org/model:free", {"input": 0.001, "output": 2}),
        ("qwen2.5-coder:7b-q4_K_M=0/0", "qwen2.5-coder:7b-q4_K_M", {"input": 0, "output": 0}),
        ("a=b=1/2", "a=b", {"input": 1, "output": 2}),
    ],
)
def test_a_price(text, model, row):
    assert price_rows([text]) == {model: row}
    assert PriceBook(price_rows([text])).row("http://x", model).input.base == Decimal(str(row["input"]))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is written MODEL=IN/OUT"),
        ("sonnet", "is written MODEL=IN/OUT"),
        ("=1/2", "is written MODEL=IN/OUT"),
        ("m=3", "2 to 5 numbers"),
        ("m=1/2/3/4/5/6", "2 to 5 numbers"),
        ("m=", "2 to 5 numbers"),
        ("m=3/", "found ''"),
        ("m=-1/2", "found '-1'"),
        ("m=nan/2", "found 'nan'"),
        ("m=1/inf", "found 'inf'"),
        ("m=1_0/2", "found '1_0'"),
        ("m=$3/15", "found '\\$3'"),
        ("m=1/2e999", "found '2e999'"),
        ("m=1/٣", "found"),
    ],
)
def test_what_is_no_price(text, match):
    with pytest.raises(ConfigError, match=match) as caught:
        price_rows([text])
    assert str(caught.value).count(". ") == 0
    assert str(caught.value).endswith(".")


def test_a_model_has_one_price():
    assert set(price_rows(["a=1/2", "b=1/2"])) == {"a", "b"}
    with pytest.raises(ConfigError, match="the model a has two prices"):
        price_rows(["a=1/2", "a=3/4"])


def test_the_row_for_all_other_models():
    book = PriceBook(price_rows(["*=0/0", "dear=1/2"]))
    row = book.row("http://127.0.0.1:8000/v1", "any")
    assert (row.model, row.source, row.cost(TokenUsage(10**6, output=10**6), 1)) == ("any", "own", 0)
    assert book.row("anthropic", "claude-opus-4-5").input.base == 0  # before the package's list
    assert book.row("anthropic", "dear").input.base == 1
    assert PriceBook(price_rows(["*=1/1"])).row(FREE, "any").source == FREE  # no server, no price


def rate(base: str, *tiers: tuple[int, str]) -> Rate:
    return Rate(Decimal(base), tuple((start, Decimal(price)) for start, price in tiers))


def test_batches_cost_half_of_everything():
    row = PriceRow("m", rate("3", (1000, "6")), rate("15", (1000, "22.5")), "own", rate("0.3"), rate("3.75"), rate("6"))
    half = row.at_half_price()
    assert half == PriceRow(
        "m", rate("1.5", (1000, "3")), rate("7.5", (1000, "11.25")), "own, batch", rate("0.15"), rate("1.875"), rate("3")
    )
    book = PriceBook(price_rows(["m=3/15"]))
    assert book.row(AnthropicBatches.prices_from, "m") == book.row("anthropic", "m").at_half_price()
    usage = TokenUsage(400, 300, 200, 200, 50)
    assert half.cost(usage, 1) * 2 == row.cost(usage, 1)
    assert half.quote(5000, ask("m", "x", 64)).worst * 2 == row.quote(5000, ask("m", "x", 64)).worst


def test_embeddings_have_no_price_for_output():
    row = PriceBook().row("https://api.openai.com/v1", "text-embedding-3-small", embeds=True)
    assert (row.input, row.output) == (rate("0.02"), rate("0"))
    assert row.quote_embedding(1000).worst == 20_000
    assert row.quote_embedding(1000).worst_tokens == 1000
    with pytest.raises(ConfigError, match="not priced by tokens"):
        PriceBook().row("https://api.openai.com/v1", "text-embedding-3-small")
