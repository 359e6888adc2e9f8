"""Progress on stderr: a display that stays in place on a terminal, plain lines elsewhere.

A view is called in the thread that drives the run and makes frozen ``Progress`` values there; the display's own thread only reads
the last of them, so that the clock goes on while nothing is recorded.
"""

from __future__ import annotations

import math
import os
import shlex
import sys
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from archive import ChampionChanged, Claim, ConfirmationOpened, Event, LogEntry, NodesUnfit, StopRequested
from evolve._counted import counted
from evolve.cli.show._learnt import archive_text, percent
from evolve.cli.show._limits import budget_text, left_text, spent_of, spent_share
from evolve.cli.show._suite import NO_WALLS, SuiteView
from evolve.cli.show._text import (
    counts,
    duration,
    encodable,
    evaluator_rows,
    gain_beside,
    models_text,
    number,
    one_line,
    pruned_rows,
    say,
    score,
    unchecked_text,
    where_rows,
)
from evolve.cli.show._vaults import claim_text, confirm_text, problem_text, vault_text
from evolve.engine._session import RunStarted
from evolve.views._progress import BY_NOBODY, Progress, ProgressTracker
from evolve.views._run_view import RunView
from evolve.views._shortfall import Shortfall
from evolve.views._summary import CONFIRMED
from evolve.views.claims._resolution import Noise, Resolution
from evolve.views.claims._typical import typical_of

if TYPE_CHECKING:
    from rich.console import RenderableType

LINE_S = 5.0
BEST_S = 1.0
DISPLAY_S = 0.25
_RATE_S = 20.0  # the rate is that of the last so many seconds


def open_view() -> LiveView:
    """The view that suits stderr."""
    terminal = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if terminal:
        try:
            return Display()
        except ModuleNotFoundError:  # rich is a convenience here
            pass
    return LiveView()


class LiveView:
    """Plain lines: every few seconds, on each new best, and what a person must not miss.

    ``opened`` is the run, from the announcement on.
    """

    opened: RunView
    others: tuple[RunView, ...] = ()  # of the run's other problems

    def __init__(self) -> None:
        self.every_s = LINE_S
        self._due = 0.0
        self._soon = 0.0
        self._leader: int | None = None
        self._watch: ProgressTracker | None = None
        self._suite: SuiteView | None = None
        self._rates: deque[tuple[float, int]] = deque()

    def __enter__(self) -> LiveView:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def on_started(self, announcement: RunStarted) -> None:
        """The first lines."""
        self.opened, self.others = announcement.view, announcement.more
        if announcement.more:
            self._suite = SuiteView(announcement, self.tell, self.show_table)
            return
        self._watch = announcement.view.tracker()
        self._due = time.time() + self.every_s
        for name, text in header(announcement):
            self.tell(f"{name:<9}{text}")

    def record(self, _state: object, stamped: LogEntry) -> None:
        """After each record."""
        if self._suite is not None:
            self._suite.record(stamped)
            return
        match stamped.record:
            case Event(level="warning" | "error", text=text):
                self.tell(f"note: {one_line(text, 400)}")
            case ChampionChanged(candidate=candidate, e_value=e_value):
                self.tell(f"champion: {candidate[:10]} takes the title (e = {e_value:.3g})")
            case ConfirmationOpened():
                self.tell(vault_text(stamped.record))
            case Claim():
                self.tell(claim_text(stamped.record, typical_of(self.opened, stamped.record.vault)))
            case NodesUnfit(nodes=nodes):
                for why in nodes.values():
                    self.tell(f"note: takes no part: {one_line(why, 400)}")
            case StopRequested():
                self.tell("ending: waiting for the measurements in hand; another Ctrl-C stops at once")
            case _:
                pass
        if self._watch is None:
            return
        if (found := self._watch.noise_found()) is not None:
            self.tell(f"noise: {noise_text(found.noise)}; {resolvable_text(found)}")
        if (short := self._watch.shortfall_found()) is not None:
            self.tell(f"note: {shortfall_text(short, str(self.opened.run.path))}")
        now = stamped.at
        new = self._watch.leader != self._leader
        if now < self._due and not (new and now >= self._soon):
            return
        self._leader = self._watch.leader
        self._due, self._soon = now + self.every_s, now + min(BEST_S, self.every_s)
        self.show(self._watch.snapshot(now), now)

    def show(self, seen: Progress, now: float) -> None:
        """How the run stands at Unix time ``now``."""
        self.tell(plain_line(seen, self.rate(seen)))

    show_table: Callable[[str], None] | None = None  # takes the table of a run of several problems

    def tell(self, line: str) -> None:
        say(line)

    def rate(self, seen: Progress) -> float:
        """Measurements a second, lately."""
        self._rates.append((seen.elapsed_s, seen.measurements))
        while len(self._rates) > 2 and self._rates[0][0] < seen.elapsed_s - _RATE_S:
            self._rates.popleft()
        (start, before), (end, after) = self._rates[0], self._rates[-1]
        return (after - before) / (end - start) if end > start else 0.0


