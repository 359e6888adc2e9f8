"""What a source says of data, compiler, validation, seeds and imports, by its text: it is never run."""

from __future__ import annotations

import ast
import math
import re
import sys
import warnings
from functools import lru_cache

_COMMENT = re.compile(r"^((?:[^'\"#\n]|'[^'\n]*'|\"[^\"\n]*\")*)#.*$", re.M)
_PRODUCT = r"\d[\d_]{0,17}(?:\s*\*\s*\d[\d_]{0,17}){0,9}"
_SHARDS = re.compile(r"[\w*]*_(train|val)_[\w*{}%:?\[\]-]*\.bin")
_CROSSED = re.compile(r"^[ \t]*(?:input_)?val_\w+\s*(?::\s*\w+\s*)?=[^\n]*_train_[^\n]*\.bin[^\n]*", re.M)
_FLAG = re.compile(r"^[ \t]*(?:if [^\n:]*:[ \t]*)?(?:torch\.)?_(?:inductor|dynamo)\.config\.([\w.]+\s*=[^=\n][^\n]*)", re.M)
_ALIAS = re.compile(r"import torch\._(?:inductor|dynamo)\.config as (\w+)|from torch\._(?:inductor|dynamo) import config as (\w+)")
_ENVIRONMENT = re.compile(r"TORCHINDUCTOR_\w+[\"']?\]?\s*[=,]\s*[^\n]+")
_COMPILE = re.compile(r"torch\.compile\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_OPTION = re.compile(r"\b(\w+)\s*=\s*([^,\n]+)")
_PLAIN = ("dynamic", "fullgraph")  # options of torch.compile that every record has
_VALIDATION = re.compile(r"\bval_\w+|\.eval\(\)")
_SEEDING = re.compile(r"\b(?:manual_seed(?:_all)?|random\.seed|PRNGKey)\(\s*(\w+)\s*\)")
_IMPORT = re.compile(r"^[ \t]*(?:import|from)[ \t]+(\w+)", re.M)
_BESIDE = re.compile(r"seed|logfile|log_dir|run_id|run_name", re.I)
_FREE = frozenset({"torch", "numpy", "triton", "scipy", "tqdm", "wandb", "huggingface_hub", "einops", "tabulate", "zoneinfo"})


@lru_cache(maxsize=64)
def code_of(source: str) -> str:
    """A source without comments."""
    return _COMMENT.sub(r"\1", source)


@lru_cache(maxsize=64)
def program_of(source: str) -> tuple[str, ...]:
    """The lines of a source that make it another program: none of comments and docstrings, of seeds, and of where the log goes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in their strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        lines = code_of(source).splitlines()
    else:
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):  # a text that stands alone does nothing, wherever
                node.body = [one for one in body if not _is_text(one)] or [ast.Pass()]  # type: ignore[attr-defined]
        lines = ast.unparse(tree).splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not _BESIDE.search(line))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def numbers_of(source: str, name: str) -> frozenset[int]:
    """The products of whole numbers (``20 * 524288``) that a name is given, wherever; what is more than a product is not read."""
    found = set()
    for rest in re.findall(rf"\b{name}\b\s*(?::\s*\w+\s*)?=([^=\n][^\n]*)", code_of(source), re.I):
        for product in re.findall(rf"(?<![\w/*+.-])(?<![/*+-] ){_PRODUCT}(?=\s*(?:[,)\];#]|$))", rest)[:1]:
            found.add(math.prod(int(part.strip().replace("_", "")) for part in product.split("*")))
    return frozenset(found)


def shards_of(source: str) -> dict[str, frozenset[str]]:
    """Patterns of shards by what they are for, without their folder."""
    code = code_of(source)
    found: dict[str, set[str]] = {"train": set(), "val": set()}
    for match in _SHARDS.finditer(code):
        found[match[1]].add(match[0])
    return {kind: frozenset(names) for kind, names in found.items()}


def validates_on_training_shards(source: str) -> str:
    """The line that gives training shards to what is validated on; "" where there is none."""
    found = _CROSSED.search(code_of(source))
    return found[0].strip() if found else ""


def compiler_flags(source: str) -> frozenset[str]:
    """Settings of inductor and dynamo, and options of ``torch.compile`` beyond the two that every record has."""
    code = code_of(source)
    flags = {" ".join(flag.split()) for flag in _FLAG.findall(code)}
    for alias in filter(None, (name for names in _ALIAS.findall(code) for name in names)):
        flags |= {" ".join(flag.split()) for flag in re.findall(rf"\b{alias}\.(\w+(?:\.\w+)* = [^\n]+)", code)}
    flags |= {" ".join(flag.split()) for flag in _ENVIRONMENT.findall(code)}
    for call in _COMPILE.findall(code):
        flags |= {f"torch.compile({name}={value.strip()})" for name, value in _OPTION.findall(call) if name not in _PLAIN}
    return frozenset(flags)


def validation_lines(source: str) -> frozenset[str]:
    """Lines that have to do with validation."""
    return frozenset(" ".join(line.split()) for line in code_of(source).splitlines() if _VALIDATION.search(line))


def fixed_seed(source: str) -> str:
    """A call that seeds with a number that stands in the source; "" where there is none."""
    code = code_of(source)
    for found in _SEEDING.finditer(code):
        name = found[1]
        if name.isdigit():
            return found[0]
        if value := re.search(rf"^[ \t]*{re.escape(name)}(?:\s*:\s*int)?\s*=\s*(\d+)\s*$", code, re.M):
            return f"{found[0]}, {name} = {value[1]}"
    return ""


def foreign_imports(source: str) -> tuple[str, ...]:
    """Packages that are neither Python's, nor among those that all scripts stand on."""
    names = dict.fromkeys(_IMPORT.findall(code_of(source)))
    return tuple(name for name in names if name not in sys.stdlib_module_names and name not in _FREE and not name.startswith("_"))
