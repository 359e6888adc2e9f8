"""What runs inside a sandbox before and after the candidate: reads one request, does it, writes one reply.

It is compiled and bound into the sandbox as a ``.pyc``; there it runs as ``python -I -S``, so it must stand alone, but for
``_stub_program`` beside it and, for a command, ``_stub_command``; and it imports almost nothing (each import costs every
evaluation).  It is not a wall: the candidate
shares its interpreter and may forge the reply, which is only the candidate's own claim.  Walls are the namespaces around it and the
reader in the grader.

Descriptors: 0 the request, 1 and 2 the log, 3 the reply.  A request is 8 bytes of length and a marshalled mapping written by
``evolve.evaluate.sandbox._request``; behind it may come further calls, or a byte that says that a command's time is over.  A reply
is ``EVR1``, 4 bytes of header length, a JSON header, payloads.
"""

import marshal
import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(sys.argv[0]))
    import _stub_program as program  # another file beside this one

    del sys.path[0]
elif __name__ == "_stub":
    import _stub_program as program
else:
    from evolve.evaluate.child import _stub_program as program

Refused = program.Refused
REPLY_FD = 3
_CODES = {"<f8": "d", "<f4": "f", "<i8": "q", "<u8": "Q", "<i4": "i", "<u4": "I", "<i2": "h", "<u2": "H", "|i1": "b", "|u1": "B"}
_MEMORY_CODES = {**_CODES, "|b1": "?"}


# ---------------------------------------------------------------------------------------------------------------- frames


def read_request(fd: int) -> dict:
    """The next request; waits for it."""
    return marshal.loads(_read_exactly(fd, int.from_bytes(_read_exactly(fd, 8), "little")))


def _read_exactly(fd: int, size: int) -> bytes:
    chunks = []
    while size:
        chunk = os.read(fd, min(size, 1 << 20))
        if not chunk:
            os._exit(0)  # the factory gave this sandbox up
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def write_all(fd: int, data: bytes) -> None:
    """Write everything, however often the pipe fills."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_frame(header: object, payloads: list[bytes]) -> None:
    """Write the reply."""
    text = to_json(header).encode()
    write_all(REPLY_FD, b"EVR1" + len(text).to_bytes(4, "little") + text + b"".join(payloads))


# --------------------------------------------------------------------------------------------------------------- encoding


def to_json(value: object) -> str:
    """``json.dumps`` without NaN or other keys than text.  The json module would cost each start 5 ms."""
    quoted = program.kept_module("_json").encode_basestring_ascii
    parts: list[str] = []
    _json_parts(value, parts.append, quoted)
    return "".join(parts)


def _json_parts(value, put, quoted) -> None:  # type: ignore[no-untyped-def]
    if value is None or value is True or value is False:
        put({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, str):
        put(quoted(str(value)))
    elif isinstance(value, int):
        put(int.__repr__(value))
    elif isinstance(value, float):
        if value - value != 0:
            raise Refused("a JSON value with NaN or infinity")
        put(float.__repr__(value))
    elif isinstance(value, dict):
        mark = "{"
        for key, item in value.items():
            if not isinstance(key, str):
                raise Refused(f"a JSON object with a key of type {type(key).__name__}")
            put(mark + quoted(str(key)) + ":")
            _json_parts(item, put, quoted)
            mark = ","
        put("}" if value else "{}")
    elif isinstance(value, (list, tuple)):
        mark = "["
        for item in value:
            put(mark)
            _json_parts(item, put, quoted)
            mark = ","
        put("]" if value else "[]")
    elif hasattr(value, "tolist"):
        _json_parts(value.tolist(), put, quoted)
    else:
        raise Refused(f"a value of type {type(value).__name__} where JSON was declared")


def _array_bytes(value, dtype: str) -> tuple[str, list[int], bytes]:  # type: ignore[no-untyped-def]
    """(dtype, shape, bytes) of what the candidate returned; its own dtype if it has one, the declared one for plain lists."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        array = numpy.asarray(value) if hasattr(value, "__array__") or hasattr(value, "dtype") else numpy.asarray(value, dtype)
        array = numpy.ascontiguousarray(array).reshape(array.shape)
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("<"))
        return array.dtype.str, list(array.shape), array.tobytes()
    packed = program.kept_module("array").array
    if not isinstance(value, (list, tuple, int, float)):
        view = memoryview(value)
        if view.shape is None:
            raise Refused("a buffer without a shape")
        return {code: name for name, code in _MEMORY_CODES.items()}.get(view.format, view.format), list(view.shape), view.tobytes()
    shape, flat = _flatten(value)
    if dtype == "|b1":
        return dtype, shape, bytes(bool(item) for item in flat)
    if dtype not in _CODES:
        raise Refused(f"a list where an array of {dtype} was declared: add numpy to the problem's candidate_imports")
    return dtype, shape, packed(_CODES[dtype], flat).tobytes()


