"""What can be said of a problem without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from evolve._renamed import INITIAL_FOLDER
from evolve.evaluate import Check
from evolve.problem._files import file_paths
from evolve.problem.contract._contract import Problem
from evolve.problem.contract._strict_yaml import hint as suggestion
from evolve.propose import AST_DESCRIPTORS

INSIDE = "inside"  # a folder whose files ``evaluate.py`` hands to sandboxes and imports none of
RUNS_TEXT = frozenset({"exec", "eval", "runpy.run_path", "runpy.run_module", "importlib.import_module", "__import__"})
UNPICKLES = frozenset(
    {"pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "dill.load", "dill.loads", "marshal.loads"}
)


def check_files(problem: Problem) -> list[Check]:
    """The contract, the folder and the trusted code, as they read."""
    contract = problem.contract
    paths = file_paths(problem.folder, problem.pieces)
    stages = ", ".join(stage.name for stage in contract.stages)
    checks = [
        Check("contract", True, f"{problem.id}: {contract.goal} {contract.metric}; stages {stages}; evaluator {problem.evaluator}"),
        Check(
            "files",
            True,
            f"{len(problem.initial_files)} in {INITIAL_FOLDER}/, of which the search may change {', '.join(contract.editable)}",
        ),
    ]
    checks += _check_axes(problem)
    if not problem.statement.strip():
        checks.append(
            Check("statement", False, "no statement.md", "write what the program must do and how it is scored", hint=True)
        )
    if not any(path.startswith("redteam/") for path in paths):
        found = "no redteam/ folder"
        checks.append(Check("redteam", False, found, "add a program that cheats, and see that it is refused", hint=True))
    if contract.caveat:
        remedy = "write an evaluate.py that computes the score from what the candidate returns; docs/how-to/write-a-problem.md"
        checks.append(Check("score", False, f"{contract.caveat}: one that forges it is not seen", remedy, hint=True))
    trusted = [path for path in paths if _is_trusted_code(problem, path)]
    if not contract.depends_on_speed and any(b"time_calls(" in (problem.folder / path).read_bytes() for path in trusted):
        remedy = "where the score is a time, write compute_rule: wall, so that results of different hardware are never compared"
        checks.append(Check("speed", False, "calls are timed and problem.yaml has no compute_rule", remedy, hint=True))
    faults = [check for path in trusted for check in _check_trust(problem, path, trusted)]
    return checks + (
        faults or [Check("trust", True, "the trusted code neither imports the initial program nor runs text or pickles")]
    )


def _check_axes(problem: Problem) -> list[Check]:
    axes = problem.contract.axes
    if not axes:
        remedy = "declare one or two, so that different kinds of programs survive beside the best"
        return [Check("descriptors", False, "none: the archive is one list of the best", remedy, hint=True)]
    checks = []
    for axis in axes:
        if axis.source == "ast" and axis.name not in AST_DESCRIPTORS:
            more = suggestion(axis.name, AST_DESCRIPTORS)[2:] or f"use one of {', '.join(AST_DESCRIPTORS)}"
            checks.append(Check("descriptors", False, f"{axis.name} is none that the syntax tree gives", more))
    return checks or [Check("descriptors", True, ", ".join(f"{axis.name} ({axis.bins} bins)" for axis in axes))]


def _is_trusted_code(problem: Problem, path: str) -> bool:
    inside = problem.contract.scored_inside or INSIDE
    return path.endswith(".py") and not path.startswith((f"{INITIAL_FOLDER}/", "redteam/", f"{inside}/"))


def _check_trust(problem: Problem, path: str, trusted: Sequence[str]) -> Iterator[Check]:
    """Places where trusted code might run what a candidate wrote."""
    try:
        tree = ast.parse((problem.folder / path).read_bytes())
    except (SyntaxError, ValueError) as error:
        yield Check("trust", False, f"{path} does not parse: {error}", "mend it")
        return
    own = {PurePosixPath(one).stem for one in trusted}
    theirs = {PurePosixPath(name).parts[0].removesuffix(".py") for name in problem.initial_files} - own
    for node in ast.walk(tree):
        where = f"{path}, line {getattr(node, 'lineno', 0)}"
        for module in _imported(node):
            if module in theirs:
                remedy = 'call it in the sandbox: trial.sandbox.call("main.py:function", {...}, {...})'
                yield Check("trust", False, f"{where} imports {module}, a file of the initial program", remedy)
        name = _called(node)
        if name in RUNS_TEXT:
            yield Check("trust", False, f"{where} calls {name}", "see that it never touches what a candidate wrote", hint=True)
        if name in UNPICKLES or _allows_pickle(node):
            yield Check(
                "trust",
                False,
                f"{where} calls {name}, which can run code that it reads",
                "return arrays or JSON instead",
                hint=True,
            )


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module.split(".")[0]]
    return []


def _called(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute) else ""


def _allows_pickle(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    return any(
        isinstance(word.value, ast.Constant) and (word.arg, word.value.value) in {("allow_pickle", True), ("weights_only", False)}
        for word in node.keywords
    )
