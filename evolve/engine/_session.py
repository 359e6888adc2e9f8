"""One opening of a run: lock, replay, drive, close.  ``start`` makes a run and opens it; ``resume`` opens an existing one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from shlex import quote
from typing import TYPE_CHECKING

from archive import (
    Journal,
    ProblemInfo,
    RunClosed,
    RunCreated,
    TextStore,
)
from evolve._errors import UsageError
from evolve._version import __version__
from evolve.config._json import config_from_json, config_to_json
from evolve.config._problems import load_problems
from evolve.config._schema import RunConfig
from evolve.engine._checkpoints import Checkpoints
from evolve.engine._collector import infrequent_gc
from evolve.engine._loop import Mailbox, Stopped, drain_model_calls, run_loop
from evolve.engine._notebook import NotebookWriter
from evolve.engine._opening import write_initial, write_opening, write_supplied
from evolve.engine._proposer import Proposers
from evolve.engine._proposing import proposers_of
from evolve.engine._reach import KINDS, out_of_reach
from evolve.engine._signals import Signals
from evolve.engine.models._dispatcher import ModelDispatcher
from evolve.engine.models._stack import NO_MODELS, AvailableModels, available_models, check_models, copy_texts
from evolve.engine.models._thread import ModelThread
from evolve.engine.registry._guarded_executor import ExecutorBroken
from evolve.engine.registry._own_operators import GivenOperator, absent_operators
from evolve.engine.registry._registry import (
    build_executor,
    check_names,
    for_problems,
    need_executor,
    need_machine,
    need_named,
    need_place,
    operators_of,
    parts_of,
    plugins_of,
)
from evolve.engine.requests._handlers import INTERRUPTED
from evolve.engine.requests._limits import need_room
from evolve.execute import Executor, ExecutorLost
from evolve.problem._importable import check_importable
from evolve.problem._load import copy_problem
from evolve.problem.contract._contract import Problem
from evolve.propose import Operator
from evolve.runs import _folder
from evolve.runs._inbox import InboxWatcher, Request, withdraw
from evolve.runs._open import open_search, read_config_and_problems, read_created
from evolve.runs._recorded_problem import keep, places, ready_problem
from evolve.runs._recorder import Hook, Recorder
from evolve.runs._replay import missing_placements
from evolve.search._hardware import measured_on
from evolve.search._limits import budget_of
from evolve.search._rng import fresh_secret
from evolve.search._search import Search
from evolve.search._stopping import PAUSED
from evolve.search.policy._policies import POLICIES
from evolve.search.state._state import Phase
from evolve.views._run_view import RUNNING, RunView
from evolve.views._suite import summarise_all
from evolve.views._summary import Summary
from evolve.views._verdict import verdict, with_advice

if TYPE_CHECKING:
    from evolve.models import Provider


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run that is open, before its first result."""

    view: RunView
    resumed: bool
    no_models: str = ""  # why no model is asked although some are configured
    free_models: bool = False  # whether those that are asked cost nothing
    more: tuple[RunView, ...] = ()  # those of a run's other problems


def start(
    config: RunConfig,
    *,
    operators: Sequence[GivenOperator] = (),
    programs: Sequence[Mapping[str, str]] = (),
    hooks: Sequence[Hook] = (),
    announce: Callable[[RunStarted], None] | None = None,
    secret: str | None = None,
) -> Summary:
    """Make a run and drive it to its end.

    Args:
        config: Everything the run is made from.
        operators: The objects behind those operators of ``config`` that are not the engine's.
        programs: Files of programs that take part besides those that operators make.
        hooks: Called after each record, in the main thread.
        announce: Called once, before anything is measured.
        secret: What measurement seeds derive from, hexadecimal; drawn from the system where none is given.

    Raises:
        UsageError: the problem or the folder cannot be used as asked, or there is nothing of a name in the configuration.
        EnvironmentFault: no sandbox, a missing package, a full disk.
    """
    with _made(config, operators, given=bool(programs), secret=secret) as run:
        return _drive(run, {}, hooks, announce, programs=programs, operators=operators, resumed=False)


def create(config: RunConfig, *, operators: Sequence[GivenOperator] = (), provider: Provider | None = None) -> _folder.RunDir:
    """Make a run and let go of it: its initial program is there, and nothing is measured.  Arguments and errors are ``start``'s;
    ``provider`` answers for its models where they were given as an object."""
    with _made(config, operators, provider=provider) as run, _folder.RunLock(run), Journal.open(run.path) as journal:
        config, problems = read_config_and_problems(run)
        search, texts, _ = open_search(run, config, problems, parts_of(config), journal)
        recorder = Recorder(journal, search, texts, time.time)
        write_initial(recorder, proposers_of(run, config, problems, search, texts), run.id)
    return run


