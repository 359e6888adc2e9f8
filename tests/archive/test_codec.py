"""Records survive the way to JSON and back, and nothing unknown is dropped silently."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from journal_records import any_record, made

from archive import (
    RECORD_TYPES,
    SCHEMA_VERSION,
    Attempt,
    BlockClosed,
    BlockStatus,
    RecordError,
    decode_record,
    encode_record,
    plain,
)


def through_json(record: object) -> object:
    payload = json.loads(json.dumps(encode_record(record), allow_nan=False))  # type: ignore[arg-type]
    return decode_record(record.kind, payload)  # type: ignore[attr-defined]


@pytest.mark.parametrize("cls", RECORD_TYPES, ids=lambda cls: cls.kind)
def test_the_round_trip_is_the_identity_for_every_kind(cls: type) -> None:
    @given(made(cls))
    @settings(max_examples=40, deadline=None)
    def check(record: object) -> None:
        back = through_json(record)
        assert back == record
        assert type(back) is type(record)

    check()


@given(any_record())
@settings(max_examples=60, deadline=None)
def test_a_payload_never_holds_the_names_that_the_journal_adds(record: object) -> None:
    assert not {"seq", "at", "kind", "v", "ev"} & encode_record(record).keys()  # type: ignore[arg-type]


def test_enums_and_tuples_come_back_as_themselves() -> None:
    record = BlockClosed(Attempt("e", 3), "p", BlockStatus.VOID, skipped=(1, 2))
    back = through_json(record)
    assert isinstance(back, BlockClosed)
    assert back.status is BlockStatus.VOID
    assert back.skipped == (1, 2)
    assert back.attempt == Attempt("e", 3, 1)


def test_plain_has_every_field_and_refuses_what_json_does_not_have() -> None:
    record = BlockClosed(Attempt("e", 3), "p", BlockStatus.VOID, skipped=(1, 2))
    found = plain({1: record})
    assert found == {
        "1": {
            "attempt": {"epoch": "e", "ticket": 3, "n": 1},
            "problem": "p",
            "status": "void",
            "skipped": [1, 2],
            "drift": None,
            "reason": "",
            "lost": None,
        }
    }
    assert type(found["1"]["status"]) is str
    with pytest.raises(TypeError, match="bytes has no form in JSON"):
        plain([b"x"])


def test_fields_at_their_default_are_left_out() -> None:
    assert encode_record(BlockClosed(Attempt("e", 3), "p", BlockStatus.OK)) == {
        "attempt": {"epoch": "e", "ticket": 3},
        "problem": "p",
        "status": "ok",
    }


def test_kinds_are_distinct() -> None:
    assert len({cls.kind for cls in RECORD_TYPES}) == len(RECORD_TYPES)


@pytest.mark.parametrize(
    ("kind", "payload", "schema", "said"),
    [
        ("telepathy", {}, SCHEMA_VERSION, "unknown record kind 'telepathy'"),
        ("note", {"text": "x", "mood": "good"}, SCHEMA_VERSION, "mood"),
        ("note", {}, SCHEMA_VERSION, "text"),
        ("note", {"text": "x"}, SCHEMA_VERSION + 1, f"schema {SCHEMA_VERSION + 1}"),
        ("block_closed", {"attempt": {"epoch": "e", "ticket": 1}, "problem": "p", "status": "great"}, SCHEMA_VERSION, "great"),
        ("block_closed", {"attempt": 7, "problem": "p", "status": "ok"}, SCHEMA_VERSION, "form"),
        ("block_closed", {"attempt": {"epoch": "e", "ticket": 1, "x": 0}, "problem": "p", "status": "ok"}, SCHEMA_VERSION, "x"),
    ],
)
def test_what_this_version_does_not_know_is_an_error_with_the_remedy(kind: str, payload: dict, schema: int, said: str) -> None:
    with pytest.raises(RecordError) as caught:
        decode_record(kind, payload, schema)
    assert said in str(caught.value)
    assert "update this installation" in str(caught.value)