def _flatten(value) -> tuple[list[int], list]:  # type: ignore[no-untyped-def]
    shape: list[int] = []
    flat = [value]
    while flat and isinstance(flat[0], (list, tuple)):
        side = len(flat[0])
        if any(not isinstance(row, (list, tuple)) or len(row) != side for row in flat):
            raise Refused("nested lists of unequal lengths")
        shape.append(side)
        flat = [item for row in flat for item in row]
    return shape, flat


def _decoded(value):  # type: ignore[no-untyped-def]
    """An argument.  Arrays travel as tuples (dtype, shape, bytes), which JSON values never contain."""
    if not isinstance(value, tuple):
        return value
    dtype, shape, data = value
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        return numpy.frombuffer(data, dtype).reshape(shape).copy()
    if not data:
        return []
    flat = memoryview(data).cast(_MEMORY_CODES[dtype])
    return flat[0] if not shape else flat.cast("B").cast(_MEMORY_CODES[dtype], shape).tolist()


# ----------------------------------------------------------------------------------------------------------------- limits


def set_limits(limits: list) -> None:
    """Set (name, value) rlimits, soft and hard, never above what is already there."""
    import resource

    for name, value in limits:
        which = getattr(resource, name)
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


# ------------------------------------------------------------------------------------------------------------------ calls


def preload(names: list) -> None:
    """Import what candidates of this problem may import; a name that is no module is passed over."""
    for name in names:
        try:
            __import__(name)
        except (ImportError, AttributeError, OSError, RuntimeError, TypeError, ValueError, SystemExit):
            continue  # a hint only: the candidate will see for itself


def _named(value, returns: list):  # type: ignore[no-untyped-def]
    """The returned values in declared order."""
    names = [entry[0] for entry in returns]
    if isinstance(value, dict) and set(value) == set(names):
        return [value[name] for name in names]
    if len(names) == 1:
        return [value]
    if isinstance(value, dict):
        raise Refused(f"expected a mapping with {', '.join(names)}, got other names")
    if not isinstance(value, (tuple, list)) or len(value) != len(names):
        raise Refused(f"expected {len(names)} values ({', '.join(names)}), got {type(value).__name__}")
    return list(value)


