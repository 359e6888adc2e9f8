"""What GPUs are to the engine: shown to whom they are lent, hidden from all others, alone with what is timed.

    benchmarks/gpu_check.sh RESULTS.md [WHEELS]

On a machine with one NVIDIA card or more, within five minutes.  Where there is none, or no torch, it goes as far as it goes and
says what was not seen.  Ends with 1 where something failed.
"""

from __future__ import annotations

import json
import os
import platform
import queue
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from archive import Attempt, BlockEntry, BlockStatus, Resources, StartMode
from evolve._errors import EvolveError
from evolve.evaluate import SandboxFactory, VisibleFiles, doctor, open_sandbox_factory
from evolve.evaluate.isolation._gpu import Gpu, GpuDriver, Survey
from evolve.execute import Block, BlockReport, EntryReport, LocalExecutor
from evolve.problem._load import load_problem
from evolve.problem.contract._contract import Problem, Stage

PROBLEMS = Path(__file__).with_name("gpu_problems")
NOT_SEEN = "not seen"
MEMORY_MIB = 32768

_SEARCH = """
import ctypes, json, os, stat
found = []
def attempt(name, what):
    try:
        what()
    except OSError:
        return
    found.append(name)
own = {name for name in os.listdir("/dev") if name.startswith("nvidia") and name[6:].isdigit()}
for number in range(16):
    name = f"nvidia{number}"
    if name not in own:
        attempt(f"open {name}", lambda: os.open(f"/dev/{name}", os.O_RDWR))
        for folder in ("/dev", "/tmp", "/dev/shm"):
            attempt(f"make {folder}/{name}", lambda: os.mknod(f"{folder}/{name}", stat.S_IFCHR | 0o666, os.makedev(195, number)))
for node in own:
    attempt(f"chmod {node}", lambda: os.chmod(f"/dev/{node}", 0o600))
attempt("a write to /proc/driver/nvidia/suspend", lambda: os.open("/proc/driver/nvidia/suspend", os.O_WRONLY))
counts = {}
os.environ.pop("CUDA_VISIBLE_DEVICES", None)
asked = (("libcuda.so.1", "cuInit", "cuDeviceGetCount"), ("libnvidia-ml.so.1", "nvmlInit_v2", "nvmlDeviceGetCount_v2"))
for library, start, count in asked:
    try:
        functions = ctypes.CDLL(library)
    except OSError:
        continue
    code = getattr(functions, start)(*([0] if start == "cuInit" else []))
    number = ctypes.c_uint()
    counts[library] = f"{start} says {code}" if code or getattr(functions, count)(ctypes.byref(number)) else number.value
print(json.dumps({"found": found, "own": sorted(own), "counts": counts}))
"""
_MULTIPLY = """
import json, time, torch
before = time.perf_counter()
a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
a @ a
torch.cuda.synchronize()
began = time.perf_counter()
for _ in range(50):
    a @ a
torch.cuda.synchronize()
took = time.perf_counter() - began
print(json.dumps({"device": torch.cuda.get_device_name(0), "count": torch.cuda.device_count(), "start_s": began - before,
                  "tflops": 50 * 2 * 8192**3 / took / 1e12}))
"""


class NotSeen(Exception):
    """This machine does not have what would have been looked at."""


@dataclass(frozen=True)
class Line:
    """One thing that was tried: ``result`` is ok, FAILED or not seen."""

    what: str
    result: str
    found: str
    took_s: float


@dataclass(frozen=True)
class Machine:
    """What is there to be tried."""

    driver: GpuDriver
    survey: Survey
    work: Path
    torch: bool

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        return self.survey.gpus

    def first(self) -> tuple[Gpu, ...]:
        """One GPU.

        Raises:
            NotSeen: there is none.
        """
        if not self.gpus:
            raise NotSeen(self.survey.error or "there is no GPU here")
        return self.gpus[:1]

    def view(self) -> VisibleFiles:
        return VisibleFiles(imports=("torch",) if self.torch else ())


# ------------------------------------------------------------------------------------------------------------ what is tried


def look(machine: Machine) -> str:
    """The doctor's lines; of a card that is not fine, too."""
    checks = doctor()
    bad = [check for check in checks if not check.ok]
    if bad:
        raise AssertionError("; ".join(f"{check.name}: {check.found} -> {check.remedy}" for check in bad))
    return "; ".join(f"{check.name}: {check.found}" for check in checks if "GPU" in check.name or check.name == "tier")


def hidden(machine: Machine) -> str:
    """A sandbox without GPUs."""
    told = _searched(machine, ())
    assert not told["own"], f"it has {told['own']}"
    assert not told["found"], f"it found {told['found']}"
    assert not any(isinstance(count, int) and count for count in told["counts"].values()), f"it counts {told['counts']}"
    if not machine.gpus:
        raise NotSeen("a sandbox without GPUs finds none; but there is none to hide")
    return f"no node, {told['counts'] or 'no library of the driver'}"


