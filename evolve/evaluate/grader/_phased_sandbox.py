"""A sandbox that tells its executor whether the candidate or the evaluator is at work, so that time is charged to the right one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from evolve._errors import EnvironmentFault
from evolve.evaluate import TrialSandbox
from evolve.evaluate._trial import Array, JsonValue, Reply
from evolve.evaluate.grader._evaluator import of_machine
from evolve.evaluate.grader._wire import Phase


class PhasedSandbox:
    """The trial's sandbox; tells the executor when a candidate runs, so that an overrun can be laid at the right door.

    ``fault`` is what the machine refused it: no verdict on the candidate stands then, whatever the evaluator makes of it.
    """

    def __init__(self, sandbox: TrialSandbox, tell: Callable[[Phase], None]) -> None:
        self.fault: EnvironmentFault | OSError | None = None
        self._sandbox = sandbox
        self._tell = tell

    def call(
        self,
        entry: str,
        args: Mapping[str, object],
        returns: Mapping[str, Array | JsonValue],
        *,
        inputs: Mapping[str, bytes | Path] | None = None,
        budgeted: bool = True,
    ) -> Reply:
        return self._inside(lambda: self._sandbox.call(entry, args, returns, inputs=inputs, budgeted=budgeted))

    def call_many(
        self,
        entry: str,
        calls: Sequence[Mapping[str, object]],
        returns: Sequence[Mapping[str, Array | JsonValue]],
        *,
        inputs: Mapping[str, bytes | Path] | None = None,
        budgeted: bool = True,
    ) -> Reply:
        return self._inside(lambda: self._sandbox.call_many(entry, calls, returns, inputs=inputs, budgeted=budgeted))

    def time_calls(
        self,
        entry: str,
        calls: Sequence[Mapping[str, object]],
        returns: Sequence[Mapping[str, Array | JsonValue]],
        *,
        warm_up: int = 3,
        inputs: Mapping[str, bytes | Path] | None = None,
    ) -> Reply:
        return self._inside(lambda: self._sandbox.time_calls(entry, calls, returns, warm_up=warm_up, inputs=inputs))

    def converse(
        self,
        entry: str,
        ask: Callable[[Mapping[str, object] | None, float], Mapping[str, object] | None],
        returns: Mapping[str, Array | JsonValue],
        *,
        arrays: bool = True,
        most_calls: int = 10_000,
        inputs: Mapping[str, bytes | Path] | None = None,
    ) -> Reply:
        return self._inside(
            lambda: self._sandbox.converse(entry, ask, returns, arrays=arrays, most_calls=most_calls, inputs=inputs)
        )

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
        return self._inside(
            lambda: self._sandbox.run(argv, inputs=inputs, outputs=outputs, env=env, budgeted=budgeted, watch=watch)
        )

    def _inside(self, call: Callable[[], Reply]) -> Reply:
        self._tell(Phase(inside=True, cpu_s=self._sandbox.usage.cpu_s))
        try:
            return call()
        except (EnvironmentFault, OSError) as error:
            if of_machine(error):
                self.fault = error
            raise
        finally:
            self._tell(Phase(inside=False, cpu_s=self._sandbox.usage.cpu_s))