class Display(LiveView):
    """A display in place, drawn by rich four times a second."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__()
        self.every_s = DISPLAY_S
        self._state: tuple[Progress, float, float] | None = None  # what was seen, when, the rate
        self._table = ""  # of several problems
        self.show_table = self._set_table
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._live = Live(console=self._console, get_renderable=self._render, transient=True, redirect_stdout=False)

    def __enter__(self) -> LiveView:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def on_started(self, announcement: RunStarted) -> None:
        super().on_started(announcement)
        self._live.start()

    def show(self, seen: Progress, now: float) -> None:
        self._state = (seen, now, self.rate(seen))

    def _set_table(self, text: str) -> None:
        self._table = text

    def tell(self, line: str) -> None:
        from rich.text import Text

        loud = NO_WALLS in line or line.startswith("note:")
        self._console.print(Text(encodable(line, self._console.encoding), style="bold red" if loud else "", overflow="fold"))

    def _render(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        if self._table:
            return Text(encodable(self._table, self._console.encoding), no_wrap=True, overflow="crop")
        if self._state is None:
            return Text("starting", style="dim")
        seen, at, rate = self._state
        elapsed_s = seen.elapsed_s + max(time.time() - at, 0.0)
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True, min_width=8)
        plain = self._console.options.ascii_only
        table.add_column(overflow="crop" if plain else "ellipsis", no_wrap=True)
        for name, text in rows(seen, rate, elapsed_s):
            table.add_row(Text(name), Text(encodable(text, self._console.encoding), style="bold green" if name == "best" else ""))
        done = spent_share(seen.budget, spent_of(seen, elapsed_s))
        if done is not None:
            width = max(min(self._console.width - 14, 60), 10)
            filled = round(done * width)
            full, empty = ("#", "-") if plain else ("━", "━")
            table.add_row(Text(""), Text.assemble((full * filled, "green"), (empty * (width - filled), "dim")))
        return table


# ------------------------------------------------------------------------------------------------ words


def header(announcement: RunStarted) -> list[tuple[str, str]]:
    """What a person wants to know first: where the run lies, what it does, what it may spend, what confines it."""
    opened = announcement.view
    contract, seen = opened.problem.contract, opened.progress()
    lines = [
        ("run", f"{opened.run.path}{' (resumed)' if announcement.resumed else ''}"),
        ("problem", problem_text(opened, seen)),
    ]
    if seen.seed is not None:
        lines.append(("initial", score(seen.seed.score, seen.seed.sd, seen.seed.n, contract.unit, seen.seed.far_off)))
    lines.append(("budget", budget_text(seen.budget, ends=opened.makes_no_children)))
    lines += _model_lines(announcement, seen)
    if contract.noisy:
        lines.append(("confirm", confirm_text(opened)))
    if contract.caveat:
        lines.append(("score", contract.caveat))
    lines += where_rows(opened)
    lines.append(("sandbox", "strict" if opened.tier == "strict" else NO_WALLS))
    lines.append(("end", f"Ctrl-C, or from elsewhere: evolve stop {shlex.quote(str(opened.run.path))}"))
    return lines


def _model_lines(announcement: RunStarted, seen: Progress) -> list[tuple[str, str]]:
    """Which models are asked, or why none is."""
    opened, offered = announcement.view, seen.models.offered
    if announcement.no_models:
        return [("models", f"note: {announcement.no_models}")]
    if not offered:
        return [("models", "none; with a key, from the next run on: llm=anthropic budget.usd=2 (docs/how-to/models.md)")]
    free = "" if opened.budget.bounds_models or announcement.free_models else "; nothing limits what they cost: set budget.usd"
    return [("models", f"{', '.join(offered)}, at most {counted(opened.config.llm.max_concurrency, 'call')} at a time{free}")]


def noise_text(noise: Noise) -> str:
    """The noise floor with its interval."""
    tails = "; outliers are more frequent than under normal noise" if noise.heavy_tailed else ""
    return f"sd {noise.sd:.3g} of one measurement (90 % interval {noise.low:.3g} to {noise.high:.3g}, df {noise.df}){tails}"


def resolvable_text(found: Resolution) -> str:
    """What the budget set aside can find, or that it holds no vault."""
    if found.runs is None:
        vault = f"one vault ({counted(found.least, 'measurement')}; its share for claims pays for {math.floor(found.set_aside)})"
        return f"the budget does not hold {vault}: the run ends unconfirmed"
    n, m = found.runs
    return f"a vault of {n} runs against {m} finds differences from {found.difference:.3g} up four times in five"


def shortfall_text(short: Shortfall, run: str) -> str:
    """What the budget does not hold, while somebody drives the run."""
    later = "" if short.given or not short.needs else f"; to give it that, press Ctrl-C and type: {short.command(run)}"
    return f"{short.words()}{later}"


def _best_text(seen: Progress) -> str:
    if seen.best is None:
        return "the initial program is being measured"
    text = score(seen.best.score, seen.best.sd, seen.best.n, far=seen.best.far_off)
    if seen.best_operator == BY_NOBODY:
        return f"{text}, the initial program"
    if seen.gain is None or seen.seed is None:
        doubt = f"  {seen.word}" if seen.word else ""
        return f"{text}{doubt}, by {seen.best_operator}, {seen.best.id[:10]}"
    claim = f", {seen.word}" if seen.word else ""
    if seen.word == CONFIRMED:
        return f"{text}  {CONFIRMED}, by {seen.best_operator}, {seen.best.id[:10]}"
    much = gain_beside(seen.gain, seen.seed.score, seen.gain_se, seen.gain_from, seen.seed.sd)
    return f"{text}  gain {much}{claim}, by {seen.best_operator}, {seen.best.id[:10]}"


def rows(seen: Progress, rate: float, elapsed_s: float) -> list[tuple[str, str]]:
    """The lines of the display."""
    lines = [("best", _best_text(seen))]
    if seen.unchecked is not None:
        lines.append(("", unchecked_text(seen.unchecked)))
    if seen.seed is not None:
        lines.append(("initial", score(seen.seed.score, seen.seed.sd, seen.seed.n, far=seen.seed.far_off)))
    lines.append(("tried", f"{counted(seen.candidates, 'candidate')}, {counted(seen.measurements, 'measurement')}, {rate:.3g}/s"))
    if seen.failures:
        lines.append(("failed", counts(seen.failures)))
    lines += pruned_rows(seen.pruned)
    lines += evaluator_rows(seen.evaluator)
    if seen.course:
        who, *why = seen.course.split("; ")
        lines += [("search", who), *(("", part) for part in why)]
    lines.append(("archive", archive_text(seen.spread)))
    total = sum(one.children for one in seen.shares)
    if total:
        most = sorted(seen.shares, key=lambda one: -one.children)
        made = (
            f"{one.operator} {100 * one.children / total:.0f} % ({counted(one.elites, 'elite')})" for one in most if one.children
        )
        lines.append(("children", ", ".join(made)))
    if able := sorted(((one.probability, one.operator) for one in seen.shares if one.probability), key=lambda one: -one[0]):
        lines.append(("next", ", ".join(f"{name} {percent(chance)}" for chance, name in able)))
    if models := models_text(seen.models, seen.budget):
        lines.append(("models", models))
    if seen.noise is not None:
        lines.append(("noise", noise_text(seen.noise)))
    if seen.not_deterministic:
        lines.append(("noise", seen.not_deterministic))
    if seen.openings:
        lines.append(("claims", f"{seen.claims} confirmed of {counted(seen.openings, 'vault')}"))
    words = {"seed": "measuring the initial program", "final": "final measurements", "draining": "ending"}
    phase = f"; {words[seen.phase]}" if seen.phase in words else ""
    lines.append(("left", f"{left_text(seen.budget, spent_of(seen, elapsed_s))}{phase}"))
    return lines


def plain_line(seen: Progress, rate: float) -> str:
    """One line for a log."""
    archive = f"{seen.filled}/{counted(seen.cells, 'cell')}" if seen.cells is not None else counted(seen.filled, "elite")
    parts = [
        f"{duration(seen.elapsed_s):>7}",
        f"best {_best_text(seen)}",
        *([unchecked_text(seen.unchecked)] if seen.unchecked is not None else []),
        f"{counted(seen.candidates, 'candidate')}, {counted(seen.measurements, 'measurement')}, {number(round(rate, 1))}/s",
        archive,
    ]
    if seen.failures:
        parts.append(f"failed {sum(seen.failures.values())} ({counts(seen.failures)})")
    parts += [f"{name} {text}" for name, text in evaluator_rows(seen.evaluator)]
    if models := models_text(seen.models, seen.budget):
        parts.append(models)
    if seen.noise is not None:
        parts.append(f"noise sd {seen.noise.sd:.3g}")
    if seen.not_deterministic:
        parts.append("noisy although declared deterministic")
    if seen.openings:
        parts.append(f"{seen.claims} confirmed of {counted(seen.openings, 'vault')}")
    parts.append(f"left {left_text(seen.budget, spent_of(seen, seen.elapsed_s))}")
    return " | ".join(parts)