def bound(machine: Machine) -> str:
    """A product of matrices in a sandbox that has the card, beside the same outside."""
    gpus = machine.first()
    if not machine.torch:
        raise NotSeen("there is no torch here")
    with open_sandbox_factory("strict", machine.view()) as factory:
        inside = json.loads(_run(factory, gpus, _MULTIPLY))
    outside = json.loads(_outside(gpus, _MULTIPLY))
    assert inside["count"] == 1, inside
    return (
        f"{inside['device']}: {inside['tflops']:.0f} TFLOP/s inside, {outside['tflops']:.0f} outside; CUDA started after "
        f"{inside['start_s']:.1f} and {outside['start_s']:.1f} s"
    )


def hostile(machine: Machine) -> str:
    """A candidate that has one card and looks for others."""
    gpus = machine.first()
    told = _searched(machine, gpus)
    assert not told["found"], f"it found {told['found']}"
    assert told["own"] == [f"nvidia{gpus[0].minor}"], told["own"]
    wrong = {name: count for name, count in told["counts"].items() if count != 1}
    assert not wrong, f"without CUDA_VISIBLE_DEVICES it counts {wrong}"
    if len(machine.survey.states) < 2:
        raise NotSeen(f"it has {told['own'][0]} and nothing else, {told['counts']}; but there is no second card to be found")
    return f"{told['own'][0]} and nothing else, {told['counts']}"


def alone(machine: Machine) -> str:
    """Two timed candidates and parts of a card, all at once, as many as the machine has cards and one more."""
    machine.first()
    n = len(machine.gpus)
    spans = _executed(machine, [Resources(gpus=1)] * (n + 1) + [Resources(gpus=0.5)] * 2, slots=n + 3)
    for i, one in enumerate(spans):
        for other in spans[:i]:
            both = one.devices & other.devices and one.began < other.ended and other.began < one.ended
            assert not both or (one.part and other.part), f"{one} and {other} had a card at the same time"
    parts = sum(one.part for one in spans)
    return f"{len(spans)} candidates on {n} {'card' if n == 1 else 'cards'}, {parts} of them with a part: no timed one had company"


def refused(machine: Machine) -> str:
    """More GPUs than there are, before anything runs."""
    problem = _problem(machine, "marks", gpus=len(machine.gpus) + 1)
    try:
        LocalExecutor({problem.id: problem}, slots=1, tier="strict", sink=lambda report: None, gpus=machine.driver).close(
            drain=False
        )
    except EvolveError as error:
        return str(error)
    raise AssertionError("it was not refused")


def search(machine: Machine) -> str:
    """A small problem end to end, from Python: on the card where there is one, else on a core."""
    if not machine.torch:
        raise NotSeen("there is no torch here")
    import evolve

    problem = _problem(machine, "fit", gpus=1 if machine.gpus else 0)
    run = evolve.create_run(problem, out=machine.work / "run", seed=1, slots=1, budget=evolve.Budget(evaluations=12, wall_s=100))
    run.optimize()
    best, initial = run.best, run.initial
    assert best.score is not None, "nothing was measured"
    assert initial.score is not None
    assert best.score <= initial.score, f"{best.score} after {initial.score}"
    told = f"error {initial.score:.3g} of the initial program, {best.score:.3g} of the best of {run.progress.measurements}"
    if not machine.gpus:
        raise NotSeen(f"on a core: {told}; but no GPU")
    return told


CHECKS: tuple[tuple[str, Callable[[Machine], str]], ...] = (
    ("doctor", look),
    ("a sandbox without GPUs sees none", hidden),
    ("CUDA runs in a sandbox that has the card", bound),
    ("a hostile candidate finds no other device", hostile),
    ("what is timed has its card alone", alone),
    ("more GPUs than there are is refused", refused),
    ("a torch problem end to end, from Python", search),
)


# ------------------------------------------------------------------------------------------------------------------- means


@dataclass(frozen=True)
class Span:
    """When a candidate was measured, and on which cards."""

    began: float
    ended: float
    devices: frozenset[str]
    part: bool


def _searched(machine: Machine, gpus: tuple[Gpu, ...]) -> dict:
    with open_sandbox_factory("strict", VisibleFiles()) as factory:
        told: dict = json.loads(_run(factory, gpus, _SEARCH))
    return told


def _run(factory: SandboxFactory, gpus: tuple[Gpu, ...], program: str) -> str:
    stage = Stage(name="check", time_s=100.0, memory_mib=MEMORY_MIB, gpus=float(len(gpus)))
    with factory.sandbox({}, stage, start=StartMode.COLD, gpus=gpus) as sandbox:
        reply = sandbox.run(["python", "-c", program])
    assert reply.ok, f"{reply.reason}: {reply.log[-1500:]}"
    return _answer(reply.log)


