"""What tokens cost.  Prices are in US dollars a million tokens; money is counted in whole nano-dollars, rounded up.

Sums of whole numbers are exact, and a float of dollars holds a whole number of nano-dollars exactly up to nine million dollars.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from evolve._errors import ConfigError, need
from evolve.budget._ledger import NANO
from evolve.models._provider import FREE, IN_BATCHES
from evolve.models._reply import TokenUsage
from evolve.models._request import ModelRequest

_HIDDEN_TOKENS = 1024  # of a provider's own instructions for a tool or a format: a few hundred by Anthropic's price page
_FIELDS = ("input", "output", "cached", "written_5m", "written_1h")
_OTHERS = "*"  # the row of one's own for all models without one
_ELSEWHERE = ("requests_kcount", "input_text_messages_kcount", "output_reasoning_mtok", "output_citation_mtok")


@dataclass(frozen=True, slots=True)
class Rate:
    """Dollars a million tokens: ``base``, or the price of the last tier whose start the prompt exceeds."""

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()  # ascending

    def at(self, prompt: int) -> Decimal:
        """The rate for a prompt of so many tokens: it holds for every token of the request."""
        return next((price for start, price in reversed(self.tiers) if prompt > start), self.base)

    def max_rate(self, prompt: int) -> Decimal:
        """The highest rate for any prompt of at most so many tokens."""
        return max((self.base, *(price for start, price in self.tiers if prompt > start)))

    @property
    def is_zero(self) -> bool:
        """Whether it is nothing for a prompt of any size."""
        return not (self.base or any(price for _, price in self.tiers))

    def at_half_price(self) -> Rate:
        return Rate(self.base / 2, tuple((start, price / 2) for start, price in self.tiers))


_NOTHING = Rate(Decimal(0))


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One model's prices and where they come from.  Caching that has no price of its own costs what input costs."""

    model: str
    input: Rate
    output: Rate
    source: str
    cached: Rate | None = None
    written_5m: Rate | None = None
    written_1h: Rate | None = None

    @property
    def is_free(self) -> bool:
        """Whether no call can cost anything."""
        return all(
            rate is None or rate.is_zero for rate in (self.input, self.output, self.cached, self.written_5m, self.written_1h)
        )

    def cost(self, usage: TokenUsage, max_tokens: int) -> int:
        """Nano-dollars of one call; output that nobody counted is taken to be ``max_tokens``."""
        prompt = usage.prompt
        output = usage.output if usage.output_known else max(max_tokens, usage.output)
        counts = (
            (self.input, usage.input),
            (self.cached or self.input, usage.cached),
            (self.written_5m or self.input, usage.written_5m),
            (self.written_1h or self.input, usage.written_1h),
            (self.output, output),
        )
        return _up(sum((rate.at(prompt) * tokens for rate, tokens in counts), Decimal(0)))

    def quote(self, request_bytes: int, request: ModelRequest) -> Quote:
        """The most a request can cost: each byte a token at the dearest applicable rate, and ``max_tokens`` of output."""
        prompt = request_bytes + (_HIDDEN_TOKENS if request.tool is not None or request.format else 0)
        # some servers write their cache without being asked
        rates = (self.input, self.cached, self.written_5m, self.written_1h if "1h" in request.marks else None)
        dearest = max(rate.max_rate(prompt) for rate in rates if rate is not None)
        worst = _up(dearest * prompt + self.output.max_rate(prompt) * request.max_tokens)
        return Quote(self, worst, prompt + request.max_tokens)

    def quote_embedding(self, request_bytes: int) -> Quote:
        """The most that embedding can cost: nothing is written, and nothing is cached."""
        return Quote(self, _up(self.input.max_rate(request_bytes) * request_bytes), request_bytes)

    def at_half_price(self) -> PriceRow:
        """The prices of message batches: half of everything, by Anthropic's price page."""
        rates = {name: rate.at_half_price() for name in _FIELDS if (rate := getattr(self, name)) is not None}
        return replace(self, source=f"{self.source}, batch", **rates)

    def text(self) -> str:
        """For the journal's ``price``: the row as JSON text."""
        rates = {name: rate for name in _FIELDS if (rate := getattr(self, name)) is not None}
        found = {name: [str(rate.base), *([start, str(price)] for start, price in rate.tiers)] for name, rate in rates.items()}
        return json.dumps({"source": self.source, **found}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Quote:
    """The worst case of one HTTP request, in nano-dollars and tokens, and the prices it rests on."""

    row: PriceRow
    worst: int
    worst_tokens: int

    def text(self) -> str:
        """For the journal's ``price``."""
        return self.row.text()


class PriceBook:
    """Price rows: the user's own, otherwise those of the package ``genai-prices``, which come with it and need no network.

    Args:
        own: Rows by model, each a mapping from input, output, cached, written_5m, written_1h to dollars a million tokens.  The
            row ``*`` holds for every model of a server that has no row of its own, and goes before the package's.
        at: When, for prices that change; None is now.

    Raises:
        ConfigError: A row of one's own without input and output, with an unknown name, or with a number that is no price.
    """

    def __init__(self, own: Mapping[str, Mapping[str, float]] | None = None, *, at: datetime | None = None) -> None:
        self._own = {model: _own_row(model, numbers) for model, numbers in (own or {}).items()}
        self._at = at

    def row(self, prices_from: str, model: str, *, embeds: bool = False) -> PriceRow:
        """The prices of a model.

        Args:
            prices_from: The provider's, with ``IN_BATCHES`` where it is asked so.
            model: As the provider names it.
            embeds: Whether it makes vectors, which have no price of their own; otherwise it writes.

        Raises:
            ConfigError: No price is known.
        """
        if prices_from.endswith(IN_BATCHES):
            return self.row(prices_from.removesuffix(IN_BATCHES), model, embeds=embeds).at_half_price()
        if model in self._own:
            return self._own[model]
        if prices_from == FREE:
            return PriceRow(model, _NOTHING, _NOTHING, FREE)
        if _OTHERS in self._own:
            return replace(self._own[_OTHERS], model=model)
        return self._listed(prices_from, model, embeds)

    def _listed(self, prices_from: str, model: str, embeds: bool) -> PriceRow:
        package: Any = need("genai_prices", "genai-prices")
        place = (None, prices_from) if prices_from.startswith("http") else (prices_from, None)
        try:
            _, found = package.data_snapshot.get_snapshot().find_provider_model(model, None, *place)
        except LookupError as error:
            raise ConfigError(
                f"no price is known for the model {model} ({prices_from}); type llm.prices={model}=IN/OUT, in dollars a "
                "million tokens, 0/0 where it costs nothing."
            ) from error
        prices = found.get_prices(self._at or datetime.now(UTC))
        rates = (_rate(getattr(prices, f"{name}_mtok")) for name in ("cache_read", "cache_write", "cache_write_1h"))
        inward, outward = _rate(prices.input_mtok), _rate(prices.output_mtok)
        if embeds and outward is None:
            outward = _NOTHING
        if inward is None or outward is None or any(getattr(prices, name) is not None for name in _ELSEWHERE):
            raise ConfigError(f"the model {model} is not priced by tokens in and out alone; type llm.prices={model}=IN/OUT.")
        return PriceRow(model, inward, outward, f"genai-prices {package.__version__}", *rates)


def _rate(price: Any) -> Rate | None:
    if price is None or isinstance(price, Decimal):
        return Rate(price) if price is not None else None
    return Rate(price.base, tuple(sorted((tier.start, tier.price) for tier in price.tiers)))


def _own_row(model: str, numbers: Mapping[str, float]) -> PriceRow:
    unknown = sorted(set(numbers) - set(_FIELDS))
    if unknown or not {"input", "output"} <= set(numbers):
        raise ConfigError(
            f"a price of {model} needs input and output and may have {', '.join(_FIELDS[2:])}; found {sorted(numbers)}."
        )
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise ConfigError(f"the price {name} of {model} must be dollars a million tokens, found {value!r}.")
    rates = {name: Rate(Decimal(str(value))) for name, value in numbers.items()}
    return PriceRow(model=model, source="own", **rates)


def _up(dollars_times_million: Decimal) -> int:
    return int((dollars_times_million * (NANO // 1_000_000)).to_integral_value(rounding=ROUND_CEILING))
