"""The candidate's program as a plain interpreter started in its folder would see it: imports, working folder, built-in names.

Part of the stub (``_stub``): stands alone, imports almost nothing.  What would differ from a plain interpreter is
undone: modules that were loaded ahead give way to the candidate's files of that name, and the names that ``site`` adds are there.
"""

import os
import sys

_AT_START = frozenset(sys.modules)  # what every interpreter has loaded, and no file of a program ever replaces
_KEPT = ("_json", "array")  # what the stub uses after the candidate ran, by names that a candidate may give its own files
_kept: dict = {}


class Refused(Exception):
    """The candidate misses what was asked for: its reply is ``invalid``, not a crash."""


def kept_module(name: str):  # type: ignore[no-untyped-def]
    """The standard library's module, whatever the candidate calls its files."""
    return _kept.get(name) or __import__(name)


# ---------------------------------------------------------------------------------------------------------------- surroundings


def settle(candidate: str, work: str, *, laid_out: bool = False) -> None:
    """Go to the working folder, with copies of the candidate's files in it: a program may open them by relative paths, and write
    where it likes, while those in ``candidate`` are read-only.  A fork server's child has ``laid_out`` both at once."""
    os.chdir(work)
    if not laid_out:
        _lay_out(candidate, ".")


def _lay_out(source: str, target: str) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            place = f"{target}/{entry.name}"
            if entry.is_dir():
                os.mkdir(place)
                _lay_out(entry.path, place)
            else:
                reading = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC)
                writing = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
                while os.sendfile(writing, reading, None, 1 << 20):
                    pass
                os.close(reading)
                os.close(writing)


def add_names_of_site() -> None:
    """``exit`` and the like, which an interpreter without ``site`` lacks."""
    import builtins
    from _sitebuiltins import Quitter, _Helper

    builtins.quit, builtins.exit = (Quitter(name, "Ctrl-D (i.e. EOF)") for name in ("quit", "exit"))
    builtins.help = _Helper()


def give_way(folder: str) -> None:
    """Forget modules that were loaded ahead and that ``folder``, first on the path, has files for.

    Looked up one by one: going through all that is loaded would touch, and so copy, many pages of a fork server.
    """
    taken = set()
    for name in os.listdir(folder):
        name = name[:-3] if name.endswith(".py") else name
        if name in _KEPT:
            _kept[name] = __import__(name)
            taken.add(name)
        elif name in sys.modules and name not in _AT_START and _is_module(f"{folder}/{name}"):
            taken.add(name)
    if gone := taken.difference(sys.builtin_module_names):
        for name in [name for name in sys.modules if name.partition(".")[0] in gone]:
            del sys.modules[name]


def _is_module(place: str) -> bool:
    return os.path.isfile(f"{place}.py") or os.path.isfile(f"{place}/__init__.py")


# ------------------------------------------------------------------------------------------------------------------- the entry


def load_entry(candidate: str, module: str, file: str, function: str):  # type: ignore[no-untyped-def]
    """The candidate's function, as ``from MODULE import FUNCTION`` finds it.

    ``file`` is where the module lies below ``candidate`` if the entry names it.  Such a file is loaded under its module's name even
    where Python would not find it: it is hidden behind another module, or its name is none.
    """
    path = f"{candidate}/{file}" if file else module_file(candidate, module)
    shown = os.path.relpath(path, candidate)  # where a candidate lies is another place each time
    if not os.path.isfile(path):
        raise Refused(f"there is no file {shown}")
    if file:
        _see_neighbours(candidate, path)
    try:
        found = None if file and _stands_alone(candidate, module) else _imported(module)
        if file and (found is None or _origin(found) not in (path, None)):
            found = _from_file(module, path)
    except SyntaxError as error:
        raise Refused(f"{type(error).__name__}: {error}") from None
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        if _deepest(error).f_code not in (_imported.__code__, _from_file.__code__):
            raise
        raise Refused(f"{type(error).__name__}: {error}") from None  # the compiler's, not the program's
    if found is None:
        raise Refused(f"Python finds no module {module}")
    for name in function.split("."):
        found = getattr(found, name, None)
    if not callable(found):
        raise Refused(f"{shown} has no function {function}")
    return found


def module_file(candidate: str, module: str) -> str:
    """Where a module of the candidate lies, or would lie; a package goes before a file of its name."""
    place = f"{candidate}/{module.replace('.', '/')}"
    package = f"{place}/__init__.py"
    return package if os.path.isfile(package) else f"{place}.py"


def _see_neighbours(candidate: str, path: str) -> None:
    """A file outside packages imports what lies beside it, as a script does, and a package below ``src/`` is found by its name."""
    folder = os.path.dirname(path)
    while folder != candidate and os.path.isfile(f"{folder}/__init__.py"):
        folder = os.path.dirname(folder)
    if folder not in sys.path:
        sys.path.insert(sys.path.index(candidate) + 1 if candidate in sys.path else 0, folder)


def _stands_alone(candidate: str, module: str) -> bool:
    """Whether the path need not be asked for a file of the candidate's: it lies in no package and no package has its name, so that
    Python would find this file or, for a name that the interpreter keeps to itself, never any."""
    top = module.partition(".")[0]
    return (top == module and not os.path.isfile(f"{candidate}/{module}/__init__.py")) or top in _AT_START


def _imported(module: str):  # type: ignore[no-untyped-def]
    """The module; None if it or a package it lies in cannot be found."""
    try:
        __import__(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}.") or _deepest(error).f_code is not _imported.__code__:
            raise
        return None
    return sys.modules[module]


def _origin(found):  # type: ignore[no-untyped-def]
    """The file that a module was loaded from; None for whatever else a program may put in a module's place."""
    spec = getattr(found, "__spec__", None)
    return None if spec is None else str(spec.origin)


def _from_file(module: str, path: str):  # type: ignore[no-untyped-def]
    """Run a file as the module of that name, without looking for it on the path.

    The attributes are those that the import system sets.  Asking it would run Python code of which a fork server's child copies
    every page it touches: a quarter of what such a child costs.
    """
    with open(path, "rb", 0) as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    system, files = sys.modules["_frozen_importlib"], sys.modules["_frozen_importlib_external"]
    loader = files.SourceFileLoader(module, path)
    spec = system.ModuleSpec(module, loader, origin=path)
    spec._set_fileattr = True  # it has a location
    found = sys.modules[module] = type(sys)(module)
    package = module.rpartition(".")[0]
    found.__dict__.update(__spec__=spec, __loader__=loader, __file__=path, __package__=package)
    exec(code, found.__dict__)
    return sys.modules.get(module, found)


def _deepest(error):  # type: ignore[no-untyped-def]
    """The frame in which it was raised; the import system's own do not count, for Python leaves them out."""
    trace = error.__traceback__
    while trace.tb_next is not None and not trace.tb_next.tb_frame.f_code.co_filename.startswith("<frozen importlib"):
        trace = trace.tb_next
    return trace.tb_frame
