"""Prices as settings write them: ``MODEL=IN/OUT[/CACHED[/WRITTEN_5M[/WRITTEN_1H]]]``, in dollars a million tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable

from evolve._errors import ConfigError

_NAMES = ("input", "output", "cached", "written_5m", "written_1h")
_FORM = "MODEL=IN/OUT[/CACHED[/WRITTEN_5M[/WRITTEN_1H]]]"
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII)


def price_rows(texts: Iterable[str]) -> dict[str, dict[str, float]]:
    """The rows of one's own that a ``PriceBook`` takes.

    Args:
        texts: One row each.  The name of the model is all before the last ``=`` and may contain ``/`` and ``:``; ``*`` stands for
            all models without a row.

    Raises:
        ConfigError: A text of another form, a price that is no number of at least 0, or a model that has two rows.
    """
    rows: dict[str, dict[str, float]] = {}
    for text in texts:
        model, row = _row(text)
        if model in rows:
            raise ConfigError(f"the model {model} has two prices; leave one.")
        rows[model] = row
    return rows


def _row(text: str) -> tuple[str, dict[str, float]]:
    model, equals, prices = text.rpartition("=")
    model = model.strip()
    if not equals or not model:
        raise ConfigError(f"a price is written {_FORM}, in dollars a million tokens; found {text!r}.")
    numbers = [part.strip() for part in prices.split("/")]
    if not 2 <= len(numbers) <= len(_NAMES):
        raise ConfigError(f"the price of {model} needs 2 to {len(_NAMES)} numbers, as {_FORM}; found {prices!r}.")
    wrong = next((number for number in numbers if not _NUMBER.fullmatch(number)), None)
    if wrong is not None:
        raise ConfigError(f"the price of {model} is written in dollars a million tokens, as 3/15 or 0/0; found {wrong!r}.")
    return model, dict(zip(_NAMES, map(float, numbers), strict=False))
