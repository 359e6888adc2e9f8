"""Which modules of the declared packages a candidate's text mentions: what warm and spare starts load ahead.

A hint from untrusted text, found without parsing it: only names below the declared packages count, so what a server imports is
trusted code whatever the candidate wrote.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_MODULES = 64
_MAX_TEXT = 1 << 20
_LINE = re.compile(
    r"^[ \t]*(?:import[ \t]+([^\n#]{1,400})|from[ \t]+([\w.]{1,80})[ \t]+import[ \t]+\(?([^\n#)]{1,400}))", re.MULTILINE
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*){0,5}")


def imported_modules(files: Mapping[str, str], packages: tuple[str, ...]) -> tuple[str, ...]:
    """Dotted module names below ``packages``, at most 64, in order of appearance; some may turn out to be no modules."""
    found: dict[str, None] = {}
    for path, text in files.items():
        if not path.endswith(".py"):
            continue
        for plain, base, names in _LINE.findall(text[:_MAX_TEXT]):
            heads = _NAME.findall(plain) if plain else [base, *(f"{base}.{name}" for name in _NAME.findall(names))]
            for name in heads:
                if name.partition(".")[0] in packages and len(name) <= 80:
                    found[name] = None
    return tuple(found)[:MAX_MODULES]
