"""Small problems in OpenEvolve's form, written for these tests."""

from __future__ import annotations

from pathlib import Path

PROGRAM = '''\
"""A point."""
# EVOLVE-BLOCK-START
X = 4.0
Y = 2.5
# EVOLVE-BLOCK-END


def point():
    return X, Y
'''
LOAD = """\
import importlib.util


def load(program_path):
    spec = importlib.util.spec_from_file_location("program", program_path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def distance(program_path):
    x, y = load(program_path).point()
    return abs(x - 1.0) + abs(y - 2.0)
"""
WHOLE = (
    LOAD
    + """

def evaluate(program_path):
    far = distance(program_path)
    return {"combined_score": 1.0 / (1.0 + far), "distance": far}
"""
)
STAGED = (
    LOAD
    + """

def evaluate_stage1(program_path):
    load(program_path).point()
    return {"runs": 1.0}


def evaluate_stage2(program_path):
    return {"combined_score": 1.0 / (1.0 + distance(program_path))}


def evaluate(program_path):
    raise RuntimeError("the cascade is used")
"""
)
CONFIG = """\
max_iterations: 50
random_seed: 42
llm: {primary_model: some-model, temperature: 0.7}
prompt: {system_message: "Bring the point closer."}
database: {population_size: 30}
evaluator: {timeout: 20, parallel_evaluations: 3}
"""


def write_form(folder: Path, evaluator: str = WHOLE, config: str = CONFIG, program: str = PROGRAM, **files: str) -> Path:
    """A folder in this form; ``files`` are others (``__`` in a name stands for ``.``)."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"initial_program.py": program, "evaluator.py": evaluator, "config.yaml": config}
    for name, text in {**texts, **{name.replace("__", "."): text for name, text in files.items()}}.items():
        (folder / name).write_text(text)
    return folder
