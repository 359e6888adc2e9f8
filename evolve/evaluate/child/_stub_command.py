"""A command inside a sandbox: started as a child, waited for, and what it wrote.

Part of the stub (``_stub``), which loads it for a command alone: stands alone, imports almost nothing.
"""

import os
import sys

if __name__ == "_stub_command":
    import _stub_program as program  # another file beside this one
else:
    from evolve.evaluate.child import _stub_program as program

_N_FLAGS = 3  # the interpreter and -s -B before the script, as the strict tier writes its command lines
# What an interpreter reads as it starts, which one that waits has done.
_AT_START = {"PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONINSPECT", "PYTHONMALLOC", "PYTHONDEVMODE", "PYTHONFAULTHANDLER"}


def run(request: dict, stop: int, reply_fd: int) -> tuple[int, list]:
    """Its wait status, and of each declared output the descriptor and size, or why there is none.  Everything else that it left
    behind is ended.

    Args:
        request: What the stub was asked for.
        stop: With outputs, a byte that can be read there says that the command's time is over.
        reply_fd: The stub's own, which the command does not get: its outputs are files.
    """
    pid = os.fork()
    if pid == 0:
        os.close(reply_fd)
        if request["outputs"]:
            os.close(stop)
        _become(request)
    status = _wait(pid, stop) if request["outputs"] else os.waitpid(pid, 0)[1]
    if request["first_process"] and os.getpid() == 1:  # only as pid 1 of an own namespace does -1 mean "mine, all of them"
        _end_everything_else()
    return status, [_open_output(request["output"], path, size) for path, size in request["outputs"]]


def _become(request: dict) -> None:
    """In the child: the command, which ends the process."""
    program.settle(request["candidate"], request["work"])
    if request["spare"] and _is_script(request["argv"]) and not _AT_START & request["env"].keys():
        _run_script(request["argv"][_N_FLAGS:], request["env"])
        sys.exit(0)
    try:
        os.execve(request["argv"][0], request["argv"], request["env"])
    except OSError as error:
        os.write(2, f"cannot run {request['argv'][0]}: {error.strerror}\n".encode())
        os._exit(127)


def _wait(pid: int, stop: int) -> int:
    """The status of the command's end, which comes at once where ``stop`` can be read."""
    import _signal
    import select

    woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    _signal.signal(_signal.SIGCHLD, lambda number, frame: None)
    _signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    poller = select.poll()
    for source in (woken, stop):
        poller.register(source, select.POLLIN)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        for source, _ in poller.poll():
            if source == stop:
                poller.unregister(stop)
                os.kill(pid, 9)
            else:
                os.read(woken, 4096)


def _is_script(argv: list) -> bool:
    return argv[0] == sys.executable and len(argv) > _N_FLAGS and argv[_N_FLAGS].endswith(".py")


def _run_script(argv: list, env: dict) -> None:
    """As ``python script.py ...`` in this interpreter, which has the imports loaded already."""
    sys.excepthook = sys.__excepthook__
    os.environ.clear()
    os.environ.update(env)
    sys.argv = argv
    folder = os.path.dirname(os.path.abspath(argv[0]))
    program.give_way(folder)
    sys.path[:0] = [folder, *env.get("PYTHONPATH", "").split(":")]
    main_module = sys.modules["__main__"] = type(sys)("__main__")
    main_module.__file__ = argv[0]
    with open(argv[0], "rb") as file:
        code = compile(file.read(), argv[0], "exec", dont_inherit=True)
    exec(code, main_module.__dict__)


def _end_everything_else() -> None:
    try:
        os.kill(-1, 9)
        while True:
            os.waitpid(-1, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def _open_output(root: str, path: str, max_bytes: int) -> str | tuple[int, int]:
    """(descriptor, size) of a regular file reached without following any link, or why not."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    *folders, name = path.split("/")
    try:
        at = os.open(root, flags | os.O_DIRECTORY)
        for folder in folders:
            at = os.open(folder, flags | os.O_DIRECTORY, dir_fd=at)
        file = os.open(name, flags, dir_fd=at)
        found = os.fstat(file)
    except OSError as error:
        return "missing" if error.errno == 2 else "not a regular file"
    if found.st_mode & 0o170000 != 0o100000:
        return "not a regular file"
    if found.st_size > max_bytes:
        return f"{found.st_size} bytes, at most {max_bytes} allowed"
    return file, found.st_size
