"""Records of a run as a whole: made, opened, asked, limited, ended.  The rules of ``archive.records._records`` hold here too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from archive.records._values import Hardware, ProblemInfo


@dataclass(frozen=True, slots=True)
class RunCreated:
    kind: ClassVar[str] = "run_created"
    run: str
    seed: int
    config: str  # the resolved configuration, as JSON text
    problems: tuple[ProblemInfo, ...]
    engine: str = ""
    secret: str = ""  # 256 bits, hexadecimal: what the seeds of measurements derive from; no reading verb shows it


@dataclass(frozen=True, slots=True)
class RunOpened:
    """A driver took the run.  The epoch is random: results of an earlier driver cannot be mistaken for this one's."""

    kind: ClassVar[str] = "opened"
    epoch: str
    engine: str = ""
    state_hash: str = ""
    python: str = ""
    machine: str = ""
    tier: str = ""
    tier_hash: str = ""
    slots: int = 1
    pid: int = 0
    models: tuple[str, ...] = ()  # that can be asked, as provider/model
    executor: str = ""  # its name; "" in a record of before it was said
    address: str = ""  # of the cluster that was joined, or "local" where one was started for the run; "" of none
    nodes: int = 0  # of the cluster that hold slots; 0 where nobody counts


@dataclass(frozen=True, slots=True)
class SlotsChanged:
    """From now on so many blocks can run at once, on so many nodes: those of a cluster came or went.  ``RunOpened`` says how many
    it begins with."""

    kind: ClassVar[str] = "slots_changed"
    epoch: str
    slots: int
    nodes: int = 0  # as of ``RunOpened``


@dataclass(frozen=True, slots=True)
class HardwareSeen:
    """What the id of a hardware in measurements stands for; stands before the first of them."""

    kind: ClassVar[str] = "hardware_seen"
    id: str
    hardware: Hardware


@dataclass(frozen=True, slots=True)
class NodesUnfit:
    """From now on these nodes of a cluster take no part, each with the reason: all that there are, none where all take part.  A
    driver begins with none."""

    kind: ClassVar[str] = "nodes_unfit"
    epoch: str
    nodes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RequestHandled:
    """A request from the inbox that was carried out (or refused); its id is never carried out again."""

    kind: ClassVar[str] = "requested"
    request: str
    verb: str
    body: str  # JSON text
    answer: str  # JSON text
    accepted: bool = True


@dataclass(frozen=True, slots=True)
class BudgetSet:
    """The budget from here on.  ``None`` is no limit.  With a ``problem``, of a run of several: what may be spent on that one in
    all, now that its search is over; the rest of the run's budget is the others'."""

    kind: ClassVar[str] = "budget_set"
    wall_s: float | None = None
    cpu_s: float | None = None
    evaluations: int | None = None
    candidates: int | None = None
    usd: float | None = None
    request: str = ""
    confirm: float | None = None  # share set aside for vaults; None is as before
    tokens: int | None = None
    calls: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class StopRequested:
    kind: ClassVar[str] = "stop_asked"
    reason: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    kind: ClassVar[str] = "note"
    text: str
    author: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something a reader of the run wants to know and no decision rests on."""

    kind: ClassVar[str] = "event"
    level: str
    what: str
    text: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RunClosed:
    """The driver let go of the run in good order."""

    kind: ClassVar[str] = "closed"
    epoch: str
    status: str  # done | stopped | interrupted | degraded | failed
    reason: str = ""
