"""What a run says when it is read: its problems, programs, claims, and what it came to."""

from __future__ import annotations

from pathlib import Path

from archive import Table
from evolve.engine.api._arguments import text_of
from evolve.engine.api._seen import Seen
from evolve.engine.requests._telling import Told
from evolve.problem.contract._contract import Problem
from evolve.runs._folder import open_folder
from evolve.runs._open import read_created
from evolve.views._learnt import Learnt
from evolve.views._progress import Progress
from evolve.views._run_view import CALL, RunView, named_view, problem_meant, spokesman
from evolve.views._suite import summary_of
from evolve.views._summary import Summary
from evolve.views.candidate import _candidate
from evolve.views.candidate._candidate import Candidate
from evolve.views.candidate._lineage import LineageStep, lineage
from evolve.views.claims import _claims
from evolve.views.claims._claims import Claims


class RunReader:
    """A run as its journal has it now, whoever drives it; ``problem`` is the name of that which is meant of several, or ""."""

    def __init__(self, path: Path, problem: str) -> None:
        self._run = open_folder(path)
        self._views, self._problem = Seen(self._run), problem

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self._run.path

    @property
    def problem(self) -> Problem:
        """The problem, as the run has it."""
        return self._view().problem

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All its problems: one, but of a run that was made of several."""
        return tuple(view.problem for view in self._views())

    @property
    def status(self) -> str:
        """How it stands: ``created``, ``starting``, ``running``, or how its last driver let go of it: ``done``, ``stopped``, ..."""
        return (self._view() if self._problem else spokesman(self._views())).status

    @property
    def best(self) -> Candidate:
        """The program the run stands by: what was confirmed last, else the best so far (``verdict`` says which).

        Raises:
            RunError: nothing is measured yet.
        """
        view = self._view()
        return _candidate.candidate(view, view.leader())

    @property
    def initial(self) -> Candidate:
        """The program that the search started from."""
        return self.candidate("initial")

    def candidate(self, id: Candidate | str) -> Candidate:
        """One candidate.

        Raises:
            RunError: no such candidate, or several whose id begins so.

        Example:
            >>> run.candidate("3f2a").files
        """
        view = self._view(id_of(id))
        return _candidate.candidate(view, view.candidate(id_of(id)))

    def elites(self) -> tuple[Candidate, ...]:
        """The candidates that hold a place in the archive, the best first."""
        return _candidate.elites(self._view())

    def lineage(self, id: Candidate | str = "best", *, all_parents: bool = False) -> tuple[LineageStep, ...]:
        """How a candidate came about: its ancestors, oldest first, and itself; along first parents.

        Args:
            id: The candidate.
            all_parents: Along all parents.

        Raises:
            RunError: no such candidate.

        Example:
            >>> for step in run.lineage(run.best):
            ...     print(step.generation, step.operator, step.score, f"+{step.added} -{step.removed}")
        """
        view = self._view(id_of(id))
        return lineage(view, view.candidate(id_of(id)), all_parents=all_parents)

    def claims(self) -> Claims:
        """What the run claims, with the evidence; of a deterministic problem the best program is verified again (which may take as
        long as the problem's ``verify.py`` does)."""
        return _claims.claims(self._view())

    @property
    def progress(self) -> Progress:
        """How the search stands: best, initial program, counts, noise, what is spent."""
        return self._view().progress()

    def learnt(self) -> Learnt:
        """What the run has learnt: of each way of choosing parents, each operator and each model what it made, how often that was
        better, what it cost and how likely it is to make the next one; how far the population spreads, and why the search
        explores or exploits now.

        Example:
            >>> for one in run.learnt().operators:
            ...     print(one.name, one.children, one.new_bests, one.gain, one.wall_s, one.probability)
        """
        return self._view().learnt()

    def summary(self) -> Summary:
        """What the run came to so far; what ``optimize`` returns."""
        return summary_of(self._views())

    def query(self, sql: str, *, limit: int | None = None, seconds: float | None = None) -> Table:
        """What one SELECT gives over everything that was tried.

        Args:
            sql: Over the tables runs, problems, candidates, measurements, elites, claims, tickets, llm_calls, events.
            limit: Most rows; None: all.
            seconds: After which it is given up; None: never.

        Raises:
            QueryError: no single SELECT, one that DuckDB refuses or that takes too long, or duckdb is not installed.

        Example:
            >>> run.query("SELECT operator, count(*), avg(gain) FROM candidates GROUP BY 1").rows
        """
        from archive import open_query

        with open_query([self.path]) as tables:
            return tables.sql(text_of("sql", sql), limit, seconds=seconds)

    def _view(self, candidate: str = "") -> RunView:
        return named_view(self._views(), self._problem, candidate, CALL)

    def _need_problem(self) -> None:
        """Find out whether it is said which problem is meant, by the run's first record alone.

        Raises:
            RunError: the run has several, and it is not.
        """
        names = [info.name for info in read_created(self._run).problems]
        problem_meant(names, self._problem, str(self.path), CALL)


def id_of(one: Candidate | Told | str) -> str:
    if isinstance(one, Told):
        return one.candidate or ""
    return one.id if isinstance(one, Candidate) else text_of("a candidate", one)
