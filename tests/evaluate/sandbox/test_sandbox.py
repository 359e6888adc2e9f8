"""Calls, commands and what their ends mean, in both tiers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sandbox_calls import ECHO, ONE, STAGE, ran

from archive import StartMode, Status
from evolve._errors import EnvironmentFault, MissingPackage, UsageError
from evolve.evaluate import Array, JsonValue, SandboxFactory, VisibleFiles, open_sandbox_factory

# ------------------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 4)])
def test_arrays_travel_unchanged(factory: SandboxFactory, shape: tuple[int, ...]) -> None:
    values = np.arange(int(np.prod(shape, initial=1))).reshape(shape)
    dtypes = ("float64", "float32", "int64", "uint8", "bool", "complex128", "float16")
    sent = {dtype: values.astype(dtype) for dtype in dtypes}
    with factory.sandbox({"m.py": ECHO}, STAGE, start=StartMode.COLD) as sandbox:
        reply = sandbox.call("m.py:echo", sent, {dtype: Array(dtype, shape) for dtype in dtypes})
    assert reply.ok, reply.reason
    assert reply.value.keys() == sent.keys()
    for dtype, array in sent.items():
        got = reply.value[dtype]
        assert isinstance(got, np.ndarray)
        assert (got.dtype, got.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(got, array)


def test_json_travels_unchanged(factory: SandboxFactory) -> None:
    sent = {"a": [1, -2.5, None, True, "\x00é\u2028😀"], "": {}, "big": 10**30, "nested": [[[]]]}
    with factory.sandbox({"m.py": ECHO}, STAGE, start=StartMode.COLD) as sandbox:
        reply = sandbox.call("m.py:echo", {"value": sent}, ONE)
    assert reply.value["value"] == sent


def test_a_tuple_and_a_bare_value_are_named_by_their_order(factory: SandboxFactory) -> None:
    files = {"m.py": "def f():\n    return 1, [2.0, 3.0]\ndef g():\n    return {'k': 1}\n"}
    with factory.sandbox(files, STAGE, start=StartMode.COLD) as sandbox:
        both = sandbox.call("m.py:f", {}, {"a": JsonValue(), "b": Array("float64", (None,))})
        bare = sandbox.call("m.py:g", {}, ONE)
    assert both.value["a"] == 1
    np.testing.assert_array_equal(both.value["b"], [2.0, 3.0])
    assert bare.value["value"] == {"k": 1}


def test_lists_become_arrays_where_numpy_is_not_declared(bare_view: SandboxFactory) -> None:
    files = {
        "m.py": "def f(x):\n    assert x == [[0.0, 1.0], [2.0, 3.0]]\n"
        "    return [[v * 2 for v in row] for row in x], [True, False]\n"
    }
    with bare_view.sandbox(files, STAGE, start=StartMode.COLD) as sandbox:
        returns = {"x": Array("float64", (2, 2)), "b": Array("bool", (2,))}
        reply = sandbox.call("m.py:f", {"x": np.arange(4.0).reshape(2, 2)}, returns)
    assert reply.ok, reply.reason
    np.testing.assert_array_equal(reply.value["x"], [[0.0, 2.0], [4.0, 6.0]])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return [1.0, float('nan')]", "NaN"),
        ("return [1.0, float('inf')]", "infinite"),
        ("return [1.0]", "shape"),
        ("return [[1.0, 2.0]]", "dimensions"),
        ("import numpy; return numpy.zeros(2, 'float32')", "expected an array of <f8"),
        ("import numpy; return numpy.array([None, None])", "expected an array of <f8"),
        ("return 'text'", "x"),
        ("return None", "x"),
        ("return [[1.0], [2.0, 3.0]]", "x"),
    ],
)
def test_another_array_than_declared_is_invalid(factory: SandboxFactory, body: str, why: str) -> None:
    with factory.sandbox({"m.py": f"def f():\n    {body}\n"}, STAGE, start=StartMode.COLD) as sandbox:
        reply = sandbox.call("m.py:f", {}, {"x": Array("float64", (2,))})
    assert reply.status is Status.INVALID
    assert why in reply.reason


def test_one_failure_fails_all_of_call_many(factory: SandboxFactory) -> None:
    source = "n = 0\ndef f(x):\n    global n\n    n += 1\n    return x // (x - 3) + n\n"
    with factory.sandbox({"m.py": source}, STAGE, start=StartMode.COLD) as sandbox:
        good = sandbox.call_many("m.py:f", [{"x": 4}, {"x": 5}], [ONE, ONE])
        bad = sandbox.call_many("m.py:f", [{"x": 4}, {"x": 3}], [ONE, ONE])
    assert [value["value"] for value in good.values] == [5, 4]
    assert bad.status is Status.CRASH
    assert "ZeroDivisionError" in bad.reason
    assert bad.values == ()


def test_equal_replies_have_equal_hashes(factory: SandboxFactory) -> None:
    with factory.sandbox({"m.py": "def f(x):\n    return x\n"}, STAGE, start=StartMode.COLD) as sandbox:
        hashes = [sandbox.call("m.py:f", {"x": x}, ONE).output_hash for x in (1, 1, 2)]
        assert sandbox.output_hash == hashes[2]
        sandbox.call("m.py:f", {}, ONE)
        assert sandbox.output_hash == hashes[2]
    assert hashes[0] == hashes[1] != hashes[2]


def test_candidates_of_several_files_import_each_other(factory: SandboxFactory) -> None:
    files = {"pkg/__init__.py": "", "pkg/a.py": "X = 7\n", "m.py": "from pkg.a import X\ndef f():\n    return X\n"}
    files["pkg/m.py"] = "from pkg import a\ndef f():\n    return a.X + 1\n"
    with factory.sandbox(files, STAGE, start=StartMode.COLD) as sandbox:
        assert sandbox.call("m.py:f", {}, ONE).value["value"] == 7
        assert sandbox.call("pkg/m.py:f", {}, ONE).value["value"] == 8
        assert sandbox.call("absent.py:f", {}, ONE).status is Status.INVALID


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "a//b", "", "a\0b"])
def test_files_stay_in_their_folder(factory: SandboxFactory, path: str) -> None:
    with factory.sandbox({path: "x", "m.py": ECHO}, STAGE, start=StartMode.COLD) as sandbox:
        assert sandbox.call("m.py:echo", {}, ONE).status is Status.INVALID


# --------------------------------------------------------------------------------------------------------------- the evaluator


def test_mistakes_of_the_evaluator_raise(factory: SandboxFactory, tmp_path: Path) -> None:
    with factory.sandbox({"m.py": ECHO}, STAGE, start=StartMode.COLD) as sandbox:
        with pytest.raises(TypeError, match="JSON or a numpy array"):
            sandbox.call("m.py:echo", {"x": object()}, ONE)
        with pytest.raises(ValueError, match="an entry is"):
            sandbox.call("m.py", {}, ONE)
        with pytest.raises(ValueError, match="one for each"):
            sandbox.call_many("m.py:echo", [{}], [])
        with pytest.raises(ValueError, match="below /output"):
            sandbox.run(["python", "/candidate/m.py"], outputs={"../x": 1})
        with pytest.raises(ValueError, match="below /input"):
            sandbox.call("m.py:echo", {}, ONE, inputs={"/etc/x": b""})
        with pytest.raises(FileNotFoundError):
            sandbox.call("m.py:echo", {}, ONE, inputs={"x": tmp_path / "absent"})


def test_what_cannot_be_had_is_said() -> None:
    with pytest.raises(UsageError, match="strict, none"):
        open_sandbox_factory("docker", VisibleFiles())
    with pytest.raises(MissingPackage, match="pip install no-such-package"):
        open_sandbox_factory("strict", VisibleFiles(imports=("no_such.package",)))
    with pytest.raises(EnvironmentFault, match="not a folder"):
        open_sandbox_factory("strict", VisibleFiles(assets=Path("/no/such/folder")))


# ------------------------------------------------------------------------------------------------------------------ commands


def test_a_command_reads_inputs_and_leaves_outputs(factory: SandboxFactory, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"from a path")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "deep").write_bytes(b"from a folder")
    source = (
        "import os, sys\nI, O = os.environ['EVOLVE_INPUT'], os.environ['EVOLVE_OUTPUT']\n"
        "os.mkdir(O + '/d')\n"
        "data = b'|'.join(open(I + '/' + n, 'rb').read() for n in ('a', 'sub/b', 'file', 'folder/deep'))\n"
        "open(O + '/d/out', 'wb').write(data)\nopen(O + '/empty', 'wb')\n"
        "print(sys.argv[1:], os.environ['MODE'], os.getcwd() == os.environ['EVOLVE_WORK'])\n"
    )
    inputs: dict[str, bytes | Path] = {"a": b"bytes", "sub/b": b"more", "file": tmp_path / "file", "folder": tmp_path / "folder"}
    with factory.sandbox({"m.py": source}, STAGE, start=StartMode.COLD) as sandbox:
        argv = ["python", "/candidate/m.py", "x"]
        reply = sandbox.run(argv, inputs=inputs, outputs={"d/out": 100, "empty": 0}, env={"MODE": "fast"})
    assert reply.ok, (reply.reason, reply.log)
    assert reply.files == {"d/out": b"bytes|more|from a path|from a folder", "empty": b""}
    assert reply.log == "['x'] fast True\n"
    assert reply.exit_code == 0


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("pass", "missing"),
        ("os.symlink('/etc/passwd', 'out')", "regular"),
        ("os.symlink('real', 'out'); open('real', 'w').write('x')", "regular"),
        ("os.mkfifo('out')", "regular"),
        ("os.mkdir('out')", "regular"),
        ("socket.socket(socket.AF_UNIX).bind('out')", "regular"),
        ("open('out', 'wb').write(b'x' * 11)", "at most 10"),
        ("open('out', 'wb').truncate(1 << 33)", "at most 10"),
        ("os.mkdir('real'); open('real/out', 'w'); os.symlink('real', 'd')", "missing"),
    ],
)
def test_outputs_are_regular_files_of_bounded_size(factory: SandboxFactory, body: str, why: str) -> None:
    source = f"import os, socket\nos.chdir(os.environ['EVOLVE_OUTPUT'])\n{body}\n"
    reply = ran(factory, source, outputs={"out": 10})
    assert reply.status is Status.INVALID
    assert why in reply.reason
    assert reply.files == {}


def test_an_output_below_a_linked_folder_is_refused(factory: SandboxFactory) -> None:
    source = "import os\nos.chdir(os.environ['EVOLVE_OUTPUT'])\nos.mkdir('real'); open('real/out', 'w'); os.symlink('real', 'd')\n"
    assert ran(factory, source, outputs={"d/out": 10}).status is Status.INVALID


@pytest.mark.parametrize(
    ("body", "code", "why"),
    [
        ("raise SystemExit(3)", 3, "exit status 3"),
        ("1 / 0", 1, "exit status 1"),
        ("import os; os.kill(os.getpid(), 9)", -9, "SIGKILL"),
        ("import os; os.abort()", -6, "SIGABRT"),
    ],
)
def test_a_command_that_fails_is_a_crash(factory: SandboxFactory, body: str, code: int, why: str) -> None:
    reply = ran(factory, body)
    assert reply.status is Status.CRASH
    assert reply.exit_code == code
    assert why in reply.reason


@pytest.mark.parametrize(
    ("end", "code", "status"),
    [("", 0, Status.INVALID), ("raise SystemExit(1)", 1, Status.CRASH), ("import os; os.kill(os.getpid(), 15)", -15, Status.CRASH)],
)
def test_what_a_command_wrote_comes_back_however_it_ended(factory: SandboxFactory, end: str, code: int, status: Status) -> None:
    body = "import os\nO = os.environ['EVOLVE_OUTPUT']\nopen(O + '/r.xml', 'w').write('<3 tests>')\n"
    body += f"print('one failed', flush=True)\n{end}\n"
    with factory.sandbox({"m.py": body}, STAGE, start=StartMode.COLD) as sandbox:
        reply = sandbox.run(["python", "/candidate/m.py"], outputs={"r.xml": 100, "other": 10})
        assert (reply.status, reply.exit_code) == (status, code)
        assert reply.files == {"r.xml": b"<3 tests>"}
        assert reply.log == "one failed\n"
        assert "output other: missing" in reply.reason
        assert sandbox.output_hash == reply.output_hash != ""
    with factory.sandbox({"m.py": body.replace("3 tests", "2 tests")}, STAGE, start=StartMode.COLD) as sandbox:
        assert sandbox.run(["python", "/candidate/m.py"], outputs={"r.xml": 100}).output_hash != reply.output_hash


def test_a_command_that_does_not_exist_is_a_crash(factory: SandboxFactory) -> None:
    with factory.sandbox({}, STAGE, start=StartMode.COLD) as sandbox:
        assert sandbox.run(["/no/such/program"]).status is Status.CRASH


def test_large_values_and_files_fit_through(factory: SandboxFactory) -> None:
    source = "import os\ndef f(x):\n    return x\nif __name__ == '__main__':\n"
    source += "    open(os.environ['EVOLVE_OUTPUT'] + '/big', 'wb').write(bytes(range(256)) * (1 << 16))\n"
    sent = np.random.default_rng(0).normal(size=(1 << 20))
    with factory.sandbox({"m.py": source}, STAGE, start=StartMode.COLD) as sandbox:
        reply = sandbox.call("m.py:f", {"x": sent}, {"x": Array("float64", (None,))})
        files = sandbox.run(["python", "/candidate/m.py"], outputs={"big": 1 << 24}).files
    np.testing.assert_array_equal(reply.value["x"], sent)
    assert files["big"] == bytes(range(256)) * (1 << 16)
