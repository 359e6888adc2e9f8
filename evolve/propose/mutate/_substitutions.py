"""Names and signs that can stand for each other.  A name changes only within its row, so that the child is likely to run."""

from __future__ import annotations

import ast
import builtins

NAMES: tuple[tuple[str, ...], ...] = (
    ("relu", "gelu", "silu", "elu", "leaky_relu", "softplus", "tanh", "sigmoid", "mish", "hardswish"),
    ("ReLU", "GELU", "SiLU", "ELU", "LeakyReLU", "Softplus", "Tanh", "Sigmoid", "Mish", "Hardswish"),
    ("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "SGD", "RMSprop", "Adagrad"),
    ("LayerNorm", "RMSNorm"),
    ("layer_norm", "rms_norm"),
    ("CosineAnnealingLR", "LinearLR", "ExponentialLR", "ConstantLR"),
    ("min", "max"),
    ("amin", "amax"),
    ("argmin", "argmax"),
    ("minimum", "maximum"),
    ("mean", "sum"),
    ("sin", "cos"),
    ("exp", "expm1", "exp2"),
    ("log", "log1p", "log2"),
    ("floor", "ceil", "round", "trunc"),
    ("all", "any"),
    ("float32", "float64", "bfloat16"),
    ("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "orthogonal_"),
    ("uniform", "normal", "laplace"),
    ("linspace", "geomspace"),
)
STRINGS: tuple[tuple[str, ...], ...] = (
    ("relu", "gelu", "silu", "tanh", "sigmoid"),
    ("linear", "cosine", "constant", "exponential", "polynomial"),
    ("mean", "sum"),
    ("adam", "adamw", "sgd", "rmsprop"),
    ("layernorm", "rmsnorm"),
)
COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<", ">=")),
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">", "<=")),
    ast.Eq: ("==", ("!=", "<=", ">=")),
    ast.NotEq: ("!=", ("==",)),
}
ARITHMETIC: dict[type[ast.operator], tuple[str, tuple[str, ...]]] = {
    ast.Add: ("+", ("-",)),
    ast.Sub: ("-", ("+",)),
    ast.Mult: ("*", ("/", "+")),
    ast.Div: ("/", ("*",)),
    ast.FloorDiv: ("//", ("/", "%")),
    ast.Mod: ("%", ("//",)),
    ast.Pow: ("**", ("*",)),
}

_NAME_ROW = {name: row for row in NAMES for name in row}
_STRING_ROW = {name: row for row in STRINGS for name in row}


def names_like(name: str, *, bare: bool, bound: frozenset[str]) -> tuple[str, ...]:
    """What an attribute, or a bare name, may become; a bare name only something that is bound or built in."""
    row = _NAME_ROW.get(name, ())
    return tuple(other for other in row if other != name and (not bare or other in bound or hasattr(builtins, other)))


def strings_like(value: str) -> tuple[str, ...]:
    return tuple(other for other in _STRING_ROW.get(value, ()) if other != value)