def _answer(said: str) -> str:
    """The line of JSON in what a program said: libraries warn before it and after."""
    return [line for line in said.splitlines() if line.startswith("{")][-1]


def _outside(gpus: tuple[Gpu, ...], program: str) -> str:
    import subprocess

    env = os.environ | {"CUDA_VISIBLE_DEVICES": gpus[0].uuid}
    said = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=100, check=False)
    assert said.returncode == 0, f"outside of any sandbox: {said.stderr[-1500:]}"
    return _answer(said.stdout)


def _problem(machine: Machine, name: str, *, gpus: float) -> Problem:
    """A problem of the folder beside this file, with as many GPUs."""
    place = machine.work / f"{name}-{gpus:g}"
    for path in (PROBLEMS / name).rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            target = place / path.relative_to(PROBLEMS / name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text().replace("gpus: 0", f"gpus: {gpus:g}"))
    return load_problem(place)


def _executed(machine: Machine, needs: list[Resources], *, slots: int) -> list[Span]:
    """Blocks of one candidate each, all handed over at once."""
    problem = _problem(machine, "marks", gpus=1)
    reports: queue.Queue[EntryReport | BlockReport] = queue.Queue()
    executor = LocalExecutor({problem.id: problem}, slots=slots, tier="strict", sink=reports.put, gpus=machine.driver)
    try:
        for number, one in enumerate(needs):
            entry = BlockEntry(f"c{number}", "full", number)
            executor.submit(Block(Attempt("check", number), problem.id, (entry,), {f"c{number}": problem.initial_files}, one))
        return list(_spans(reports, needs))
    finally:
        executor.close(drain=False)


def _spans(reports: queue.Queue[EntryReport | BlockReport], needs: list[Resources]) -> Iterator[Span]:
    open_blocks = len(needs)
    while open_blocks:
        report = reports.get(timeout=200)
        if isinstance(report, BlockReport):
            assert report.status is BlockStatus.OK, report.reason
            open_blocks -= 1
            continue
        result = report.result
        assert result.score is not None, f"{result.status}: {result.reason} {result.feedback[-500:]}"
        devices = frozenset(name for name, value in result.metrics.items() if name.startswith("card") and value)
        yield Span(result.metrics["began"], result.metrics["ended"], devices, needs[report.attempt.ticket].gpus < 1)


def _tried(what: str, check: Callable[[Machine], str], machine: Machine) -> Line:
    began = time.monotonic()
    try:
        result, found = "ok", check(machine)
    except NotSeen as error:
        result, found = NOT_SEEN, str(error)
    except Exception as error:  # noqa: BLE001 - whatever it was, the others are tried
        result, found = "FAILED", f"{type(error).__name__}: {error}"
        traceback.print_exc()
    line = Line(what, result, found, time.monotonic() - began)
    print(f"{line.result:9} {line.what} ({line.took_s:.1f} s): {line.found}", flush=True)
    return line


def _report(lines: list[Line], machine: Machine) -> str:
    gpus = [f"{gpu.name}, driver {gpu.driver}, {gpu.memory_mib} MiB" for gpu in machine.gpus] or ["none"]
    versions: Mapping[str, str] = {"Python": platform.python_version(), "Linux": platform.release()}
    if machine.torch:
        import torch

        versions = {**versions, "torch": torch.__version__}
    unseen = [line.what for line in lines if line.result == NOT_SEEN]
    rows = [f"| {line.what} | {line.result} | {line.took_s:.1f} | {line.found.replace('|', '/')} |" for line in lines]
    head = ["# GPUs", "", "```", "benchmarks/gpu_check.sh RESULTS.md", "```", ""]
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    started = "root" if os.geteuid() == 0 else "an ordinary user"
    about = f"{date.today()}, {len(os.sched_getaffinity(0))} cores, {named}, started by {started}. GPUs: {'; '.join(gpus)}."
    said = f"Not seen: {'; '.join(unseen)}." if unseen else "Everything was seen."
    return "\n".join([*head, about, "", said, "", "| what | result | s | found |", "|---|---|---|---|", *rows, ""])


def main(results: str, work: str) -> int:
    """Try everything, write the results."""
    try:
        import torch  # noqa: F401

        has_torch = True
    except ImportError:
        has_torch = False
    driver = GpuDriver()
    machine = Machine(driver, driver.visible(), Path(work), has_torch)
    lines = [_tried(what, check, machine) for what, check in CHECKS]
    Path(results).write_text(_report(lines, machine))
    print(f"written to {results}")
    return int(any(line.result == "FAILED" for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
