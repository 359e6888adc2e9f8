"""From what ``evaluate`` returned to what may be recorded: every field checked against the contract.

An outcome that breaks the contract is the evaluator's fault, never the candidate's, and is told in one sentence.
"""

from __future__ import annotations

import base64
import math
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import zstandard

from archive import Curve, Status
from evolve.evaluate._progress import MAX_POINTS as MAX_CURVE_POINTS
from evolve.evaluate._progress import Progress
from evolve.evaluate._text import clean_text
from evolve.evaluate._trial import QUARANTINED, Outcome
from evolve.problem.contract._contract import AUDITED, INCOMPLETE, Contract

MAX_FEEDBACK_CHARS = 4000
MAX_REASON_CHARS = 400
MAX_METRICS = 64  # of any names
_ZSTD_LEVEL = 3
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_EXACT = 2.0**53  # below it a float holds every whole number


class OutcomeError(Exception):
    """The outcome breaks the contract; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedOutcome:
    """A checked outcome: plain numbers, capped text, packed artifacts."""

    status: Status
    score: float | None = None
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    descriptors: Mapping[str, float] = field(default_factory=dict)
    feedback: str = ""
    curve: Curve | None = None
    artifacts: Mapping[str, str] = field(default_factory=dict)
    output_hash: str = ""
    probe_hash: str = ""


def check_outcome(outcome: object, contract: Contract, stage: str) -> CheckedOutcome:
    """Check an outcome.

    A score is finite and there exactly when the status is ``ok``.  Metrics, descriptors and artifacts must be declared.  A metric
    or descriptor that is no finite number, or that an ``ok`` outcome at the contract's last stage lacks, is left out and named in
    ``reason``, which then begins with ``incomplete: ``: that says nothing against the score, unless a gate looks at it.  An ``ok``
    outcome beyond one of the contract's gates becomes ``rejected``; no outcome becomes ``ok`` here.

    Raises:
        OutcomeError: what the evaluator must mend.
    """
    if not isinstance(outcome, Outcome):
        raise OutcomeError(f"evaluate() returned {type(outcome).__name__}, expected an evolve.Outcome")
    if not isinstance(outcome.status, Status):
        raise OutcomeError(f"status is {outcome.status!r}, expected an evolve.Status such as Status.OK")
    ok = outcome.status is Status.OK
    complete = ok and stage == contract.stages[-1].name
    axes = tuple(axis.name for axis in contract.axes if axis.source == "outcome")
    declared = _own_names(outcome.metrics) if contract.any_metrics else contract.secondary
    metrics, unmeasured = _named("metrics", outcome.metrics, declared, complete)
    descriptors, unplaced = _named("descriptors", outcome.descriptors, axes, complete)
    held = [unmeasured[gate.metric] for gate in contract.gates if ok and gate.metric in unmeasured]
    if held:  # it might hide what the gate is there to stop
        raise OutcomeError(f"{held[0]}, by which a gate holds results")
    reason = line(_text("reason", outcome.reason))
    if ok and (lacking := [*unmeasured.values(), *unplaced.values()]):
        reason = line(INCOMPLETE + "; ".join(lacking))
    judged = CheckedOutcome(
        status=outcome.status,
        score=_score(outcome, ok),
        reason=reason,
        metrics=metrics,
        descriptors=descriptors,
        feedback=clean(_text("feedback", outcome.feedback), MAX_FEEDBACK_CHARS),
        curve=None if outcome.curve is None else _curve(outcome.curve),
        artifacts=_artifacts(outcome.artifacts, contract),
        output_hash=clean(_text("output_hash", outcome.output_hash), 128),
        probe_hash=clean(_text("probe_hash", outcome.probe_hash), 128),
    )
    return _gated(judged, contract) if ok else judged


def with_progress(judged: CheckedOutcome, progress: Progress) -> CheckedOutcome:
    """With the learning curve that was reported, and where it was lost why.

    Raises:
        OutcomeError: it was pruned although nobody said that it is to be.
    """
    if judged.status is Status.PRUNED and (progress.audited or not progress.lost):
        raise OutcomeError("the status is pruned although trial.should_prune() did not say so; return another failure's")
    reason = judged.reason
    if judged.status is Status.PRUNED:
        reason = progress.lost
    elif judged.status is Status.OK and progress.audited and progress.lost:
        reason = "; ".join(filter(None, (reason, f"{AUDITED}{progress.lost}")))
    return replace(judged, reason=reason, curve=judged.curve or progress.curve)


def clean(text: str, limit: int) -> str:
    """``text`` without escape sequences, control characters and markup, its middle cut out to fit ``limit`` characters."""
    if len(text) > limit:
        head = limit // 3
        text = f"{text[:head]}\n...\n{text[head + 5 - limit :]}"
    return clean_text(text)


def line(text: str) -> str:
    """``text`` as one clean line."""
    return " ".join(clean(text, MAX_REASON_CHARS).split())


def pack_artifact(data: bytes) -> str:
    """Bytes as a measurement carries them: base85 of zstd."""
    return base64.b85encode(zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data)).decode()


def unpack_artifact(text: str, max_bytes: int) -> bytes:
    """The inverse of ``pack_artifact``.

    Raises:
        ValueError: ``text`` is no artifact of at most ``max_bytes``.
    """
    packed = base64.b85decode(text)
    with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
        try:
            data = reader.read(max_bytes + 1)
        except zstandard.ZstdError as error:
            raise ValueError(f"not an artifact: {error}") from error
    if len(data) > max_bytes:
        raise ValueError(f"an artifact above {max_bytes} bytes")
    return data


def _gated(judged: CheckedOutcome, contract: Contract) -> CheckedOutcome:
    """A quarantined result keeps its metrics, descriptors and artifacts, by which it can be looked into, and loses its score."""
    for gate in contract.gates:
        value = judged.score if gate.metric == contract.metric else judged.metrics.get(gate.metric)
        if value is not None and (complaint := gate.complaint(value)):
            reason = line(f"{QUARANTINED}{complaint}")
            return replace(judged, status=Status.REJECTED, score=None, reason=reason, feedback=reason, curve=None)
    return judged


def _score(outcome: Outcome, ok: bool) -> float | None:
    if not ok:
        if outcome.score is not None:
            raise OutcomeError(f"the status is {outcome.status} but there is a score ({outcome.score!r}); a failure carries none")
        return None
    if outcome.score is None:
        raise OutcomeError("the status is ok but the score is missing")
    return _number("score", outcome.score)


def _number(what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise OutcomeError(f"{what} is {type(value).__name__}, expected a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise OutcomeError(f"{what} is too large for a float") from error
    if not math.isfinite(number):
        raise OutcomeError(f"{what} is {number}, expected a finite number")
    if abs(number) >= _EXACT and not _held(value, number):
        raise OutcomeError(
            f"{what} is {str(value)[:40]}, a whole number beyond 2**53 that a float does not hold exactly; return a smaller one"
        )
    return number


def _held(value: numbers.Real, number: float) -> bool:
    """Whether ``number`` is ``value``, or ``value`` is no whole number, of which a float is the nearest."""
    if isinstance(value, numbers.Integral):
        return int(value) == int(number)  # numpy's own would compare as floats
    return bool(value == number or value != value // 1)


def positive(what: str, value: object) -> float:
    """``value`` as a number above zero.

    Raises:
        OutcomeError: it is none.
    """
    number = _number(what, value)
    if number <= 0:
        raise OutcomeError(f"{what} is {number}, expected more than zero")
    return number


def _named(what: str, values: object, declared: tuple[str, ...], complete: bool) -> tuple[dict[str, float], dict[str, str]]:
    """The declared ones that are numbers a score could be, and of the others what is wrong, by name."""
    if not isinstance(values, Mapping):
        raise OutcomeError(f"{what} is {type(values).__name__}, expected a mapping of names to numbers")
    for name in values:
        if name not in declared:
            raise OutcomeError(
                f"{what} has {name!r}, which problem.yaml does not declare (declared: {', '.join(declared) or 'none'})"
            )
    found: dict[str, float] = {}
    wrong: dict[str, str] = {}
    for name in declared:
        if name not in values:
            if complete:
                wrong[name] = f"{what}.{name} is missing, which problem.yaml declares"
            continue
        try:
            found[name] = _number(f"{what}.{name}", values[name])
        except OutcomeError as error:
            wrong[name] = str(error)
    return found, wrong


def _own_names(values: object) -> tuple[str, ...]:
    """The names that an evaluator chose itself, where any may be: words, and not too many."""
    names = tuple(values) if isinstance(values, Mapping) else ()
    if bad := [name for name in names if not isinstance(name, str) or not _WORD.match(name)]:
        raise OutcomeError(f"metrics has {bad[0]!r}, expected names of letters, digits and _")
    if len(names) > MAX_METRICS:
        raise OutcomeError(f"metrics has {len(names)} numbers, expected at most {MAX_METRICS}")
    return names


def _text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise OutcomeError(f"{what} is {type(value).__name__}, expected text")
    return value


def _curve(curve: object) -> Curve:
    if not isinstance(curve, Curve) or len(curve.x) != len(curve.y) or len(curve.x) > MAX_CURVE_POINTS:
        raise OutcomeError(f"curve is no evolve Curve with x and y of one length, at most {MAX_CURVE_POINTS} points")
    return Curve(
        tuple(_number("curve.x", x) for x in curve.x),
        tuple(_number("curve.y", y) for y in curve.y),
        line(_text("curve.x_name", curve.x_name)),
        line(_text("curve.y_name", curve.y_name)),
    )


def _artifacts(values: object, contract: Contract) -> dict[str, str]:
    if not isinstance(values, Mapping):
        raise OutcomeError(f"artifacts is {type(values).__name__}, expected a mapping of names to bytes")
    packed = {}
    for name, data in values.items():
        if name not in contract.artifacts:
            raise OutcomeError(f"artifacts has {name!r}, which problem.yaml does not declare")
        if not isinstance(data, bytes | bytearray | memoryview):
            raise OutcomeError(f"artifacts.{name} is {type(data).__name__}, expected bytes")
        size = memoryview(data).nbytes
        if size > contract.max_artifact_bytes:
            raise OutcomeError(f"artifacts.{name} has {size} bytes, max_artifact_bytes is {contract.max_artifact_bytes}")
        packed[name] = pack_artifact(bytes(data))
    return packed
