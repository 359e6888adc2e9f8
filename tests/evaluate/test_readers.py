"""Readers of bytes a candidate wrote: what is well formed comes through unchanged, everything else is ``Unreadable``."""

from __future__ import annotations

import contextlib
import io
import json
import math
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evolve.evaluate import Array, JsonValue, Unreadable, read_json, read_npy, read_safetensors
from evolve.evaluate._readers import read_files, read_frame, read_values
from evolve.evaluate._text import clean_log, clean_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
DTYPES = st.sampled_from(["<f8", "<f4", "<f2", "<i8", "<i4", "<u2", "|u1", "|b1", "<c16"])
ARRAYS = DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))


def npy(array: np.ndarray, **more: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **more)
    return file.getvalue()


def spec_of(array: np.ndarray, **more: object) -> Array:
    return Array(array.dtype.str, array.shape, finite=False, **more)  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------------------------- JSON


@given(JSON)
@settings(deadline=None)
def test_json_comes_through(value: object) -> None:
    data = json.dumps(value).encode()
    assert read_json(data, len(data)) == value


def test_any_bytes_are_json_or_unreadable() -> None:
    read = []

    @given(st.binary(max_size=9), JSON, st.integers(0, 1000), st.integers(0, 2))
    @settings(deadline=None)
    def look(noise: bytes, value: object, at: int, lost: int) -> None:
        whole = json.dumps(value).encode()
        at %= len(whole)
        for data in (noise, whole[:at] + whole[at + lost :], whole[:at] + noise[:1] + whole[at + lost :]):
            with contextlib.suppress(Unreadable):
                found = read_json(data, 10_000)
                assert json.loads(data) == found
                read.append(data)

    look()
    assert len(read) > 20  # bytes without any order are never JSON, and would show nothing


@pytest.mark.parametrize(
    "data",
    [
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b"[" * 65 + b"]" * 65,
        b"[" * 500_000,
        b'{"a":' * 500_000,
        b"9" * 401,
        b"0." + b"1" * 400,
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b'"\xff"',
        b"",
        b"[1,]",
        b"1 2",
        b"\xef\xbb\xbf1",
    ],
    ids=range(19),
)
def test_hostile_json_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read_json(data, 10_000_000)


@pytest.mark.parametrize(
    "data", [b'"' + b'\\"' * 500_000, b'["' + b'\\"' * 500_000 + b"\\", b'"\\' * 333_333], ids=["open", "half", "many"]
)
def test_quotes_that_never_close_are_looked_at_once(data: bytes) -> None:
    """A look that began anew at each quote would take an hour: a bound tells linear from quadratic, not fast from slow."""
    began = time.process_time()
    with pytest.raises(Unreadable, match="not valid JSON"):
        read_json(data, 10_000_000)
    assert time.process_time() - began < 20


def test_brackets_in_strings_are_no_nesting() -> None:
    text = '"' + "[" * 1000 + '\\"{"'
    assert read_json(text.encode(), 5000) == json.loads(text)


def test_json_is_measured_before_it_is_parsed() -> None:
    with pytest.raises(Unreadable, match="at most 10"):
        read_json(b"[1,2,3,4,5]", 10)


# ------------------------------------------------------------------------------------------------------------------- arrays


@given(ARRAYS, st.booleans())
@settings(deadline=None)
def test_npy_comes_through(array: np.ndarray, fortran: bool) -> None:
    data = npy(np.asfortranarray(array) if fortran and array.ndim else array)
    got = read_npy(data, spec_of(array))
    assert got.flags.writeable
    assert got.flags.c_contiguous
    assert got.tobytes() == np.ascontiguousarray(array).tobytes()


