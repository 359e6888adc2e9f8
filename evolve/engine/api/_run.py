"""A run as Python has it: made, driven, asked, told and read through one object.  Each call opens what it needs and lets go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from evolve._errors import UsageError
from evolve.config._schema import BudgetConfig as Budget
from evolve.engine import _session
from evolve.engine.api._arguments import budget_changes, files_of, need_number, ranges_of, text_of
from evolve.engine.api._executors import executor_config
from evolve.engine.api._listener import Listener, OnProgress
from evolve.engine.api._reader import RunReader, id_of
from evolve.engine.registry._own_operators import GivenOperator as Operator
from evolve.engine.requests import _asking, _telling
from evolve.engine.requests._asking import Ticket
from evolve.engine.requests._client import DRAIN_S, send_request, stop_run
from evolve.engine.requests._telling import Told
from evolve.runs._folder import is_driven
from evolve.views._run_view import CALL, named_view
from evolve.views._spread import Spread
from evolve.views._summary import Summary
from evolve.views.candidate._candidate import Candidate
from evolve.views.candidate._result import Result, standing_of

if TYPE_CHECKING:
    from evolve.models import Provider


class Run(RunReader):
    """A run: its folder on disk, and everything that can be done with it.  Made by ``create_run`` and ``open_run``.

    Reading locks nothing, and sees a run as its journal has it now, whoever drives it.  Candidates are named by a ``Candidate``, by
    an id or its beginning, or by ``"best"`` and ``"initial"``.  Scores are in the problem's own sign and unit.

    Example:
        >>> run = evolve.create_run("circle_packing", budget=evolve.Budget(wall_s=180))
        >>> run.optimize()
        >>> print(run.best.score, run.best.files["main.py"], run.claims())
    """

    def __init__(self, path: Path, operators: Sequence[Operator] = (), provider: Provider | None = None, problem: str = "") -> None:
        """Use ``create_run`` or ``open_run``."""
        super().__init__(path, problem)
        self._operators, self._provider = tuple(operators), provider

    def __repr__(self) -> str:
        return f"<evolve.Run {str(self.path)!r}>"

    def of(self, problem: str) -> Run:
        """The same run, read for one of its problems: ``best``, ``candidate``, ``elites``, ``lineage``, ``claims`` and ``progress``
        are that one's.

        Args:
            problem: Its name.

        Raises:
            RunError: the run has no problem of that name.

        Example:
            >>> for problem in run.problems:
            ...     print(problem.contract.name, run.of(problem.contract.name).best.score)
        """
        named_view(self._views(), text_of("a problem", problem), how=CALL)
        return Run(self.path, self._operators, self._provider, problem)

    # ---------------------------------------------------------------------------------------------- driving

    def optimize(self, on_progress: OnProgress | None = None, *, every_s: float = 1.0, executor: object = None) -> Summary:
        """Search until the budget, a stop condition, ``stop`` or Ctrl-C ends it; goes on with a run that was driven before.

        Ctrl-C lets the measurements in hand end, a second one stops at once; nothing is lost either way.

        Args:
            on_progress: Called with a ``Progress`` on each new best and every ``every_s`` seconds, in this thread, between two
                steps of the search: it may not ask or tell.  What it raises ends the call; the run can be gone on with.  Of
                several problems it is called for each (``Progress.problem``), or where the run was read with ``of`` for that one.
            every_s: Seconds.
            executor: Where it goes on, this time: ``"local"``, ``"ray"``, ``evolve.RayExecutor(...)`` or the name of a package's;
                by default where it was made to run.

        Raises:
            UsageError: an operator that was given as an object is missing, or breaks its contract.
            RunLocked: somebody drives it already.
            ProblemError: the run's copy of the problem was changed.
            EnvironmentFault: no sandbox, a missing package, a full disk.

        Example:
            >>> run.optimize(on_progress=lambda progress: print(progress.best))
        """
        return self._drive({}, on_progress, every_s, executor)

    def resume(self, budget: Budget, on_progress: OnProgress | None = None, *, every_s: float = 1.0) -> Summary:
        """Change limits and go on.  Where somebody drives the run, that driver gets the limits, and this returns at once.

        Args:
            budget: The limits that change; the others stay.
            on_progress, every_s: As ``optimize`` has them.

        Raises:
            UsageError: no budget, or a limit that changes and that is spent already, which changes nothing; and what ``optimize``
                raises.

        Example:
            >>> run.resume(evolve.Budget(wall_s=600))
        """
        changes = budget_changes(budget)
        if not changes:
            raise UsageError(
                "expected a limit that changes, as evolve.Budget(wall_s=600), found none; to go on as it is: optimize()"
            )
        if is_driven(self._run):
            send_request(self._run, "budget", changes)
            return self.summary()
        return self._drive(changes, on_progress, every_s)

    def stop(self, wait_s: float = DRAIN_S) -> str:
        """Let a run that is being driven, here in another thread or elsewhere, end in good order.

        Args:
            wait_s: How long to wait for its end, in seconds.

        Returns:
            ``stopped``, ``stopped by itself``, ``not running``, or ``draining`` where the wait was over first.

        Example:
            >>> threading.Timer(60, run.stop).start(); run.optimize()
        """
        need_number("wait_s", wait_s)
        return stop_run(self._run, wait_s)

    # ---------------------------------------------------------------------------------------------- making children

    def ask(self, parent: Candidate | str = "", *, expires_s: float | None = None) -> Ticket:
        """A ticket: a program to change, with all that is known of it.  Works whether or not somebody drives the run.

        Args:
            parent: The program to change; by default the search chooses.
            expires_s: Seconds until the ticket expires (an hour); a child that is told later takes part all the same.

        Raises:
            UsageError: the budget leaves no room for a child, or too many tickets are out.
            RunError: no such parent.
            RunLocked: a driver does not answer.

        Example:
            >>> ticket = run.ask(); print(ticket.files["main.py"], ticket.rules)
        """
        self._need_problem()
        return _asking.ask(str(self.path), expires_s=expires_s, parent=id_of(parent), problem=self._problem)

    def tell(
        self,
        ticket: Ticket | int,
        files: Mapping[str, str],
        *,
        summary: str = "",
        hypothesis: str = "",
        expected: str = "",
        plan: str = "",
    ) -> Told:
        """Hand in a child for a ticket, through the gates that every child passes.  It is measured by whoever drives the run, or by
        ``wait``.

        Args:
            ticket: From ``ask``.
            files: The changed files, whole, by relative path; the others stay the parent's.
            summary, hypothesis, expected, plan: What was done, why it should help, by how much, and how; kept with the child.

        Returns:
            Whether it was ``accepted``, is a ``duplicate`` or ``invalid``, with the reason; the ticket stays open after a refusal.

        Raises:
            UsageError: no such ticket, or files that are none.
            RunLocked: a driver does not answer.

        Example:
            >>> child = run.tell(ticket, {"main.py": text}, hypothesis="fewer branches")
        """
        number = ticket.number if isinstance(ticket, Ticket) else ticket
        statement = {"summary": summary, "hypothesis": hypothesis, "expected": expected, "plan": plan}
        said = {name: text_of(name, text) for name, text in statement.items()}
        return _telling.tell(str(self.path), number, files_of(files), said)

    def wait(self, child: Told | Candidate | str, within_s: float = _telling.WAIT_S) -> Result:
        """The score of a child, once it is known.  Where nobody drives the run, a process of its own measures what is ready.

        Args:
            child: What ``tell`` gave, or a candidate.
            within_s: Seconds; measuring goes on when they are over.

        Returns:
            Its status, score, gain over the initial program and over its parent, and the evaluator's feedback; ``not measured``
            with the reason where the wait was over first, or where nobody will measure it.

        Raises:
            UsageError: the child was not accepted.
            RunError: no such candidate.
            EnvironmentFault: nothing can be measured on this machine.

        Example:
            >>> print(run.wait(child).score)
        """
        need_number("within_s", within_s)
        if isinstance(child, Told) and child.candidate is None:
            raise UsageError(f"there is nothing to wait for, as the child was not taken: {child.reason}")
        problem = child.problem if isinstance(child, Told) else self._problem
        view = named_view(self._views(), problem, id_of(child), CALL)
        one, problem = view.id_of(view.candidate(id_of(child))), view.problem.contract.name
        view, before = _telling.wait_measured(str(self.path), one, within_s, problem=problem)
        return standing_of(view, one, before)[1]

    def note(self, text: str, author: str = "") -> None:
        """Keep a remark with the run: the next tickets show it.

        Args:
            text: 1 to 4000 characters.
            author: At most 100.

        Raises:
            UsageError: longer ones, or nothing.

        Example:
            >>> run.note("rings waste the corners", author="ann")
        """
        _asking.note(str(self.path), text_of("a note", text), text_of("author", author))

    def retract(self, candidate: Candidate | str, why: str) -> tuple[str, ...]:
        """Take a candidate out that was found to cheat; the next best takes its place, and claims for it stay visible as withdrawn.

        Args:
            candidate: Which.
            why: The reason, kept with the run.

        Returns:
            The ids of its descendants, which are measured again.

        Raises:
            UsageError: the initial program, one that is retracted already or failed by itself, or no reason.
            RunError: no such candidate.

        Example:
            >>> run.retract(run.best, why="it reads the answer from a cache")
        """
        view = self._view(id_of(candidate))
        number, population = view.candidate(id_of(candidate)), view.state.population
        heirs = tuple(population.candidates[heir].id for heir in population.descendants(number))
        about = {"candidate": population.candidates[number].id, "problem": view.problem.contract.name}
        send_request(self._run, "retract", {**about, "why": text_of("why", why)})
        return heirs

    def rebin(self, axes: Mapping[str, Sequence[float]]) -> Spread:
        """Give descriptors other ranges by hand: every candidate is placed anew, and ``search.rebin_share`` leaves these ranges
        alone from then on.  Works whether or not somebody drives the run.

        Args:
            axes: By the descriptor's name its low end, its high end and, where it changes, its number of bins.

        Returns:
            How the elites spread over the cells that there are now.

        Raises:
            UsageError: no such descriptor, a range that is none, or an archive without cells.
            RunLocked: a driver does not answer.

        Example:
            >>> print(run.rebin({"length": (0, 200, 20)}).filled)
        """
        self._need_problem()
        about = {"problem": self._problem} if self._problem else {}
        send_request(self._run, "rebin", {"axes": ranges_of(axes), **about})
        return self._view().progress().spread

    # ---------------------------------------------------------------------------------------------- inside

    def _drive(
        self, changes: Mapping[str, object], on_progress: OnProgress | None, every_s: float, executor: object = None
    ) -> Summary:
        need_number("every_s", every_s)
        listener = Listener(on_progress, every_s, self._problem) if on_progress is not None else None
        return _session.resume(
            self.path,
            changes,
            executor=None if executor is None else asdict(executor_config(executor, None)),
            operators=self._operators,
            provider=self._provider,
            hooks=[listener.record] if listener is not None else [],
            announce=listener.on_started if listener is not None else None,
        )
