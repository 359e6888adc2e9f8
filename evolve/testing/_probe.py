"""A problem that does what a candidate's ``action.json`` says: how executors are put to the test."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve.problem._files import scan
from evolve.problem.contract._contract import Contract, DescriptorSpec, Problem, Stage

TIME_S = 2.0  # of a stage; enough for a null evaluation on a busy machine

_EVALUATE = """
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from evolve import Outcome, Status


def mark(trial, name, what):
    place = Path(trial.params["trace"])
    text = json.dumps({"name": name, "what": what, "pid": os.getpid(), "at": time.monotonic()})
    temporary = place / f".{os.getpid()}-{time.monotonic_ns()}"
    temporary.write_text(text)
    temporary.rename(place / f"{time.monotonic_ns()}-{os.getpid()}.json")


def evaluate(trial):
    action = json.loads(trial.files["action.json"])
    mark(trial, action["name"], "began")
    outcome = DO[action["do"]](trial, **action["with"])
    mark(trial, action["name"], "ended")
    return outcome


def score(trial, value=1.0, sleep_s=0.0):
    time.sleep(sleep_s)
    return Outcome(score=value + trial.seed, metrics={"extra": 2.0}, descriptors={"place": 0.5})


def fail(trial, status="checks_failed"):
    return Outcome.fail(Status(status), "as asked")


def error(trial):
    raise ValueError("the evaluator is broken")


def leave(trial):
    sys.exit(3)


def nothing(trial):
    return None


def die(trial):
    os.kill(os.getpid(), signal.SIGKILL)


def hang(trial):
    time.sleep(3600)


def family(trial):
    child = "import os, time; os.setsid(); open(os.environ['MARK'], 'w').write(str(os.getpid())); time.sleep(3600)"
    start = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); time.sleep(3600)"
    place = str(Path(trial.params["trace"]) / f"child-{os.getpid()}")
    subprocess.Popen([sys.executable, "-c", start, child], env={"MARK": place}, start_new_session=True)
    time.sleep(3600)


def litter(trial):
    import tempfile
    start = "import os, sys, time; os.setsid(); os.fork() and sys.exit()"
    start += "; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(3600)"
    place = str(Path(trial.params["trace"]) / f"child-{os.getpid()}")
    subprocess.run([sys.executable, "-c", start, place])
    while not os.path.exists(place) or not open(place).read():
        time.sleep(0.01)
    left = [tempfile.mkdtemp(), tempfile.mkstemp()[1], os.path.abspath("here.txt")]
    Path(left[0], "file").touch()
    Path("here.txt").touch()
    Path(trial.params["trace"], "left").write_text(json.dumps(left))
    return score(trial)


def square(number):
    return number * number


def pool(trial, method="spawn"):
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    context = multiprocessing.get_context(method)
    with context.Pool(1) as workers, ProcessPoolExecutor(1, mp_context=context) as executor:
        value = sum(workers.map(square, range(4))) + executor.submit(square, 6).result()
    return score(trial, value)


def lose(trial, quiet=False):
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    try:
        return loop(trial)
    except Exception as error:
        if quiet:
            return Outcome.fail(Status.CHECKS_FAILED, "the evaluator makes the best of it")
        raise


def chatter(trial):
    for _ in range(200):
        print("x" * 10000)
        print("y" * 10000, file=sys.stderr, flush=True)
    return score(trial)


def bulk(trial):
    outcome = score(trial)
    blob = os.urandom(trial.params["bytes"])
    return Outcome(
        score=outcome.score, metrics=outcome.metrics, descriptors=outcome.descriptors,
        feedback="\\x1b[31m" + "z" * 1_000_000, artifacts={"blob": blob},
    )


def environment(trial):
    Path(trial.params["trace"], "environment").write_text(json.dumps(dict(os.environ)))
    return score(trial)


def loop(trial):
    return trial.sandbox.run(["python", "-c", "while True: pass"]).outcome()


DO = {
    f.__name__: f
    for f in (
        score, fail, error, leave, nothing, die, hang, family, litter, pool, lose, chatter, bulk, environment, loop,
    )
}
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """What an evaluation left in the trace: ``what`` is ``began`` or ``ended``, ``at`` the machine's monotonic clock."""

    name: str
    what: str
    pid: int
    at: float


class Probe:
    """The probe problem in a folder of its own, and the trace its evaluations leave there.

    Evaluations and reader must share a file system and a clock, that is a machine.
    """

    def __init__(
        self,
        folder: Path,
        *,
        evaluate: str = _EVALUATE,
        first: str = "",
        beside: Mapping[str, str] | None = None,
        name: str = "probe",
        calibrated: bool = False,
        time_s: float = TIME_S,
        environment: tuple[str, ...] = (),
    ) -> None:
        home = folder / name
        self.trace = folder / f"{name}-trace"
        self.trace.mkdir(parents=True)
        home.mkdir()
        for path, text in {"evaluate.py": first + evaluate, **(beside or {})}.items():
            (home / path).write_text(text)
        stage = Stage(name="full", time_s=time_s, calibrated=calibrated)
        self.problem = Problem(
            folder=home,
            assets=None,
            contract=Contract(
                name=name,
                metric="value",
                goal="maximize",
                secondary=("extra",),
                environment=environment,
                editable=("action.json",),
                axes=(DescriptorSpec(name="place", source="outcome", low=0.0, high=1.0, bins=4),),
                artifacts={"blob": ".bin"},
                max_artifact_bytes=1 << 20,
                stages=(stage,),
            ),
            params={"trace": str(self.trace), "bytes": 1 << 20},
            initial_files={"action.json": action("score")["action.json"]},
            statement="",
            id=f"{name}@1",
            evaluator="probe",
            pieces=scan(home),
        )

    def marks(self, name: str = "", what: str = "") -> list[Mark]:
        """What happened so far, in order; of one name and kind where given."""
        found = [Mark(**json.loads(path.read_text())) for path in self.trace.glob("[0-9]*.json")]
        wanted = [mark for mark in found if name in ("", mark.name) and what in ("", mark.what)]
        return sorted(wanted, key=lambda mark: mark.at)

    def wait_for(self, name: str, what: str = "began", limit_s: float = 60.0) -> Mark:
        """The first such mark, as soon as it is there.

        Raises:
            TimeoutError: it did not come.
        """
        deadline = time.monotonic() + limit_s
        while not (marks := self.marks(name, what)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no evaluation of {name} {what} within {limit_s} s")
            time.sleep(0.01)
        return marks[0]

    def wait_for_child(self, pid: int, limit_s: float = 60.0) -> int:
        """Pid of the detached grandchild that the evaluation ``family`` in process ``pid`` made."""
        path = self.trace / f"child-{pid}"
        deadline = time.monotonic() + limit_s
        while not path.exists() or not path.read_text():
            if time.monotonic() > deadline:
                raise TimeoutError("the detached child did not start")
            time.sleep(0.01)
        return int(path.read_text())


def action(do: str, name: str = "", **arguments: object) -> Mapping[str, str]:
    """A candidate's files: ``do`` is a function of the probe's evaluator."""
    return {"action.json": json.dumps({"name": name or do, "do": do, "with": arguments})}


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False
