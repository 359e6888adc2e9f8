"""The GPUs that an executor lends: which there are, which are suspect, and who else computes on them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Sequence

from archive import Hardware, Measurement, Resources, Status
from evolve._errors import EnvironmentFault
from evolve.evaluate.isolation._gpu import VISIBLE, Gpu, GpuDriver, Survey
from evolve.evaluate.isolation._hardware import hardware_of
from evolve.evaluate.isolation._process_tree import descends
from evolve.execute._gpu_locks import GpuLocks
from evolve.execute._gpus import Leases, measure
from evolve.problem.contract._contract import Contract

RECHECK_S = 30.0  # between two looks at a suspect card
_FULL = re.compile(r"out of memory", re.IGNORECASE)
_BROKEN = re.compile(  # how CUDA and the kernel call what is of the card, not of the program
    r"fallen off the bus|GPU is lost|GPU_IS_LOST|uncorrectable|ECC error|\bXid\b|hardware stack error|no CUDA-capable device|"
    r"devices? \S*\s*(?:is/are|are|is) busy or unavailable|CUDA unknown error|system not yet initialized|CUDA error: unknown error",
    re.IGNORECASE,
)
_HELD = 0.1  # of its memory, by somebody else, is too much for a card that was full


class Cards:
    """Leases on the GPUs of this machine, with a look at how they are.  ``lock`` guards the leases; looking takes no lock."""

    def __init__(self, driver: GpuDriver, found: Survey) -> None:
        self.leases = Leases([gpu.uuid for gpu in found.gpus])
        self.suspect_since = 0.0
        self._driver = driver
        self._locks = GpuLocks()
        self._lock = threading.Lock()
        self._gpus = {gpu.uuid: gpu for gpu in found.gpus}
        self._ecc = {uuid: state.ecc for uuid, state in found.states.items()}
        self._full: dict[str, int] = {}  # UUID -> measurements in a row that ran out of memory there
        self._looked = time.monotonic()
        self._mark(found.faults(found.gpus, {}), found.gpus)

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """All of them."""
        return tuple(self._gpus.values())

    def lend(self, holder: object, needs: Resources, *, first: Sequence[str] = ()) -> tuple[Gpu, ...] | None:
        """Lend what is needed, and keep other processes of this engine off it; None where they have what is left."""
        alone, others = measure(needs)[1] == 1.0, set[str]()
        while (devices := self.leases.find(needs, first=first, avoid=others)) is not None:
            if device := self._locks.take(holder, devices, alone=alone):
                others.add(device)
                continue
            return self.of(self.leases.lend(holder, needs, first=first, avoid=others))
        return None

    def give_back(self, holder: object) -> None:
        """End a lease, if there is one."""
        self.leases.give_back(holder)
        self._locks.give_back(holder)

    def of(self, devices: Iterable[str]) -> tuple[Gpu, ...]:
        """The GPUs of these names."""
        return tuple(self._gpus[device] for device in devices)

    def refusal(self, needs: Resources) -> str:
        """Why these will never be lent; "" where they may be."""
        if measure(needs)[0] <= len(self._gpus):
            return ""
        return f"the block needs {needs.gpus:g} GPUs, this machine has {len(self._gpus)} to lend"

    def lacking(self, needs: Resources) -> str:
        """Why they cannot be lent before a card is well again; "" where they can."""
        if measure(needs)[0] <= self.leases.sound:
            return ""
        whys = "; ".join(f"{uuid}: {why}" for uuid, why in self.leases.suspect.items())
        return f"the block needs {needs.gpus:g} GPUs, {self.leases.sound} are sound ({whys}); run: evolve doctor"

    # -------------------------------------------------------------------------------------------- how they are

    def wrong(self, gpus: Sequence[Gpu], result: Measurement) -> str:
        """What is wrong with the cards of a measurement, where its end gives reason to look; "" where nothing is.

        Reason is what it says of the card, a second time in a row that it says that memory is used up, and a limit of time: a
        card that hangs looks so.
        """
        words = f"{result.reason}\n{result.feedback}"
        full = result.status is not Status.OK and _FULL.search(words) is not None
        for gpu in gpus:
            self._full[gpu.uuid] = self._full.get(gpu.uuid, 0) + 1 if full else 0
        twice = any(self._full[gpu.uuid] > 1 for gpu in gpus)
        broken = result.status is not Status.OK and _BROKEN.search(words) is not None
        return self.examine(gpus) if broken or twice or result.status is Status.TIMEOUT else ""

    def examine(self, gpus: Sequence[Gpu]) -> str:
        """Look at these cards: suspect from now on, or no more."""
        found = self._driver.survey()
        faults = found.faults(gpus, self._ecc)
        for gpu in gpus:
            if gpu.uuid not in faults and self._full.get(gpu.uuid, 0) > 1 and (held := _held(gpu, found)):
                faults[gpu.uuid] = held
        self._mark(faults, gpus)
        return "; ".join(f"{uuid}: {why}" for uuid, why in faults.items())

    def recheck(self) -> bool:
        """Look at the suspect cards again, if it is time; whether it was."""
        with self._lock:
            now = time.monotonic()
            if not self.leases.suspect or now - self._looked < RECHECK_S:
                return False
            self._looked = now
        self.examine(self.of(list(self.leases.suspect)))
        return True

    def _mark(self, faults: dict[str, str], gpus: Sequence[Gpu]) -> None:
        with self._lock:
            if faults and not self.leases.suspect:
                self.suspect_since = self._looked = time.monotonic()
            for gpu in gpus:
                if gpu.uuid in faults:
                    self.leases.suspect[gpu.uuid] = faults[gpu.uuid]
                else:
                    self.leases.suspect.pop(gpu.uuid, None)
                    self._full[gpu.uuid] = 0

    def strangers(self, gpus: Sequence[Gpu]) -> set[int]:
        """Processes that compute on these cards and are none of ours."""
        return _strangers(gpus, self._driver.survey())


def _strangers(gpus: Iterable[Gpu], found: Survey) -> set[int]:
    seen = {pid for gpu in gpus if gpu.uuid in found.states for pid, _ in found.states[gpu.uuid].processes}
    return {pid for pid in seen if not descends(pid)}


def _held(gpu: Gpu, found: Survey) -> str:
    """Who has the memory of a card that was full twice; "" where it is free."""
    state, enough = found.states[gpu.uuid], _HELD * gpu.memory_mib
    strangers = _strangers([gpu], found)
    if sum(used for pid, used in state.processes if pid in strangers) > enough:
        return f"others have its memory (process {', '.join(map(str, sorted(strangers)))})"
    if not state.processes and state.used_mib > enough:
        return f"{state.used_mib} MiB of its memory are taken by nobody that can be seen"
    return ""


def need_gpus(contracts: Iterable[Contract], driver: GpuDriver | None = None) -> Cards | None:
    """The cards, where a stage of the problems needs any.

    Raises:
        EnvironmentFault: there are fewer than a stage needs, or they are of several kinds and scores hang on speed.
    """
    known = tuple(contracts)
    most = max(
        ((measure(stage.needs)[0], stage, contract) for contract in known for stage in contract.stages),
        key=lambda one: one[0],
        default=None,
    )
    if most is None or most[0] == 0:
        return None
    count, stage, contract = most
    driver = driver or GpuDriver()
    found = driver.visible()
    if count <= len(found.gpus) - len(found.faults(found.gpus, {})):
        _need_one_kind(found.gpus, [one for one in known if one.depends_on_speed])
        return Cards(driver, found)
    asked = f"{stage.gpus:g} {'GPU' if stage.gpus <= 1 else 'GPUs'}"
    raise EnvironmentFault(
        f"the stage {stage.name} of {contract.name} needs {asked}, this machine has {_said(found)} to lend; type: evolve doctor "
        "(what is wrong with them), or run it where there are as many, or lower gpus of the stage in problem.yaml."
    )


def _need_one_kind(gpus: Sequence[Gpu], timed: Sequence[Contract]) -> None:
    """Find out that scores which hang on speed can be compared, whichever card they are made on."""
    kinds: dict[Hardware, list[str]] = {}
    for gpu in gpus:
        kinds.setdefault(hardware_of([gpu]), []).append(gpu.uuid)
    needy = [contract.name for contract in timed if any(stage.gpus > 0 for stage in contract.stages)]
    if needy and len(kinds) > 1:
        found = "; ".join(f"{kind.card} (clocks {kind.clocks or 'unknown'}): {', '.join(uuids)}" for kind, uuids in kinds.items())
        first = ",".join(next(iter(kinds.values())))
        raise EnvironmentFault(
            f"expected GPUs of one kind, since scores of {needy[0]} hang on speed, found {found}; "
            f"choose, for example: export {VISIBLE}={first}"
        )


def _said(found: Survey) -> str:
    names = ", ".join(sorted({gpu.name for gpu in found.gpus}))
    said = f"{len(found.gpus)} ({names})" if names else "none"
    hidden = len(found.states) - len(found.gpus)
    faults = [f"{uuid} is not well ({why})" for uuid, why in found.faults(found.gpus, {}).items()]
    parts = [f"{VISIBLE} hides {hidden}" if hidden else "", *faults, found.error]
    return said + "".join(f", {part}" for part in parts if part)
