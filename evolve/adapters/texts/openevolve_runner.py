"""Calls the functions of an OpenEvolve evaluator on a program and writes down what they returned.

Runs in the sandbox only: the evaluator, the program and this file share a process, so what is written here is no more than what
that process says.  The folder beside this file is copied, for evaluators that write beside themselves.
"""

import asyncio
import importlib.util
import inspect
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
import types

MOST_TEXTS, MOST_CHARS = 16, 4000
HERE = os.path.dirname(os.path.abspath(__file__))


class EvaluationResult:
    """What evaluators import from ``openevolve.evaluation_result``."""

    def __init__(self, metrics=None, artifacts=None):
        self.metrics, self.artifacts = metrics or {}, artifacts or {}

    @classmethod
    def from_dict(cls, metrics):
        return cls(metrics)

    def to_dict(self):
        return self.metrics

    def has_artifacts(self):
        return bool(self.artifacts)

    def get_artifact_keys(self):
        return list(self.artifacts)


def provide_openevolve():
    """The one module of theirs that evaluators import; the package itself need not be there."""
    package, module = types.ModuleType("openevolve"), types.ModuleType("openevolve.evaluation_result")
    package.evaluation_result, package.EvaluationResult = module, EvaluationResult
    module.EvaluationResult = EvaluationResult
    package.__path__ = []
    sys.modules.update({"openevolve": package, "openevolve.evaluation_result": module})


def told(result):
    """What one call returned: numbers as OpenEvolve counts them, names of what it would not count, and texts."""
    artifacts = {}
    if not isinstance(result, dict):
        metrics, artifacts = getattr(result, "metrics", None), getattr(result, "artifacts", None) or {}
        if not isinstance(metrics, dict):
            return {"wrong": type(result).__name__}
    else:
        metrics = result
    numbers, texts, ignored = {}, {}, {}
    for name, value in metrics.items():
        counted = isinstance(value, (int, float)) and not isinstance(value, bool)  # numpy's float32 is neither, there too
        if counted or (name == "combined_score" and hasattr(value, "__float__")):
            numbers[str(name)] = float(value)
        elif isinstance(value, str):
            texts[str(name)] = value[:MOST_CHARS]
        elif name == "artifacts" and isinstance(value, dict):
            artifacts = {**value, **artifacts}
        else:
            ignored[str(name)] = type(value).__name__
    for name, value in list(artifacts.items())[:MOST_TEXTS]:
        texts[f"artifact {name}"] = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))[:MOST_CHARS]
    return {"metrics": {name: repr(value) for name, value in numbers.items()}, "texts": texts, "ignored": ignored}


def called(function, program, arguments):
    result = function(program, **arguments)
    return asyncio.run(result) if inspect.isawaitable(result) else result


def load(folder, functions):
    """The evaluator's functions, by the names that are asked for."""
    spec = importlib.util.spec_from_file_location("evaluation_module", os.path.join(folder, "evaluator.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["evaluation_module"] = module
    spec.loader.exec_module(module)
    return [(name, getattr(module, name)) for name in functions]


def begin(options, seed):
    """A copy of their folder to stand in, the import path as they have it, and draws that the measurement's seed decides."""
    folder = os.path.join(tempfile.mkdtemp(), "problem")
    shutil.copytree(os.path.join(HERE, "theirs"), folder)
    sys.path[:] = [folder, *(path for path in sys.path if os.path.abspath(path) != HERE)]
    os.chdir(folder)
    provide_openevolve()
    random.seed(seed)
    if options["numpy"]:
        import numpy

        numpy.random.seed(seed % 2**32)
    return folder


def main():
    program, functions, seed = os.path.abspath(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3])
    with open(os.path.join(HERE, "options.json"), encoding="utf-8") as file:
        options = json.load(file)
    folder = begin(options, seed)
    answer, calls, name = {"calls": []}, None, ""
    try:
        calls = load(folder, functions)
        for name, function in calls:
            answer["calls"].append(told(called(function, program, options["arguments"] if name == "evaluate" else {})))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - other people's code raises anything
        what = f"{type(error).__name__}: {error}"[:MOST_CHARS]
        answer.update({"unloaded": what} if calls is None else {"raised": f"{name} raised {what}"})
        answer["trace"] = traceback.format_exc()[-MOST_CHARS:]
    with open(os.path.join(os.environ["EVOLVE_OUTPUT"], "result.json"), "w", encoding="utf-8") as file:
        json.dump(answer, file)


if __name__ == "__main__":
    main()
