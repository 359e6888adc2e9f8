"""The sandbox of one trial: calls, commands, what they cost, and what their ends mean."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import SystemRandom

import numpy as np

from archive import StartMode, Status
from evolve._counted import counted
from evolve.evaluate._entry import is_relative
from evolve.evaluate._readers import Frame, Unreadable, frame_limit, read_files, read_frame, read_values, reply_limit
from evolve.evaluate._text import clean_log, clean_text
from evolve.evaluate._trial import ProcessUsage, Reply, Timing
from evolve.evaluate._umask import plain_umask
from evolve.evaluate.isolation._gpu import Gpu
from evolve.evaluate.isolation._limits import Limits, limits_of
from evolve.evaluate.sandbox._command import CommandMonitor
from evolve.evaluate.sandbox._monitor import ProcessMonitor, ProcessResult
from evolve.evaluate.sandbox._request import Request, Returns, pack_call
from evolve.evaluate.sandbox._timed import N_EMPTY, Conversation, Exchange, TimedMonitor, Turns
from evolve.evaluate.sandbox.starts._start import Launch, RunningTree, Starts
from evolve.problem.contract._contract import Stage


class TrialSandbox:
    """Implements ``evolve.evaluate.Sandbox`` for one candidate at one stage.  A context manager; used from one thread.

    Attributes:
        usage: sum of the budgeted calls so far: wall, CPU of the candidate's process trees, greatest memory.
        scorer_usage: the same for calls with ``budgeted=False``.
        start: how candidates were actually started; COLD if any was.
        output_hash: hash of the bytes of the last reply that brought values or files; empty before.
    """

    def __init__(
        self,
        factory: Starts,
        files: Mapping[str, str],
        stage: Stage,
        start: StartMode,
        cpu_limit_s: float | None,
        gpus: tuple[Gpu, ...] = (),
    ) -> None:
        self.usage = ProcessUsage()
        self.scorer_usage = ProcessUsage()
        self.output_hash = ""
        self._factory = factory
        self._files = files
        self._stage = stage
        self._wanted = start
        self._cpu_limit_s = cpu_limit_s
        self._gpus = gpus
        self._starts: list[StartMode] = []
        self._defect = _defect(files)

    @property
    def start(self) -> StartMode:
        """COLD if any process was started cold (or none was started), else what was asked for."""
        return self._wanted if self._starts and StartMode.COLD not in self._starts else StartMode.COLD

    def call(
        self,
        entry: str,
        args: Mapping[str, object],
        returns: Returns,
        *,
        inputs: Mapping[str, bytes | Path] | None = None,
        budgeted: bool = True,
    ) -> Reply:
        """Call one function once; see ``evolve.evaluate.Sandbox``."""
        return self.call_many(entry, (args,), (returns,), inputs=inputs, budgeted=budgeted)

    def call_many(
        self,
        entry: str,
        calls: Sequence[Mapping[str, object]],
        returns: Sequence[Returns],
        *,
        inputs: Mapping[str, bytes | Path] | None = None,
        budgeted: bool = True,
    ) -> Reply:
        """Call one function several times in one process; see ``evolve.evaluate.Sandbox``."""
        if len(calls) != len(returns):
            raise ValueError(f"{len(calls)} calls but {len(returns)} declarations of what they return; give one for each")
        specs = list(returns)
        request = {"entry": entry, "calls": calls, "returns": specs}

        def read(frame: Frame) -> Reply:
            return Reply(status=Status.OK, values=read_values(frame, specs))

        n_items = sum(len(names) + 1 for names in specs)
        return self._do(request, self._wanted, inputs or {}, budgeted, n_items, reply_limit(specs), read)

    def time_calls(
        self,
        entry: str,
        calls: Sequence[Mapping[str, object]],
        returns: Sequence[Returns],
        *,
        warm_up: int = 3,
        inputs: Mapping[str, bytes | Path] | None = None,
    ) -> Reply:
        """Call one function several times in one process, timing each call; see ``evolve.evaluate.Sandbox``."""
        if len(calls) != len(returns):
            raise ValueError(f"{len(calls)} calls but {len(returns)} declarations of what they return; give one for each")
        if not 0 <= warm_up < len(calls):
            raise ValueError(f"{len(calls)} calls and a warm-up of {warm_up}: at least one call must be left to be timed")
        messages = [pack_call(call) for call in calls]
        if len(set(messages)) < len(messages):
            raise ValueError("two of the calls to be timed are equal; an answer could be remembered, so draw distinct inputs")
        order = [*range(warm_up), *SystemRandom().sample(range(warm_up, len(calls)), len(calls) - warm_up)]
        specs = [returns[i] for i in order]
        turns = Turns([messages[i] for i in order], [reply_limit([one]) for one in specs])
        arrays = any(isinstance(value, np.ndarray) for call in calls for value in call.values())
        request = {"entry": entry, "returns": specs, "turns": N_EMPTY, "arrays": arrays}

        def read(watched: ProcessResult) -> Reply:
            return _timed(watched, turns, order, specs, warm_up)

        return self._do(request, self._wanted, inputs or {}, True, 1, 0, read, turns)

    def converse(
        self,
        entry: str,
        ask: Callable[[Mapping[str, object] | None, float], Mapping[str, object] | None],
        returns: Returns,
        *,
        arrays: bool = True,
        most_calls: int = 10_000,
        inputs: Mapping[str, bytes | Path] | None = None,
    ) -> Reply:
        """Call one function again and again, each call made up from the answer before; see ``evolve.evaluate.Sandbox``."""
        said = Conversation(ask, returns, most_calls)
        request = {"entry": entry, "returns": [returns] * most_calls, "turns": N_EMPTY, "arrays": arrays}

        def read(watched: ProcessResult) -> Reply:
            if said.next is not None:
                return Reply(status=Status.INVALID, reason=f"it ended after {counted(len(said.seconds), 'call')}")
            timing = Timing(seconds=tuple(said.seconds), overhead_s=min(said.empty_s), load_s=said.load_s, cpu_s=tuple(said.cpu_s))
            return Reply(status=Status.OK, values=(said.last,), timing=timing, output_hash=_hash(said.last_frame))

        return self._do(request, self._wanted, inputs or {}, True, 1, 0, read, said)

    def run(
        self,
        argv: Sequence[str],
        *,
        inputs: Mapping[str, bytes | Path] | None = None,
        outputs: Mapping[str, int] | None = None,
        env: Mapping[str, str] | None = None,
        budgeted: bool = True,
        watch: Callable[[str], bool] | None = None,
    ) -> Reply:
        """Run a command, never warm; see ``evolve.evaluate.Sandbox``."""
        wanted = dict(outputs or {})
        if bad := [path for path in wanted if not is_relative(path)]:
            raise ValueError(f"an output is a relative path below /output, not {bad[0]!r}")
        prompt = {} if watch is None else {"PYTHONUNBUFFERED": "1"}  # else its lines come when a buffer is full
        request = {"argv": list(argv), "env": prompt | dict(env or {}), "outputs": wanted}

        def read(frame: Frame) -> Reply:
            code = frame.header.get("exit")
            if type(code) is not int:
                raise Unreadable("reply of another form")
            files, lacking = read_files(frame, wanted)
            if code != 0:
                reason = "; ".join(part for part in (_exit_text(code), lacking) if part)
                return Reply(status=Status.CRASH, reason=reason, files=files, exit_code=code)
            status = Status.INVALID if lacking else Status.OK
            return Reply(status=status, reason=lacking, files=files, exit_code=0)

        n_items = len(wanted) + 1
        start = StartMode.SPARE if self._wanted is StartMode.SPARE else StartMode.COLD
        most = frame_limit(sum(wanted.values()), n_items)
        return self._do(request, start, inputs or {}, budgeted, n_items, most, read, watch=watch)

    @plain_umask()
    def close(self) -> None:
        """No process of this trial is left after any call; this gives the factory back."""
        self._factory.trial_closed(self._files, self._stage, self._wanted, self._gpus)

    def __enter__(self) -> TrialSandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------------------------

    @plain_umask()
    def _do(  # type: ignore[no-untyped-def]
        self, what, wanted, inputs, budgeted, n_items, max_reply, read, turns: Exchange | None = None, watch=None
    ) -> Reply:
        if bad := [name for name in inputs if not is_relative(name)]:
            raise ValueError(f"an input is a relative path below /input, not {bad[0]!r}")
        if self._defect:
            return Reply(status=Status.INVALID, reason=self._defect)
        limits, cpu_status = self._left(budgeted)
        if limits.wall_s <= 0 or (limits.cpu_s is not None and limits.cpu_s <= 0):
            return Reply(
                status=cpu_status if limits.wall_s > 0 else Status.TIMEOUT, reason="the stage's time was used up by earlier calls"
            )
        factory = self._factory
        started, folder = self._start(what, limits, wanted, inputs)
        try:
            if turns is not None:
                watched = TimedMonitor(started, limits, turns).run()
            elif started.request_w >= 0:
                watched = CommandMonitor(started, limits, max_reply, watch).run()
            else:
                ends = (started.running, started.meter, started.reply_fd, started.log_fd)
                watched = ProcessMonitor(*ends, limits, max_reply, watch).run()
        finally:
            factory.give_back(folder)
            if started.folder is not None:
                factory.give_back(started.folder)
        self._starts.append(started.start)
        self._spend(watched.usage, budgeted)
        said = _said if turns is None else _said_in_turns
        reply = _verdict(watched, limits, cpu_status, n_items, read, said, is_command="argv" in what)
        if reply.output_hash:
            self.output_hash = reply.output_hash
        return reply

    def _start(self, what, limits: Limits, wanted: StartMode, inputs) -> tuple[RunningTree, Path]:  # type: ignore[no-untyped-def]
        factory = self._factory
        tier = factory.isolation
        folder = factory.folders.acquire()
        places = tier.places(folder)
        if "argv" in what:
            argv = what["argv"]
            words = [places.inner(word) for word in argv[1:]]
            env = {name: places.inner(value) for name, value in what["env"].items()}
            argv = tier.python(words) if argv[0] == "python" else [places.inner(argv[0]), *words]
            what = what | {"argv": argv, "env": tier.environment(limits, places, self._gpus) | env}
        rlimits = limits.rlimits(whole_tree_bounded=factory.spawner.cgroup is not None)
        if tier.name == "none":
            rlimits = [
                limit for limit in rlimits if limit[0] != "RLIMIT_NPROC"
            ]  # outside a namespace it counts the user's processes
        request = Request(limits=rlimits, places=places, first_process=tier.name == "strict", **what)
        try:
            job = Launch(request=request, limits=limits, folder=folder, files=self._files, inputs=inputs, gpus=self._gpus)
            return factory.start(job, wanted), folder
        except BaseException:
            factory.give_back(folder)
            raise

    def _left(self, budgeted: bool) -> tuple[Limits, Status]:
        """What is left of the stage, and what breaking the CPU limit means."""
        stage = self._stage
        wall_s = stage.time_s - self.usage.wall_s - self.scorer_usage.wall_s
        if not budgeted:
            return limits_of(stage, wall_s=wall_s, cpu_s=None), Status.TIMEOUT
        allowed = stage.cpu_s if stage.cpu_s is not None else stage.time_s * max(1.0, stage.cpus)
        status = Status.TIMEOUT
        if self._cpu_limit_s is not None and self._cpu_limit_s < allowed:
            allowed, status = self._cpu_limit_s, Status.OVER_BUDGET
        return limits_of(stage, wall_s=wall_s, cpu_s=allowed - self.usage.cpu_s), status

    def _spend(self, usage: ProcessUsage, budgeted: bool) -> None:
        so_far = self.usage if budgeted else self.scorer_usage
        total = ProcessUsage(
            wall_s=so_far.wall_s + usage.wall_s,
            cpu_s=so_far.cpu_s + usage.cpu_s,
            memory_mib=max(so_far.memory_mib, usage.memory_mib),
        )
        if budgeted:
            self.usage = total
        else:
            self.scorer_usage = total


def _verdict(  # type: ignore[no-untyped-def]
    watched: ProcessResult, limits: Limits, cpu_status: Status, n_items: int, read, said, *, is_command: bool
) -> Reply:
    """What the end of a process tree means.  Limits come first, then how it ended, then what it said."""
    reply = _broken(watched, limits, cpu_status)
    if reply is None:
        reply = said(watched, n_items, read)
    elif is_command:
        reply = _with_outputs(reply, watched, n_items, read)
    return Reply(
        status=reply.status,
        reason=clean_text(reply.reason)[:1000],
        values=reply.values,
        files=reply.files,
        log=clean_log(watched.log),
        exit_code=watched.code if reply.exit_code is None else reply.exit_code,
        usage=watched.usage,
        output_hash=reply.output_hash or (_hash(watched.reply) if reply.ok or reply.files else ""),
        timing=reply.timing,
    )


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _broken(watched: ProcessResult, limits: Limits, cpu_status: Status) -> Reply | None:
    match watched.exceeded:
        case "":
            return None
        case "wall":
            return Reply(status=Status.TIMEOUT, reason=f"still running after {limits.wall_s:.3g} s")
        case "cpu":
            return Reply(status=cpu_status, reason=f"used more than {limits.cpu_s:.3g} s of CPU")
        case "pruned":
            return Reply(status=Status.PRUNED, reason="ended early")
        case "reply":
            return Reply(status=Status.INVALID, reason=watched.detail)
        case _:
            return Reply(status=Status.CRASH, reason=watched.detail)


def _with_outputs(broken: Reply, watched: ProcessResult, n_items: int, read) -> Reply:  # type: ignore[no-untyped-def]
    """A command that broke a limit, and what it had written, where its stub could still say so.  It counts as killed, also where it
    ended by itself just then: who judges by the exit status must see it."""
    try:
        found: Reply = read(read_frame(watched.reply, n_items))
    except Unreadable:
        found = broken
    return replace(broken, files=found.files, exit_code=-signal.SIGKILL)


def _said(watched: ProcessResult, n_items: int, read) -> Reply:  # type: ignore[no-untyped-def]
    try:
        frame = read_frame(watched.reply, n_items)
        if "fail" in frame.header:
            return _failure(frame)
        if watched.code != 0:
            return Reply(status=Status.CRASH, reason=_exit_text(watched.code))
        found: Reply = read(frame)
        return found
    except Unreadable as error:
        if watched.code != 0:
            return Reply(status=Status.CRASH, reason=_exit_text(watched.code))
        return Reply(status=Status.INVALID, reason=str(error))


def _said_in_turns(watched: ProcessResult, n_items: int, read) -> Reply:  # type: ignore[no-untyped-def]
    """As ``_said``: what is left at the end of turns is a failure, or nothing."""
    if watched.reply or watched.code != 0:
        return _said(watched, n_items, lambda _: Reply(status=Status.INVALID, reason="reply of another form"))
    found: Reply = read(watched)
    return found


def _timed(watched: ProcessResult, turns: Turns, order: Sequence[int], specs: Sequence[Returns], warm_up: int) -> Reply:
    """The answers in the order in which the calls were given, and how long each took."""
    if len(turns.frames) < len(order):
        return Reply(status=Status.INVALID, reason=f"it ended after {len(turns.frames)} of {len(order)} calls")
    values: list[Mapping[str, object]] = [{} for _ in order]
    seconds = [0.0] * len(order)
    digest = hashlib.blake2b(digest_size=16)
    try:
        for i, one, spec, frame in sorted(zip(order, turns.seconds, specs, turns.frames, strict=True), key=lambda found: found[0]):
            (values[i],) = read_values(read_frame(frame, len(spec) + 1), [spec])
            seconds[i] = one
            digest.update(frame)
    except Unreadable as error:
        return Reply(status=Status.INVALID, reason=str(error))
    timing = Timing(seconds=tuple(seconds[warm_up:]), overhead_s=min(turns.empty_s), load_s=turns.load_s)
    return Reply(status=Status.OK, values=tuple(values), output_hash=digest.hexdigest(), timing=timing)


def _failure(frame: Frame) -> Reply:
    said = frame.header["fail"]
    if not isinstance(said, list) or len(said) != 2 or not all(isinstance(part, str) for part in said) or frame.body:
        raise Unreadable("reply of another form")
    return Reply(status=Status.INVALID if said[0] == "invalid" else Status.CRASH, reason=said[1])


def _exit_text(code: int) -> str:
    number = -code if code < 0 else code - 128
    if number in signal.Signals.__members__.values():
        return f"ended by {signal.Signals(number).name}"
    return f"exit status {code}"


def _defect(files: Mapping[str, str]) -> str:
    """Why these files cannot be a candidate at all, or nothing."""
    for path, text in files.items():
        if not is_relative(path):
            return "a file's path must be relative and stay inside the candidate's folder"
        try:
            path.encode("utf-8")
            text.encode("utf-8")
        except UnicodeEncodeError:
            return "a file is not text that UTF-8 can hold"
    return ""
