"""The contribution map as a picture: SVG, written by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from evolve._untrusted import visible
from evolve.research._effects import Interval
from evolve.research._map import AblationMap, Contribution

_LABELS, _PLOT, _RIGHT, _TOP, _ROW, _BOTTOM = 400, 380, 40, 78, 40, 44  # pixels
_LONGEST = 58  # characters of a label
_HELPS, _HURTS, _NEITHER, _INK, _GRID = "#1a7f37", "#b42318", "#6b7280", "#1f2328", "#d0d7de"
_TICKS = 5


def figure(ablation: AblationMap) -> str:
    """Each change in a row: what leaving it out loses (full circle) and what putting it in alone gives (open circle)."""
    rows = ablation.contributions
    width, height = _LABELS + _PLOT + _RIGHT, _TOP + _ROW * len(rows) + _BOTTOM
    scale = _Scale(ablation)
    unit = f" ({ablation.unit})" if ablation.unit else ""
    title = f"What each change contributes to {ablation.metric}{unit}, {ablation.problem}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{_text(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _words(16, 24, title, size=15),
        _words(16, 44, _legend(ablation), fill=_NEITHER),
        *_axis(scale, height),
    ]
    for number, one in enumerate(rows):
        lines += _row(one, scale, _TOP + _ROW * number)
    return "\n".join([*lines, "</svg>", ""])


class _Scale:
    """From contributions to pixels."""

    def __init__(self, ablation: AblationMap) -> None:
        shown = [one for row in ablation.contributions for one in (row.left_out, row.put_in) if one is not None]
        low, high = (f(value for one in shown for value in (one.low, one.high, 0.0)) if shown else 0.0 for f in (min, max))
        self.step = _nice((high / 2 - low / 2) / _TICKS * 2) if high > low else 1.0
        self.low, self.high = math.floor(low / self.step) * self.step, math.ceil(high / self.step) * self.step
        if not self.high > self.low:
            self.high = self.low + self.step

    def x(self, value: float) -> float:
        """Where a contribution stands."""
        return _LABELS + _PLOT * (value / self._size - self.low / self._size) / (self.high / self._size - self.low / self._size)

    @property
    def _size(self) -> float:
        return max(abs(self.low), abs(self.high))  # so that differences of the largest numbers stay numbers

    def ticks(self) -> list[float]:
        """Round numbers on the axis."""
        n = min(round(self.high / self.step - self.low / self.step), 4 * _TICKS)
        return [self.low + number * self.step for number in range(n + 1)]


def _nice(step: float) -> float:
    """1, 2 or 5 times a power of ten, at least ``step``."""
    power = 10.0 ** math.floor(math.log10(step)) if step > 0 else 1.0
    return next((power * factor for factor in (1, 2, 5) if power * factor >= step), power * 10)


def _axis(scale: _Scale, height: int) -> Iterator[str]:
    bottom = height - _BOTTOM
    for value in scale.ticks():
        x = scale.x(value)
        zero = abs(value) < scale.step / 2
        yield _line(x, _TOP - 8, x, bottom, _INK if zero else _GRID)
        yield _words(x, bottom + 18, "0" if zero else f"{value:+.4g}", anchor="middle", fill=_NEITHER)
    yield _words(_LABELS + _PLOT, bottom + 36, "helps →", anchor="end", fill=_NEITHER)


def _row(one: Contribution, scale: _Scale, top: int) -> Iterator[str]:
    name = visible(one.name)
    label = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    yield f"<g><title>{_text(name)}</title>"
    yield _words(16, top + 16, label)
    yield _words(16, top + 30, f"{one.verdict}{', interacts' if one.interacts else ''}", fill=_NEITHER, size=11)
    for y, interval, full, failed in (
        (top + 11, one.left_out, True, one.without_failed),
        (top + 25, one.put_in, False, one.alone_failed),
    ):
        if interval is not None:
            yield from _mark(interval, scale, y, full=full)
        elif failed:
            yield _words(_LABELS + 4, y + 4, f"{'without it' if full else 'alone'} {failed}"[:64], fill=_HURTS, size=11)
    yield "</g>"


def _mark(interval: Interval, scale: _Scale, y: float, *, full: bool) -> Iterator[str]:
    colour = _HELPS if interval.helps else _HURTS if interval.hurts else _NEITHER
    low, high, x = (scale.x(value) for value in (interval.low, interval.high, interval.effect))
    yield _line(low, y, high, y, colour, width=2)
    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour if full else "#ffffff"}" stroke="{colour}" stroke-width="1.5"/>'


def _legend(ablation: AblationMap) -> str:
    how = "exact" if ablation.scatter.exact else f"bars: 95 % for all together, {len(ablation.seeds)} seeds"
    return f"full: what leaving it out loses; open: what it gives alone; {how}"


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float = 1) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width}"/>'


def _words(x: float, y: float, text: str, *, anchor: str = "start", fill: str = _INK, size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}">{_text(text)}</text>'


def _text(text: str) -> str:
    return escape(visible(text))