def _encode_value(value, entry: tuple) -> tuple[list, bytes]:  # type: ignore[no-untyped-def]
    name, kind, dtype = entry
    try:
        if kind == "json":
            data = to_json(value).encode()
            return ["json", len(data)], data
        dtype, shape, data = _array_bytes(value, dtype)
        return ["array", dtype, shape, len(data)], data
    except Refused as error:
        raise Refused(f"{name}: {error}") from None
    except (ValueError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        raise Refused(f"{name}: {type(error).__name__}: {error}") from None


def answer_calls(request: dict) -> None:
    """Call the entry point as often as asked and write one reply with all values; ends the process."""
    arrays = any(isinstance(item, tuple) for arguments in request["calls"] for item in arguments.values())
    _make_room(request, arrays)
    entry = _load(request)
    header: list = []
    payloads: list[bytes] = []
    for arguments, returns in zip(request["calls"], request["returns"], strict=True):
        heads, data = _answer(entry, arguments, returns)
        header.append(heads)
        payloads += data
    write_frame({"values": header}, payloads)
    leave(0)


def _make_room(request: dict, arrays: bool) -> None:
    """What goes before the candidate's own files.

    ``__main__`` is empty then, and the arguments name the program alone, however the process was started: what ``multiprocessing``
    spawns runs the file of ``__main__`` again, and that of a fork server is another than a stub's.
    """
    candidate, (module, file, _) = request["candidate"], request["entry"]
    sys.modules["__main__"] = type(sys)("__main__")
    sys.argv = [f"{candidate}/{file}" if file else program.module_file(candidate, module)]
    sys.path += request["path"]
    if arrays:
        _import_numpy()  # array arguments are arrays where the problem lets candidates import numpy, else nested lists


def _load(request: dict):  # type: ignore[no-untyped-def]
    """The entry point."""
    candidate = request["candidate"]
    program.settle(candidate, request["work"], laid_out=bool(request["files"]))
    program.give_way(candidate)
    sys.path.insert(0, candidate)
    return program.load_entry(candidate, *request["entry"])


def _answer(entry, arguments: dict, returns: list) -> tuple[list, list[bytes]]:  # type: ignore[no-untyped-def]
    """What one call gives: the heads of its values, and their bytes."""
    value = entry(**{name: _decoded(item) for name, item in arguments.items()})
    encoded = [_encode_value(item, spec) for item, spec in zip(_named(value, returns), returns, strict=True)]
    return [head for head, _ in encoded], [data for _, data in encoded]


def answer_turns(request: dict, fd: int) -> None:
    """Answer the calls that come one by one, each as soon as it is done; ends the process.  First come empty ones, before the
    candidate's files are looked at: what they take is not the candidate's."""
    _make_room(request, request["arrays"])
    for _ in range(request["turns"]):
        _read_turn(fd)
        _write_turn({}, [])
    _read_turn(fd)
    entry = _load(request)
    _write_turn({}, [])
    for returns in request["returns"]:
        message = _read_turn(fd)
        if not message:  # there are no more calls
            break
        heads, data = _answer(entry, marshal.loads(message), returns)
        _write_turn({"values": [heads]}, data)
    leave(0)


def _read_turn(fd: int) -> bytes:
    return _read_exactly(fd, int.from_bytes(_read_exactly(fd, 8), "little"))


def _write_turn(header: object, payloads: list[bytes]) -> None:
    text = to_json(header).encode()
    frame = b"".join([b"EVR1", len(text).to_bytes(4, "little"), text, *payloads])
    write_all(REPLY_FD, b"EVT1" + len(frame).to_bytes(8, "little") + frame)


def _import_numpy() -> None:
    try:
        import numpy  # noqa: F401
    except ImportError:
        return


def leave(code: int) -> None:
    """End now, without finalisers: it saves 6 ms, and a candidate's threads cannot hold the end up."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    os._exit(code)


def report_uncaught(kind, error, trace) -> None:  # type: ignore[no-untyped-def]
    """``sys.excepthook``: the failure as a reply, the traceback into the log."""
    status = "invalid" if kind is Refused else "crash"
    reason = str(error)[:1000] if kind is Refused else f"{kind.__name__}: {str(error)[:1000]}"
    write_frame({"fail": [status, reason]}, [])
    if kind is not Refused:
        sys.__excepthook__(kind, error, trace)
    leave(1)


# --------------------------------------------------------------------------------------------------------------- commands


def answer_command(request: dict, stop: int) -> None:
    """Run a command as a child, wait, end what it left behind, then stream the declared output files.  With outputs, a byte that
    can be read from ``stop`` says that its time is over: it is ended then, and what it wrote so far is streamed."""
    os.set_inheritable(REPLY_FD, False)
    status, opened = _commands().run(request, stop, REPLY_FD)
    sizes = [item if isinstance(item, str) else item[1] for item in opened]
    text = to_json({"exit": os.waitstatus_to_exitcode(status), "files": sizes}).encode()
    write_all(REPLY_FD, b"EVR1" + len(text).to_bytes(4, "little") + text)
    for item in opened:
        if not isinstance(item, str):
            _stream(*item)
    os._exit(0)


def _commands():  # type: ignore[no-untyped-def]
    """The module that runs commands: who is called only need not load it."""
    sys.path.insert(0, os.path.dirname(sys.argv[0]))
    import _stub_command

    del sys.path[0]
    return _stub_command


def _stream(file: int, size: int) -> None:
    while size:
        sent = os.sendfile(REPLY_FD, file, None, size)
        if sent <= 0:
            os._exit(1)  # it shrank, which only a survivor could do: the frame stays incomplete and is refused
        size -= sent


# -------------------------------------------------------------------------------------------------------------------- main


def main(arguments: list) -> None:
    """``[]``: answer one request.  ``["spare", module, ...]``: import these first, say so with one byte, then wait for it."""
    sys.excepthook = report_uncaught
    program.add_names_of_site()
    if arguments[:1] == ["spare"]:
        import gc

        sys.path += ["/site", "/meta"]
        preload(arguments[1:])
        del sys.path[-2:]
        gc.collect()
        gc.freeze()
        os.write(REPLY_FD, b"+")
    request = read_request(0)
    turns = os.dup2(0, REPLY_FD + 1, inheritable=False)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.closerange(turns + 1 if request["turns"] or request["outputs"] else turns, 64)
    set_limits(request["limits"])
    if request["argv"]:
        answer_command(request, turns)
    if request["turns"]:
        answer_turns(request, turns)
    answer_calls(request)


if __name__ == "__main__":
    main(sys.argv[1:])
