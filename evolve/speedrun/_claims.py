"""What the text of a record says of it: lists of losses and times, labelled statistics, numbers of runs, a waiver.

A text has no form that can be relied on, so each kind is a set of numbers that may be meant.  Something is said to be contradicted
only where a labelled number is there and none of them agrees.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evolve._untrusted import visible
from evolve.speedrun._tables import table_values

_LIST = re.compile(r"\[([^\[\]]{3,4000})\]")
_NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]*\d)")
_P = re.compile(r"\bp(?:[- ]?value)?(?:\([^)\n]*\)| vs [\d.]+)?[`*]*\s*[=:≈|]\s*[`*]*(\d*\.\d+(?:e-?\d+)?|\d+e-\d+)", re.I)
_N = re.compile(
    r"\bn\s*[=:|]\s*[`*]*(\d{1,6})\b|\b(?:runs|seeds)\b[`*]*\s*[:|]\s*[`*]*(\d{1,6})\b"
    r"|(?<![\w.])(\d{1,6})\s+(?:[a-z-]+\s+){0,3}?(?:runs|seeds|logfiles|logs|trials)\b",
    re.I,
)
_MEAN = re.compile(r"\b(mean|average|avg)\b|μ", re.I)
_SD = re.compile(r"\b(std|sd|stdev)\b|standard deviation|σ", re.I)
_WAIVERS = re.compile(
    r"\b(?:systems?[- ]only|pure(?:ly)?(?: a)? systems?\b|only (?:a )?systems? (?:change|optimi[sz]ation)s?"
    r"|(?:does|do|should|will) not change the ml\b|no (?:change|changes) to the ml\b)",
    re.I,
)
_DENIED = re.compile(r"\b(?:not|isn't|never|no longer)\b(?: \w+){0,2} (?:pure|systems?[- ]only|only)", re.I)
_SINGLE = 1e-6  # relative: many are computed in single precision
_SENTENCE = 100  # characters on each side of a claim that are looked at, and told
_NEAR = 0.1  # of the target: a mean loss
_CLOSE = 6e-5  # two numbers of four decimals that are the same loss


@dataclass(frozen=True, slots=True)
class Claims:
    """Numbers that may be meant, as they are written; ``waiver`` is the sentence that claims a pure systems change."""

    losses: tuple[tuple[float, ...], ...] = ()
    times: tuple[tuple[float, ...], ...] = ()
    counts: tuple[int, ...] = ()
    means: tuple[str, ...] = ()
    sds: tuple[str, ...] = ()
    ps: tuple[str, ...] = ()
    time_means: tuple[str, ...] = ()
    waiver: str = ""


def read_claims(text: str, target: float) -> Claims:
    """What ``text`` says; ``target`` tells losses from other numbers."""
    lists = [numbers for found in _LIST.findall(text) if len(numbers := _floats(found)) > 1]
    prose = _LIST.sub(" ", text)
    found: dict[str, list[str]] = {kind: [] for kind in ("mean", "sd", "p", "time", "count")}
    for kind, number in itertools.chain(_labelled(prose), table_values(prose)):
        found[kind].append(number)
    return Claims(
        losses=tuple(one for one in lists if all(abs(value - target) < 0.5 for value in one)),
        times=tuple(one for one in lists if all(value > 10 for value in one)),
        counts=tuple(dict.fromkeys(int(one) for one in found["count"] if one.isdigit() and len(one) < 7)),
        means=tuple(one for one in found["mean"] if abs(float(one) - target) < _NEAR and float(one) != target and len(one) > 4),
        sds=tuple(one for one in found["sd"] if 0 < float(one) < 0.01),
        ps=tuple(one for one in found["p"] if 0 <= float(one) < 1 and len(one) > 1),
        time_means=tuple(one for one in found["time"] if float(one) > 10),
        waiver=_waiver(prose),
    )


def _labelled(text: str) -> Iterator[tuple[str, str]]:
    """``(kind, number)`` for what stands in a line with a word that tells it."""
    for line in text.splitlines():
        numbers = _NUMBER.findall(line)
        about_time = "time" in line.lower()
        if _MEAN.search(line):
            yield from (("mean", one) for one in numbers)
            yield from (("time", one) for one in numbers if about_time)
        if _SD.search(line) and not about_time:
            yield from (("sd", one) for one in numbers)
    yield from (("p", one) for one in _P.findall(text))
    yield from (("count", next(filter(None, found))) for found in _N.findall(text))


def _floats(text: str) -> tuple[float, ...]:
    parts = [part.strip().removesuffix("ms").removesuffix("s") for part in text.replace("\n", " ").split(",") if part.strip()]
    try:
        values = tuple(float(part) for part in parts)
    except ValueError:
        return ()
    return tuple(value / 1e3 for value in values) if "ms" in text else values


def _waiver(text: str) -> str:
    for found in _WAIVERS.finditer(text):
        start = max(text.rfind(mark, 0, found.start()) for mark in ".\n") + 1
        ends = [end for mark in ".\n" if (end := text.find(mark, found.end())) >= 0]
        sentence = text[max(start, found.start() - _SENTENCE) : min([*ends, found.end() + _SENTENCE])]
        if not _DENIED.search(sentence):
            return " ".join(visible(sentence).split())
    return ""


def agrees(written: str, value: float) -> bool:
    """Whether a number is ``value`` to the digits that it is written with, rounded or cut."""
    mantissa, _, exponent = written.lower().partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    more = value - float(written)
    return -0.51 * unit <= more <= 1.001 * unit or abs(more) <= _SINGLE * abs(value)


def missing(of: Sequence[float], among: Sequence[float]) -> list[float]:
    """What of the one sample is not in the other, counted as often as it is there."""
    left = sorted(among)
    lost = []
    for value in sorted(of):
        near = next((i for i, other in enumerate(left) if abs(other - value) < _CLOSE), None)
        if near is None:
            lost.append(value)
        else:
            left.pop(near)
    return lost


def same_losses(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether two lists are of the same runs."""
    return len(a) == len(b) and not missing(a, b)


def claimed_losses(claims: Claims, losses: Sequence[float]) -> tuple[float, ...]:
    """Of the lists in the text, the one that is of these runs: most of it is theirs, or there is no other; () where none is."""
    if not claims.losses:
        return ()
    best = min(claims.losses, key=lambda one: (len(missing(one, losses)) / len(one), len(missing(losses, one))))
    theirs = 2 * len(missing(best, losses)) <= len(best)
    return best if theirs or len(claims.losses) == 1 else ()
