"""The grader's protocol: what goes in comes out, and nothing else is believed."""

from __future__ import annotations

import contextlib
import json
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import BlockEntry, Curve, Measurement, StartMode, Status
from evolve.evaluate.grader import _wire
from evolve.evaluate.grader._wire import (
    Calibrate,
    Calibrated,
    Channel,
    Frames,
    GraderClosed,
    GraderReady,
    Measure,
    MeasureDone,
    Message,
    Phase,
    Prepare,
    Rejected,
    WireError,
    encode,
)
from evolve.problem.contract._contract import Budget, Contract, DescriptorSpec, Gate, Stage

_finite = st.floats(allow_nan=False, allow_infinity=False)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_numbers = st.dictionaries(_text, _finite, max_size=3)
_measurements = st.builds(
    Measurement,
    candidate=_text,
    stage=_text,
    seed=st.integers(0, 2**63 - 1),
    status=st.sampled_from(Status),
    score=st.none() | _finite,
    reason=_text,
    metrics=_numbers,
    descriptors=_numbers,
    curve=st.none() | st.builds(Curve, x=st.lists(_finite).map(tuple), y=st.lists(_finite).map(tuple), x_name=_text, y_name=_text),
    artifacts=st.dictionaries(_text, _text, max_size=2),
    start=st.sampled_from(StartMode),
    wall_s=_finite,
    signals=st.lists(_text, max_size=3).map(tuple),
)
_contracts = st.builds(
    Contract,
    name=_text,
    metric=_text,
    goal=st.sampled_from(["maximize", "minimize"]),
    params=st.dictionaries(_text, st.booleans() | st.integers() | _finite | _text, max_size=4),
    stages=st.lists(
        st.builds(
            Stage, name=_text, time_s=_finite, cpu_s=st.none() | _finite, start=st.sampled_from(StartMode), batch_size=st.integers()
        ),
        max_size=2,
    ).map(tuple),
    axes=st.lists(
        st.builds(DescriptorSpec, name=_text, source=_text, low=_finite, high=_finite, bins=st.integers()), max_size=2
    ).map(tuple),
    artifacts=st.dictionaries(_text, _text, max_size=2),
    gates=st.lists(st.builds(Gate, metric=_text, floor=st.none() | _finite, why=_text), max_size=2).map(tuple),
    budget=st.builds(Budget, wall_s=st.none() | _finite, evaluations=st.none() | st.integers()),
)
_messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        Prepare,
        engine=_text,
        slot=st.integers(),
        tier=_text,
        machine=_text,
        folder=_text,
        assets=st.none() | _text,
        candidate_assets=st.none() | _text,
        contract=_contracts,
        params=st.dictionaries(_text, st.booleans() | st.integers() | _finite | _text, max_size=4),
        seed=st.dictionaries(_text, _text, max_size=2),
        evaluator=_text,
    ),
    st.builds(GraderReady, engine=_text, python=_text, tier=_text, tier_hash=_text, machine=_text),
    st.builds(Rejected, reason=_text),
    st.builds(
        Measure,
        entry=st.builds(BlockEntry, candidate=_text, stage=_text, seed=st.integers(), cpu_limit_s=st.none() | _finite),
        files=st.dictionaries(_text, _text, max_size=2),
    ),
    st.builds(Phase, inside=st.booleans(), cpu_s=_finite),
    st.builds(MeasureDone, result=_measurements),
    st.builds(Calibrated, seconds=_finite),
    st.just(Calibrate()),
    st.just(GraderClosed()),
)


@given(st.lists(_messages, max_size=4), st.integers(1, 64))
def test_messages_survive_the_way_however_they_are_cut(messages: list[Message], step: int) -> None:
    data = b"".join(encode(message) for message in messages)
    frames, found = Frames(), []
    for at in range(0, len(data), step):
        frames.feed(data[at : at + step])
        while (message := frames.pop()) is not None:
            found.append(message)
    assert found == messages
    for sent, came in zip(messages, found, strict=True):
        if isinstance(sent, Prepare):
            assert isinstance(came, Prepare)
            assert {name: type(value) for name, value in came.params.items()} == {n: type(v) for n, v in sent.params.items()}


def _frame(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


@given(st.binary(max_size=200))
def test_junk_is_an_error_or_nothing_yet(junk: bytes) -> None:
    for data in (junk, _frame(junk)):
        frames = Frames()
        frames.feed(data)
        with contextlib.suppress(WireError):
            assert frames.pop() is None


@pytest.mark.parametrize(
    "value",
    [
        {"Nonsense": {}},
        {"Rejected": {}},
        {"Rejected": {"reason": 3}},
        {"Rejected": {"reason": "a", "more": 1}},
        {"Rejected": []},
        {"Rejected": {"reason": "a"}, "Calibrate": {}},
        {"Phase": {"inside": 1}},
        {"Calibrated": {"seconds": "1"}},
        {"MeasureDone": {"result": {"candidate": "a", "stage": "s", "seed": 1, "status": "fine"}}},
        {"MeasureDone": {"result": {"candidate": "a", "stage": "s", "seed": 1.5, "status": "ok"}}},
        {"Measure": {"entry": {"candidate": "a", "stage": "s", "seed": 1}, "files": {"a": 1}}},
        [],
        "Calibrate",
    ],
)
def test_other_forms_are_refused(value: object) -> None:
    frames = Frames()
    frames.feed(_frame(json.dumps(value).encode()))
    with pytest.raises(WireError):
        frames.pop()


def test_numbers_that_are_not_finite_do_not_travel() -> None:
    with pytest.raises(WireError):
        encode(Calibrated(seconds=float("nan")))
    frames = Frames()
    frames.feed(_frame(b'{"Calibrated": {"seconds": Infinity}}'))
    with pytest.raises(WireError):
        frames.pop()


def test_what_has_no_form_does_not_travel() -> None:
    with pytest.raises(WireError, match="Rejected does not fit JSON: a value of type bytes"):
        encode(Rejected(reason=b"x"))  # type: ignore[arg-type]


def test_a_frame_above_the_limit_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wire, "MAX_FRAME_BYTES", 100)
    with pytest.raises(WireError):
        encode(Rejected(reason="x" * 200))
    frames = Frames()
    frames.feed(struct.pack(">I", 101))
    with pytest.raises(WireError):
        frames.pop()


def test_a_channel_ends_with_its_other_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Channel(theirs).send(Rejected(reason="x" * 100_000))
        theirs.send(b"\0\0")
        theirs.close()
        channel = Channel(ours)
        assert channel.receive() == Rejected(reason="x" * 100_000)
        assert channel.receive() is None