@contextmanager
def _made(
    config: RunConfig,
    operators: Sequence[GivenOperator],
    *,
    given: bool = False,
    secret: str | None = None,
    provider: Provider | None = None,
) -> Iterator[_folder.RunDir]:
    """A run with its first record; ``given`` where programs take part that no operator makes."""
    check_names(config)
    config = replace(config, plugins=plugins_of(config))
    check_models(config.llm, provider)
    made = operators_of(config.search, operators)
    problems = load_problems(config.problem)
    for problem in problems:
        check_importable(problem)
        parts_of(config).archive(problem.contract, config.search)
        if config.llm.provider == "none" and not given and not operators:
            _need_reach(problem, config, made)
    _need_limit(config, problems)
    need_place(config, *problems)
    need_machine(config, *problems)
    config = for_problems(config, [problem.contract for problem in problems])
    need_executor(config, problems)
    with _folder.create(config.out, problems[0].contract.name if len(problems) == 1 else "suite") as run:
        with _folder.RunLock(run, _folder.Hold.OPENING):
            infos = tuple(_kept(problem, run, alone=len(problems) == 1) for problem in problems)
            copy_texts(config.llm, run)
            config_text, key = config_to_json(config), fresh_secret() if secret is None else secret
            with Journal.create(run.path) as journal:
                created = RunCreated(run.id, config.seed, config_text, infos, engine=__version__, secret=key)
                journal.append(created, at=time.time())
        yield run


def _kept(problem: Problem, run: _folder.RunDir, *, alone: bool) -> ProblemInfo:
    """Copy a problem into a run: by its name where there are several."""
    place = run if alone else replace(run, part=problem.contract.name)
    return keep(copy_problem(problem, place.problem), place)


def _need_limit(config: RunConfig, problems: Sequence[Problem]) -> None:
    """Find out that a run of several problems has a limit where any of them has one of its own: those may be of different kinds.
    Where none has any it goes on until it is stopped, as a run of one does."""
    limits = budget_of(config, *problems)
    bounded = [one.contract.budget.bounds_machine for one in problems]
    if len(problems) < 2 or limits.bounds_machine or limits.bounds_models or not any(bounded):
        return
    free = next((one.contract.name for one, has in zip(problems, bounded, strict=True) if not has), "")
    why = f"{free} has none of its own, while others have" if free else "their own limits are of different kinds"
    raise UsageError(f"expected a limit for all problems together, found none, as {why}; type for example budget.wall_s=600")


def _need_reach(problem: Problem, config: RunConfig, operators: Mapping[str, Operator]) -> None:
    policy = POLICIES[config.search.policy]
    used = [one for one in operators.values() if one.spec.edits or not policy.edits_only]
    if policy.fixed_candidates or not (reason := out_of_reach(problem, used)):
        return
    raise UsageError(
        f"expected an operator that can change the initial program of {problem.contract.name}, found none ({reason}); without a "
        f"model {KINDS} can be changed; "
        "add a model (llm=anthropic), or let an agent or a person make the children (search=fixed_candidates, then evolve ask RUN)."
    )


def resume(
    path: Path,
    budget: Mapping[str, object] | None = None,
    *,
    executor: Mapping[str, object] | None = None,
    operators: Sequence[GivenOperator] = (),
    provider: Provider | None = None,
    as_recorded: bool = False,
    hooks: Sequence[Hook] = (),
    announce: Callable[[RunStarted], None] | None = None,
) -> Summary:
    """Go on with a run, whatever ended it, with other limits if ``budget`` names some.

    ``executor`` says where it goes on, this time: what of its executor's configuration is another.  ``operators`` are the objects
    behind its operators that are not the engine's, ``provider`` that behind its models.  ``as_recorded`` puts back what was changed
    in the run's copy of the problem.

    Raises:
        UsageError: one of its operators is missing, or more than a limit that changes is spent: then nothing is written.
        ProblemError: a file that counts was changed there: no result may stand beside those of another evaluator.
        EnvironmentFault: no sandbox, a missing package, a full disk.
        RunError: ``path`` holds no run.
        RunLocked: it is being driven.
        JournalError: the journal is damaged; the message says where and what to do.
    """
    run = _folder.open_folder(path)
    return _drive(
        run,
        budget or {},
        hooks,
        announce,
        executor=executor,
        operators=operators,
        provider=provider,
        resumed=True,
        as_recorded=as_recorded,
    )


def measure_ready(path: Path) -> Summary:
    """Measure what is ready, and no more: no child is made, no model is asked, nothing is concluded.

    Raises: as ``resume``.
    """
    return _drive(_folder.open_folder(path), {}, (), None, resumed=True, pausing=True)


