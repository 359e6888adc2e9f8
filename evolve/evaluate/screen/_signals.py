"""What in a candidate's source is worth a second look.

A signal is no verdict: honest programs start threads and read ``os.environ``, and whoever wants to hide can hide from any list of
names.  Signals are recorded with a measurement and change no status.  All of it is one walk over trees that the screen has parsed,
without recursion and linear in their size.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

TABLE = 256  # constants in one display: beyond what a program computes with, towards what it remembers
LONG_TEXT = 1000  # characters of one literal
LONG_BLOB = 120  # characters without a space
LONG_INT_BITS = 512

_MODULES = {
    "ctypes": "native_memory",
    "cffi": "native_memory",
    "mmap": "native_memory",
    "gc": "introspection",
    "inspect": "introspection",
    "tracemalloc": "introspection",
    "threading": "threads",
    "_thread": "threads",
    "concurrent": "threads",
    "subprocess": "processes",
    "multiprocessing": "processes",
    "pty": "processes",
    "socket": "network",
    "ssl": "network",
    "urllib": "network",
    "http": "network",
    "requests": "network",
    "importlib": "dynamic_code",
    "runpy": "dynamic_code",
    "builtins": "dynamic_code",
    "marshal": "dynamic_code",
    "pickle": "dynamic_code",
    "dill": "dynamic_code",
    "cloudpickle": "dynamic_code",
    "base64": "encoded_data",
    "binascii": "encoded_data",
    "zlib": "encoded_data",
    "lzma": "encoded_data",
    "bz2": "encoded_data",
    "posix": "os_calls",
}
_NAMES = {
    "eval": "dynamic_code",
    "exec": "dynamic_code",
    "compile": "dynamic_code",
    "__import__": "dynamic_code",
    "globals": "introspection",
    "__builtins__": "introspection",
}
_HARMLESS_OS = frozenset({"path", "environ", "sep", "linesep", "fspath", "cpu_count", "PathLike"})
_WALKS = frozenset(
    [
        "modules",
        "_getframe",
        "_current_frames",
        "settrace",
        "setprofile",
        "gettrace",
        "meta_path",
        "path_hooks",
        "f_back",
        "f_globals",
        "f_locals",
        "tb_frame",
        "gi_frame",
        "__globals__",
        "__subclasses__",
        "__builtins__",
        "__code__",
        "__closure__",
        "__loader__",
        "__spec__",
    ]
)
_BROAD = frozenset({"Exception", "BaseException"})
_BLOB = re.compile(rf"[!-~]{{{LONG_BLOB},}}")
_HIDDEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]")
_DISPLAYS = (ast.List, ast.Tuple, ast.Set, ast.Dict)


def signals_of(trees: Mapping[str, ast.Module], texts: Mapping[str, str], *, unparsed: bool) -> tuple[str, ...]:
    """The names of what was seen, sorted.

    Args:
        trees: Syntax trees by path.
        texts: All files, for what stands in no tree.
        unparsed: Whether a Python file was too large or too deep to be parsed.
    """
    found = {name for tree in trees.values() for name in _in_tree(tree)}
    if unparsed:
        found.add("not_parsed")
    if any(_HIDDEN.search(text) for text in texts.values()):
        found.add("hidden_text")
    return tuple(sorted(found))


def _in_tree(tree: ast.Module) -> Iterator[str]:
    imported: set[str] = set()
    written: set[str] = set()  # names at the root of assigned attributes
    todo: list[object] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, list):
            todo += node
        elif isinstance(node, ast.Name):  # most nodes are names
            if node.id in _NAMES:
                yield _NAMES[node.id]
        elif isinstance(node, ast.AST) and not _is_docstring(node):
            if (look := _LOOKS.get(type(node))) is not None:
                yield from look(node)
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
            elif isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
                written.update(_written(node))
            todo += [getattr(node, name) for name in node._fields if name != "ctx"]
    if imported & written:
        yield "patching"


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _of_display(node: ast.List | ast.Tuple | ast.Set | ast.Dict) -> Iterator[str]:
    """Constants in it and in the displays directly below: rows of a table count as one table."""
    items = node.values if isinstance(node, ast.Dict) else node.elts
    below = [one.values if isinstance(one, ast.Dict) else one.elts for one in items if isinstance(one, _DISPLAYS)]
    if sum(_is_number(one) for row in (items, *below) for one in row) > TABLE:
        yield "large_constant"


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant))


def _of_constant(node: ast.Constant) -> Iterator[str]:
    value = node.value
    if isinstance(value, str | bytes):
        text = value if isinstance(value, str) else value.decode("latin-1")
        if len(text) > LONG_TEXT:
            yield "large_constant"
        if len(text) >= LONG_BLOB and (isinstance(value, bytes) or _BLOB.search(text)):
            yield "encoded_data"
    elif type(value) is int and value.bit_length() > LONG_INT_BITS:
        yield "large_constant"


def _of_import(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if (name := alias.name.split(".")[0]) in _MODULES:
                yield _MODULES[name]
        return
    module = (node.module or "").split(".")[0]
    if module in _MODULES:
        yield _MODULES[module]
    names = {alias.name for alias in node.names}
    if module == "os" and names - _HARMLESS_OS:
        yield "os_calls"
    if module == "sys" and names & _WALKS:
        yield "introspection"


def _of_attribute(node: ast.Attribute) -> Iterator[str]:
    if node.attr in _WALKS:
        yield "introspection"
    if isinstance(node.value, ast.Name) and node.value.id == "os" and node.attr not in _HARMLESS_OS:
        yield "os_calls"


def _of_call(node: ast.Call) -> Iterator[str]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name == "getattr" and len(node.args) > 1 and not isinstance(node.args[1], ast.Constant):
        yield "dynamic_code"
    elif name == "setattr":
        yield "patching"


def _of_handler(node: ast.ExceptHandler) -> Iterator[str]:
    if _swallows(node):
        yield "swallowed_errors"


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether it catches everything and raises nothing: a fallback nobody sees."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    broad = any(kind is None or (isinstance(kind, ast.Name) and kind.id in _BROAD) for kind in kinds)
    return broad and not any(isinstance(line, ast.Raise) for line in handler.body)


def _written(node: ast.Assign | ast.AugAssign | ast.Delete) -> Iterator[str]:
    """Names whose attributes are replaced by something else than a plain value (which is how settings are made)."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
        return
    for target in [node.target] if isinstance(node, ast.AugAssign) else node.targets:
        root: ast.expr = target
        while isinstance(root, ast.Attribute):
            root = root.value
        if root is not target and isinstance(root, ast.Name):
            yield root.id


_LOOKS: dict[type, Callable[[Any], Iterator[str]]] = {
    ast.Import: _of_import,
    ast.ImportFrom: _of_import,
    ast.Constant: _of_constant,
    ast.Attribute: _of_attribute,
    ast.Call: _of_call,
    ast.ExceptHandler: _of_handler,
    ast.List: _of_display,
    ast.Tuple: _of_display,
    ast.Set: _of_display,
    ast.Dict: _of_display,
}
