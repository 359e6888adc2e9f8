"""Small problem folders for tests."""

from __future__ import annotations

from pathlib import Path

MINIMAL = "name: tiny\nmetric: score\ngoal: maximize\n"
EVALUATE = "from evolve import Outcome\n\n\ndef evaluate(trial):\n    return Outcome(score=1.0)\n"
PREPARE = """\
import json, os, sys
from pathlib import Path

out = Path(sys.argv[1])
assert str(out) == os.environ["EVOLVE_ASSETS_OUT"]
print("counting to", json.loads(os.environ["EVOLVE_PARAMS"]).get("n", 3))
(out / "public").mkdir()
(out / "public" / "table.txt").write_text("1 2 3")
(out / "answers.txt").write_text("6")
with open("../prepared.log", "a") as log:
    log.write("once\\n")
"""
ASSETS = MINIMAL + "assets: {candidate: [public], grader: [answers.txt]}\n"


def write_problem(folder: Path, contract: str = MINIMAL, **files: str) -> Path:
    """A folder with a contract, an evaluator, a seed, and ``files`` (``__`` in a name stands for ``/``, a last ``_`` for ``.``)."""
    texts = {"problem.yaml": contract, "evaluate.py": EVALUATE, "initial/main.py": "x = 1\n"}
    texts |= {name.replace("__", "/").replace("_py", ".py").replace("_md", ".md"): text for name, text in files.items()}
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder
