"""Attacks on the reply: forged, partial, doubled, endless, oversized."""

from __future__ import annotations

from archive import Status
from hostile._attack import PRELUDE, Attack

_FRAME = """
def frame(header, body=b""):
    text = header.encode()
    return b"EVR1" + len(text).to_bytes(4, "little") + text + body
"""
_BODIES = {
    "no_reply": "os._exit(0)",
    "closed": "os.closerange(0, 100); os._exit(0)",
    "partial": 'os.write(3, frame(\'{"values":[[["json",2]]]}\', b"7")); os._exit(0)',
    "half_header": 'os.write(3, frame(\'{"values":[[["json",2]]]}\', b"[]")[:12]); os._exit(0)',
    "twice": 'os.write(3, frame(\'{"values":[[["json",2]]]}\', b"[]")); return []',
    "twice_by_child": 'os.fork() or (os.write(3, frame(\'{"values":[[["json",2]]]}\', b"[]")), os._exit(0))\n'
    "    time.sleep(0.1)\n    return []",
    "wrong_magic": 'os.write(3, b"EVR2" + frame(\'{"values":[[["json",2]]]}\', b"[]")[4:]); os._exit(0)',
    "huge_header": 'os.write(3, b"EVR1\\xff\\xff\\xff\\x7f{"); os._exit(0)',
    "nan": 'os.write(3, frame(\'{"values":[[["json",3]]]}\', b"NaN")); os._exit(0)',
    "infinity": 'os.write(3, frame(\'{"values":[[["json",5]]]}\', b"1e999")); os._exit(0)',
    "duplicate_keys": 'os.write(3, frame(\'{"values":[[["json",13]]]}\', b\'{"a":1,"a":2}\')); os._exit(0)',
    "duplicate_header": 'os.write(3, frame(\'{"values":[[["json",2]]],"values":[[["json",2]]]}\', b"[]")); os._exit(0)',
    "deep": 'os.write(3, frame(\'{"values":[[["json",60000]]]}\', b"[" * 30000 + b"]" * 30000)); os._exit(0)',
    "deep_header": 'os.write(3, frame("[" * 2000)); os._exit(0)',
    "huge_int": 'os.write(3, frame(\'{"values":[[["json",60000]]]}\', b"9" * 60000)); os._exit(0)',
    "huge_float": 'os.write(3, frame(\'{"values":[[["json",60000]]]}\', b"0." + b"9" * 59998)); os._exit(0)',
    "negative_size": 'os.write(3, frame(\'{"values":[[["json",-2]]]}\', b"[]")); os._exit(0)',
    "boolean_size": 'os.write(3, frame(\'{"values":[[["json",true]]]}\', b"7")); os._exit(0)',
    "array_instead": 'os.write(3, frame(\'{"values":[[["array","<f8",[1],8]]]}\', b"12345678")); os._exit(0)',
    "object_dtype": 'os.write(3, frame(\'{"values":[[["array","|O",[1],8]]]}\', b"12345678")); os._exit(0)',
    "surrogate": 'os.write(3, frame(\'{"values":[[["json",8]]]}\', b\'"\\\\ud800"\')); os._exit(0)',
    "not_utf8": 'os.write(3, frame(\'{"values":[[["json",3]]]}\', b\'"\\xff"\')); os._exit(0)',
    "too_large": "return 'x' * 100000",
    "flood": 'os.set_blocking(3, True)\n    while True: os.write(3, b"EVR1" * 16384)',
    "deep_value": "x = []\n    for _ in range(100): x = [x]\n    return x",
    "circular": "x = []\n    x.append(x)\n    return x",
    "nan_value": "return float('nan')",
    "bad_key": "return {1: 2}",
    "object": "return object()",
    "lying_list": "class L(list):\n        def __iter__(self): return iter(range(10**9))\n    return L([1])",
}

_REFUSED = (Status.INVALID, Status.CRASH)

ATTACKS = (
    *(
        Attack(
            name=f"forge_{name}",
            source=PRELUDE + _FRAME + f"def attack(secret, port, marker):\n    {body}\n",
            statuses=_REFUSED if name != "lying_list" else (*_REFUSED, Status.TIMEOUT),
            time_s=5.0 if name != "lying_list" else 1.0,
        )
        for name, body in _BODIES.items()
    ),
    Attack(
        name="forge_status",
        source=PRELUDE + _FRAME + 'def attack(s, port, marker):\n    os.write(3, frame(\'{"fail":["ok","x"]}\')); os._exit(0)\n',
        statuses=(Status.CRASH,),
    ),
    Attack(name="exit_3", source="def attack(secret, port, marker):\n    raise SystemExit(3)\n", statuses=(Status.CRASH,)),
    Attack(name="exit_0", source="def attack(secret, port, marker):\n    raise SystemExit(0)\n", statuses=_REFUSED),
    Attack(name="abort", source=PRELUDE + "def attack(secret, port, marker): os.abort()\n", statuses=(Status.CRASH,)),
    Attack(name="segfault", source=PRELUDE + "def attack(secret, port, marker): ctypes.string_at(0)\n", statuses=(Status.CRASH,)),
    Attack(
        name="recursion",
        source="def attack(secret, port, marker):\n    return attack(secret, port, marker)\n",
        statuses=(Status.CRASH,),
    ),
    Attack(name="interrupt", source="def attack(secret, port, marker):\n    raise KeyboardInterrupt\n", statuses=(Status.CRASH,)),
    Attack(
        name="evil_error",
        source="class E(Exception):\n    def __str__(self): raise SystemExit(0)\ndef attack(secret, port, marker):\n    raise E\n",
        statuses=_REFUSED,
    ),
    Attack(
        name="evil_hook",
        source="import sys\nsys.excepthook = lambda *a: None\ndef attack(secret, port, marker):\n    raise ValueError\n",
        statuses=(Status.CRASH,),
    ),
)
