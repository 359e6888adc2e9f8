"""Programs to try operators on: modules of the standard library, what hostile candidates look like, functions at random."""

from __future__ import annotations

import sysconfig
import textwrap
from pathlib import Path

from hypothesis import strategies as st

_STDLIB = Path(sysconfig.get_path("stdlib"))
NAMES = (
    "bisect.py", "colorsys.py", "fnmatch.py", "fractions.py", "graphlib.py", "heapq.py", "json/decoder.py", "keyword.py",
    "queue.py", "random.py", "reprlib.py", "shlex.py", "statistics.py", "string.py", "textwrap.py",
)  # fmt: skip
STDLIB = {name: (_STDLIB / name).read_text(encoding="utf-8") for name in NAMES}

HOSTILE = {
    "parens": "(" * 100_000,
    "closed parens": "(" * 5_000 + ")" * 5_000,
    "null byte": "x = 1\0",
    "minus signs": "x = " + "-" * 50_000 + "1",
    "long sum": "x = " + " + ".join(["1"] * 20_000),
    "attributes": "x" + ".a" * 20_000,
    "nested lists": "[" * 300 + "1" + "]" * 300,
    "surrogate": "x = '\ud800'",
    "unterminated": "'''\n" * 9_999 + "'''\"\"\"",
    "quotes": "'\"" * 30_000,
    "huge integer": "x = " + "9" * 10_000,
    "huge float": "x = 1e999",
    "bad escape": "x = '\\d'",
    "indentation": "if 1:\n        x = 1\n    y = 2\n",
    "tabs": "if 1:\n\tx = 1\n        y = 2.5\n",
    "backslash": "x = 1 \\",
    "form feed": "\fx = 2.5\n\f",
    "bom": "\ufeffx = 2.5\n",
    "carriage returns": "x = 2.5\ry = 3.5\r\nz = 4.5\n",
    "deep blocks": "".join(" " * i + "if x:\n" for i in range(90)) + " " * 90 + "y = 2.5\n",
    "f-strings": "d = {'a': 1}\nx = f\"{d['a']}\" + f'{2.5:{3}}' + f'{{2.5}}'\n",
    "escaped quotes": "x='''" + "\\'" * 30_000,
    "open lines": '"a\n' * 20_000,
    "many literals": "x = [" + "2.5, " * 10_000 + "]",
    "open f-string": "x = f'" + "{" * 60_000,
    "empty": "",
    "only a comment": "# 2.5",
    "coding": "# -*- coding: utf-7 -*-\nx = 2.5\n",
    "names": "ｘ = 2.5\né = 3.5\n",
}

TRAIN = '''"""A small training script."""

import math

import torch
import torch.nn.functional as F

DEPTH = 2  # layers
matrix_lr = 0.02  # the largest that is stable
USE_BIAS = False
CFG = {"wd": 0.1, "act": "relu", "seed": 1234}


def norm(x, eps=1e-5):
    # keep this comment
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt()


class Model(torch.nn.Module):
    def forward(self, x):
        h = F.relu(self.up(norm(x))).square()  # squared
        x = x + self.down(h)
        return 15.0 * torch.tanh(self.head(norm(x)) / 15.0)


def lr_at(step, total, warmup=0.1):
    if step < warmup * total:
        return step / (warmup * total)
    return 0.5 * (1 + math.cos(math.pi * step / total))


def train(model, data, steps=300):
    opt = torch.optim.AdamW(model.parameters(), lr=matrix_lr, betas=(0.9, 0.95), weight_decay=0.1)
    for step in range(steps):
        x, y = next(data)
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        opt.zero_grad(set_to_none=True)
        loss.backward()
        for group in opt.param_groups:
            group["lr"] = matrix_lr * lr_at(step, steps)
        opt.step()
    return model
'''

# Bodies of ``def f(a, b=0)``, in which ``t()`` decides which way is taken and ``c`` is nobody's.
NAMES = st.sampled_from("abc")
EXPRESSIONS = st.one_of(
    NAMES,
    st.just("0"),
    NAMES.map("[{0} for {0} in (1, 2)]".format),
    st.tuples(NAMES, NAMES).map(" and ".join),
    st.tuples(NAMES, NAMES).map("(t() and ({0[0]} := {0[1]}))".format),
)
SIMPLE = st.one_of(
    st.tuples(NAMES, EXPRESSIONS).map("{0[0]} = {0[1]}".format),
    NAMES.map("{} += 1".format),
    NAMES.map("del {}".format),
    EXPRESSIONS.map("({})".format),
    EXPRESSIONS.map("return {}".format),
    st.just("raise KeyError"),
    st.tuples(NAMES, EXPRESSIONS).map("{0[0]} = (lambda: {0[1]})".format),
)


def indented(lines: list[str]) -> str:
    return textwrap.indent("\n".join(lines), "    ")


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, min_size=1, max_size=3).map(indented)
    loop = st.one_of(
        body, body.map(lambda text: f"{text}\n    if t():\n        break"), body.map(lambda text: f"{text}\n    continue")
    )
    return st.one_of(
        body.map("if t():\n{}".format),
        st.tuples(body, body).map("if t():\n{0[0]}\nelse:\n{0[1]}".format),
        st.tuples(NAMES, loop).map("for {0[0]} in range(t()):\n{0[1]}".format),
        loop.map("while t():\n{}".format),
        st.tuples(body, NAMES, body).map("try:\n{0[0]}\nexcept KeyError as {0[1]}:\n{0[2]}".format),
        st.tuples(body, body).map("try:\n{0[0]}\nfinally:\n{0[1]}".format),
        st.tuples(NAMES, body, SIMPLE).map("def {0[0]}():\n{0[1]}\n{0[2]}\n{0[0]}()".format),
    )


BODIES = st.lists(st.recursive(SIMPLE, compound, max_leaves=8), min_size=1, max_size=5).map(indented)
