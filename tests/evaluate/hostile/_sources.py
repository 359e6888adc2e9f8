"""Sources that try to break whoever reads them.  Each maps to the statuses that are fine; ``attack`` is what would be called."""

from __future__ import annotations

from archive import Status

_END = "\ndef attack(secret, port, marker):\n    return []\n"
_INVALID = (Status.INVALID,)
_SURVIVES = (Status.OK, Status.INVALID, Status.CRASH, Status.TIMEOUT)

SOURCES: dict[str, tuple[str, tuple[Status, ...]]] = {
    "empty": ("", _INVALID),
    "no_function": ("x = 1\n", _INVALID),
    "not_callable": ("attack = 7\n", _INVALID),
    "syntax_error": ("def attack(:\n", _INVALID),
    "null_byte": ("x = 1\0" + _END, _INVALID),
    "only_nulls": ("\0" * 1000, _INVALID),
    "lone_surrogate": ("x = '\ud800'" + _END, _INVALID),
    "bom": ("\ufeff" + _END, (Status.OK,)),
    "two_boms": ("\ufeff\ufeff" + _END, _INVALID),
    "nested_parens": ("x = " + "(" * 100_000 + ")" * 100_000 + _END, _INVALID),
    "nested_brackets": ("x = " + "[" * 190 + "]" * 190 + _END, _SURVIVES),
    "unary": ("x = " + "-" * 100_000 + "1" + _END, _INVALID),
    "attributes": ("x = a" + ".b" * 100_000 + _END, (*_INVALID, Status.CRASH)),
    "long_line": ("x = '" + "y" * 10_000_000 + "'" + _END, (Status.OK,)),
    "many_lines": ("x = 1\n" * 300_000 + _END, _SURVIVES),
    "huge_number": ("x = " + "9" * 100_000 + _END, _INVALID),
    "folding": ("x = 'a' * 10 ** 12" + _END, (Status.CRASH,)),
    "power": ("x = 9 ** 9 ** 9" + _END, (Status.TIMEOUT, Status.CRASH, Status.INVALID)),
    "bad_coding": ("# coding: rot13\n" + _END, _SURVIVES),
    "unknown_coding": ("# coding: no-such-thing\n" + _END, _INVALID),
    "bidi": ("x = '\u202e\u2066'" + _END, (Status.OK,)),
    "form_feeds": ("\f\f\v" + _END, _SURVIVES),
    "shadows_json": ("import json" + _END, (Status.OK,)),
}