@given(ARRAYS, st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_npy_file_is_unreadable_or_has_the_declared_form(array: np.ndarray, data: st.DataObject) -> None:
    good = npy(array)
    cut = data.draw(st.integers(0, len(good)))
    put = data.draw(st.binary(max_size=8))
    bad = good[:cut] + put + good[cut + data.draw(st.integers(0, 8)) :]
    try:
        got = read_npy(bad, spec_of(array))
    except Unreadable:
        return
    assert (got.dtype, got.shape) == (array.dtype, array.shape)


def header(text: str, body: bytes = b"", version: int = 1) -> bytes:
    raw = text.encode("latin-1")
    width = 2 if version == 1 else 4
    return b"\x93NUMPY" + bytes([version, 0]) + len(raw).to_bytes(width, "little") + raw + body


@pytest.mark.parametrize(
    "data",
    [
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}", b"12345678"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 4)}"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}", b"12345678"),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"\x80\x04N."),
        header("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", b"12345678"),
        header("{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}", b"12345678"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': 1}", b"12345678"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", b"123456789"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "(" * 1500 + ")}"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': " + "-" * 1900 + "1}"),
        header("__import__('os').system('true')"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}" + " " * 9000, b"12345678", 2),
        b"\x93NUMPY\x01\x00\xff\xff",
        b"\x93NUMPY\x07\x00\x10\x00",
        b"PK\x03\x04" + b"\0" * 100,
        b"",
    ],
    ids=range(17),
)
def test_npy_bombs_are_unreadable_and_cost_no_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable):
            read_npy(data, Array("float64", (None,)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_arrays_have_the_declared_dtype_shape_and_size() -> None:
    array = np.zeros((2, 3))
    for spec in (Array("float32", (2, 3)), Array(">f8", (2, 3)), Array("float64", (3, 2)), Array("float64", (6,))):
        with pytest.raises(Unreadable):
            read_npy(npy(array), spec)
    with pytest.raises(Unreadable, match="at most 5 items"):
        read_npy(npy(array), Array("float64", (None, 3), max_items=5))
    assert read_npy(npy(array), Array("float64", (None, 3), max_items=6)).shape == (2, 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_floats_are_finite_unless_declared_otherwise(bad: float) -> None:
    for dtype in ("float64", "complex64"):
        data = npy(np.array([1.0, bad], dtype))
        with pytest.raises(Unreadable, match="NaN or infinite"):
            read_npy(data, Array(dtype, (2,)))
        assert read_npy(data, Array(dtype, (2,), finite=False)).shape == (2,)


# -------------------------------------------------------------------------------------------------------------- safetensors


def tensors(entries: dict[str, object], body: bytes) -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + body


ONE_TENSOR = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


def test_safetensors_come_through() -> None:
    body = np.arange(2, dtype="<f4").tobytes() + np.arange(3, dtype="<i8").tobytes()
    entries = {"__metadata__": {"a": "b"}, **ONE_TENSOR, "i": {"dtype": "I64", "shape": [3], "data_offsets": [8, 32]}}
    got = read_safetensors(tensors(entries, body), {"w": Array("float32", (2,)), "i": Array("int64", (None,))})
    np.testing.assert_array_equal(got["w"], [0, 1])
    np.testing.assert_array_equal(got["i"], [0, 1, 2])


@pytest.mark.parametrize(
    ("entries", "body"),
    [
        (ONE_TENSOR, b"1234567"),
        (ONE_TENSOR, b"123456789"),
        ({"v": ONE_TENSOR["w"]}, b"12345678"),
        ({**ONE_TENSOR, "v": ONE_TENSOR["w"]}, b"12345678"),
        ({"w": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}, b"12345678"),
        ({"w": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}, b"12345678"),
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]}}, b"123456789"),
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}, b"12345678"),
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0.0, 8]}}, b"12345678"),
        ({"w": {"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]}}, b"12345678"),
        ({"w": 7}, b""),
        ([], b""),
    ],
    ids=range(12),
)
def test_other_safetensors_are_unreadable(entries: dict[str, object], body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_safetensors(tensors(entries, body), {"w": Array("float32", (2,))})


@given(st.binary(max_size=64))
@settings(deadline=None)
def test_any_bytes_are_safetensors_or_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read_safetensors(data, {"w": Array("float32", (None,))})


# ------------------------------------------------------------------------------------------------------------------- frames


def frame(head: object, body: bytes = b"") -> bytes:
    text = json.dumps(head).encode()
    return b"EVR1" + len(text).to_bytes(4, "little") + text + body


@given(st.binary(max_size=100), st.binary(max_size=100))
@settings(deadline=None)
def test_any_bytes_are_a_frame_with_the_declared_values_or_unreadable(before: bytes, after: bytes) -> None:
    good = frame({"values": [[["json", 1], ["array", "<f8", [1], 8]]]}, b"7" + np.float64(2.0).tobytes())
    returns = [{"a": JsonValue(), "b": Array("float64", (1,))}]
    for data in (before, good + after, good[: len(good) - len(after)], good[: len(before)] + before + good[2 * len(before) :]):
        try:
            values = read_values(read_frame(data, 3), returns)
        except Unreadable:
            continue
        assert set(values[0]) == {"a", "b"}
        assert values[0]["b"].shape == (1,)  # type: ignore[attr-defined]


def test_output_files_are_bounded_one_by_one() -> None:
    good = frame({"exit": 0, "files": [2, 1]}, b"abc")
    assert read_files(read_frame(good, 3), {"x": 2, "y": 1}) == ({"x": b"ab", "y": b"c"}, "")
    for head, body in (([3, 0], b"abc"), ([2], b"ab"), ([2, 1], b"ab"), ([2, 1], b"abcd"), ([True, 1], b"ab"), ([-1, 1], b"a")):
        with pytest.raises(Unreadable):
            read_files(read_frame(frame({"exit": 0, "files": head}, body), 3), {"x": 2, "y": 1})


def test_an_output_that_is_missing_does_not_cost_the_others() -> None:
    some = frame({"exit": 1, "files": ["missing", 1, "9 bytes"]}, b"c")
    assert read_files(read_frame(some, 4), {"x": 2, "y": 1, "z": 3}) == ({"y": b"c"}, "output x: missing")


# --------------------------------------------------------------------------------------------------------------------- text


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_cleaned_text_has_no_controls_and_stays_clean(data: bytes) -> None:
    text = clean_log(data)
    assert all(char in "\n\t" or char.isprintable() or ord(char) > 0x9F for char in text)
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x1b\\x", "x"),
        ("\x9b31mred", "red"),
        ("a\rb\r\nc", "a\nb\nc"),
        ("[bold red]x[/bold red] [link=http://evil]y[/link] [@click=app.quit]z[/]", "x y z"),
        ("<script>alert(1)</script><img src=x onerror=y>", "alert(1)"),
        ("<<b>script>x", "x"),
        ("[bo[bold]ld]x", "x"),
        ("x[i] <module> <listcomp> List[int] a < b > c", "x[i] <module> <listcomp> List[int] a < b > c"),
        ("\u202eevil\u2066\u200b\ufeff", "evil"),
    ],
)
def test_markup_goes_and_code_stays(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean_log(raw.encode()) == clean
