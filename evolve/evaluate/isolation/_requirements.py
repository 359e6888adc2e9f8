"""Requirements of installed distributions: names and environment markers (PEP 508), without extras.

Only what is needed to follow ``Requires-Dist`` lines of distributions that pip has already resolved: versions are not compared.
"""

from __future__ import annotations

import os
import platform
import re
import sys

_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_TOKEN = re.compile(r"""\s*(\(|\)|'[^']*'|"[^"]*"|<=|>=|==|!=|~=|===|<|>|[A-Za-z_.]+)""")


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required_name(requirement: str) -> str | None:
    """The distribution a ``Requires-Dist`` line asks for here; None where its marker is false (extras are never asked for).

    Raises:
        ValueError: the line cannot be read.
    """
    found = _NAME.match(requirement)
    if not found:
        raise ValueError(f"not a requirement: {requirement!r}")
    marker = requirement.partition(";")[2]
    return normalised(found[1]) if not marker.strip() or _Marker(marker).value() else None


def _environment() -> dict[str, str]:
    return {
        "os_name": os.name,
        "sys_platform": sys.platform,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_version": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "python_full_version": platform.python_version(),
        "implementation_name": sys.implementation.name,
        "implementation_version": platform.python_version(),
        "extra": "",
    }


class _Marker:
    """A marker, read by recursive descent: or, and, comparison or parenthesis."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        at = 0
        text = text.strip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise ValueError(f"not a marker: {text!r}")
            self._tokens.append(found[1])
            at = found.end()
        self._values = _environment()

    def value(self) -> bool:
        """Whether it holds here."""
        result = self._any()
        if self._tokens:
            raise ValueError(f"a marker with something left over: {self._tokens!r}")
        return result

    def _next(self) -> str:
        if not self._tokens:
            raise ValueError("a marker that ends too early")
        return self._tokens.pop(0)

    def _any(self) -> bool:
        result = self._all()
        while self._tokens[:1] == ["or"]:
            self._next()
            result = self._all() or result
        return result

    def _all(self) -> bool:
        result = self._one()
        while self._tokens[:1] == ["and"]:
            self._next()
            result = self._one() and result
        return result

    def _one(self) -> bool:
        if self._tokens[:1] == ["("]:
            self._next()
            result = self._any()
            if self._next() != ")":
                raise ValueError("a marker with an open parenthesis")
            return result
        left = self._operand()
        operator = self._next()
        if operator == "not":
            operator += " " + self._next()
        return _compare(left, operator, self._operand())

    def _operand(self) -> str:
        token = self._next()
        if token[0] in "'\"":
            return token[1:-1]
        if token not in self._values:
            raise ValueError(f"a marker with an unknown variable {token!r}")
        return self._values[token]


def _compare(left: str, operator: str, right: str) -> bool:
    if operator in ("in", "not in"):
        return (left in right) == (operator == "in")
    if operator in ("==", "===", "!=") and right.endswith(".*"):
        return (left + ".").startswith(right[:-1]) == (operator != "!=")
    a, b = _version(left), _version(right)
    if a is None or b is None:
        results = {"==": left == right, "===": left == right, "!=": left != right}
        return results.get(operator, False)
    length = max(len(a), len(b))
    x, y = a + (0,) * (length - len(a)), b + (0,) * (length - len(b))
    if operator == "~=":
        return x >= y and x[: len(b) - 1] == b[:-1]
    return {"==": x == y, "===": x == y, "!=": x != y, "<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y}[operator]


def _version(text: str) -> tuple[int, ...] | None:
    """The numbers of a release; what follows them (rc1, +local) does not matter to markers in use."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else None