def _drive(
    run: _folder.RunDir,
    budget: Mapping[str, object],
    hooks: Sequence[Hook],
    announce: Callable[[RunStarted], None] | None,
    *,
    programs: Sequence[Mapping[str, str]] = (),
    executor: Mapping[str, object] | None = None,
    operators: Sequence[GivenOperator] = (),
    provider: Provider | None = None,
    resumed: bool,
    pausing: bool = False,
    as_recorded: bool = False,
) -> Summary:
    with ExitStack() as stack:
        lock = stack.enter_context(_folder.RunLock(run, _folder.Hold.OPENING))
        stack.enter_context(infrequent_gc())
        created = read_created(run)
        config = config_from_json(created.config)
        config = replace(config, executor=config.executor.moved(executor or {}))
        problems = [ready_problem(place, info, as_recorded=as_recorded) for place, info in places(run, created)]
        if resumed:
            need_named(config)
        given = [*operators, *absent_operators(config.search, operators)] if pausing else operators
        made = operators_of(config.search, given, str(run.path))
        if resumed:
            need_place(config, *problems)
            need_machine(config, *problems)
        mailbox: Mailbox = SimpleQueue()
        journal = stack.enter_context(Journal.open(run.path, on_error=mailbox.put))
        search, texts, shown = open_search(run, config, problems, parts_of(config), journal)
        if budget:  # before any record is written
            need_room(search.states, budget, search.run.usage.last_at, str(run.path))
        running = build_executor(config, problems, mailbox.put, measured_on(search.states))
        stack.callback(_abandon, running)
        checkpoints = Checkpoints(run, search, texts, journal)
        views_of = partial(_views_of, run, config, problems, search, texts)
        notebook = NotebookWriter(run, views_of, RUNNING)
        recorder = Recorder(journal, search, texts, time.time, [*hooks, checkpoints, notebook])
        proposers = proposers_of(run, config, problems, search, texts, made)
        models = NO_MODELS if pausing else available_models(config.llm, run, provider)
        epoch = write_opening(recorder, proposers, config, budget, journal.cut_bytes, models, running)
        write_supplied(recorder, proposers[search.state.problem], epoch, programs)
        if journal.written is not None:
            journal.wait_durable(journal.written.seq)
        lock.say(_folder.Hold.OPEN)
        for placed in missing_placements(search, shown):
            recorder.write(placed)
        if announce is not None:
            views = views_of(RUNNING, "")
            announce(RunStarted(views[0], resumed, models.why, models.free, views[1:]))
        dispatcher = _open_dispatcher(models, search, proposers, recorder, mailbox)
        if dispatcher is not None:
            stack.callback(dispatcher.abort)
        watcher = InboxWatcher(run.path, mailbox.put)
        stack.callback(watcher.close)
        stack.enter_context(Signals(mailbox))
        answered = partial(_answered, run.path)
        status, why, broken = _run(search, running, proposers, recorder, mailbox, answered, dispatcher, measure_only=pausing)
        if dispatcher is not None:
            dispatcher.close(_lying_in(mailbox))
        recorder.write(RunClosed(epoch, status, why))
        checkpoints.save()
        why = with_advice(search.state, status, why, str(run.path))
        notebook.write(status, why)
        if broken is not None:
            raise type(broken)(
                f"{broken}; nothing is lost, and the run goes on with: evolve resume {quote(str(run.path))}"
            ) from broken
        return summarise_all(run, problems, search.states, status, why, time.time())


def _run(
    search: Search,
    executor: Executor,
    proposers: Proposers,
    recorder: Recorder,
    mailbox: Mailbox,
    answered: Callable[[Request], None],
    dispatcher: ModelDispatcher | None,
    *,
    measure_only: bool,
) -> tuple[str, str, ExecutorBroken | ExecutorLost | None]:
    """Drive the search and close its executor: the run's status, why, and what somebody else's executor did that ended it or that
    stands beside its end."""
    broken: ExecutorBroken | ExecutorLost | None = None
    try:
        why = run_loop(search, executor, proposers, recorder, mailbox, answered, dispatcher=dispatcher, measure_only=measure_only)
        if dispatcher is not None:
            drain_model_calls(search, proposers, recorder, mailbox, answered, dispatcher)
    except Stopped:
        why = INTERRUPTED
    except (ExecutorBroken, ExecutorLost) as error:
        _abandon(executor)
        return "failed", str(error), error
    try:
        executor.close(drain=False)
    except ExecutorBroken as error:
        broken = error
    return *_ended(search, why), broken


def _views_of(
    run: _folder.RunDir, config: RunConfig, problems: Sequence[Problem], search: Search, texts: TextStore, status: str, reason: str
) -> tuple[RunView, ...]:
    """The run as it stands, for each of its problems."""
    pairs = zip(problems, search.states, strict=True)
    return tuple(RunView(run, config, one, state, texts, status, reason, time.time()) for one, state in pairs)


def _ended(search: Search, why: str) -> tuple[str, str]:
    phase = search.run.end.phase
    if phase is Phase.FAILED:
        return "failed", why
    if why == PAUSED:
        return "stopped", why
    return (why, why) if phase is Phase.STOPPING else verdict(search.state, why)


def _abandon(executor: Executor) -> None:
    """Close an executor where something else is being said already."""
    with suppress(ExecutorBroken):
        executor.close(drain=False)


def _answered(run: Path, request: Request) -> None:
    withdraw(run, request)


def _open_dispatcher(
    models: AvailableModels, search: Search, proposers: Proposers, recorder: Recorder, mailbox: Mailbox
) -> ModelDispatcher | None:
    """Has models asked, if any can be."""
    if models.open is None:
        return None
    thread = ModelThread(models.open, search.run.model_limits.ledger.copy(), mailbox.put)
    return ModelDispatcher(thread, search, proposers, recorder)


def _lying_in(mailbox: Mailbox) -> Iterator[object]:
    while not mailbox.empty():
        yield mailbox.get()
