"""An adapter: a folder with fit.py and table.csv, whose lines are what f(x) of fit.py should give, x,y."""

import json
import shutil

from evolve.adapters import write_notes

CONTRACT = {"metric": "max_error", "goal": "minimize", "stages": [{"name": "full", "time_s": 10}]}
EVALUATE = """\
import csv

from evolve import Array, Outcome, Trial


def evaluate(trial: Trial) -> Outcome:
    rows = [[float(part) for part in row] for row in csv.reader((trial.problem / "table.csv").open())]
    calls = [{"x": x} for x, _ in rows]
    reply = trial.sandbox.call_many("fit.py:f", calls, [{"y": Array("float64", ())}] * len(rows))
    if not reply.ok:
        return reply.outcome()
    return Outcome(score=max(abs(float(found["y"]) - y) for found, (_, y) in zip(reply.values, rows, strict=True)))
"""


class FitTable:
    name = "fit_table"

    def detect(self, path):
        return 0.7 if (path / "fit.py").is_file() and (path / "table.csv").is_file() else 0.0

    def convert(self, path, into):
        (into / "problem.yaml").write_text(json.dumps({"name": path.name, **CONTRACT}))
        (into / "evaluate.py").write_text(EVALUATE)
        (into / "initial").mkdir()
        shutil.copyfile(path / "fit.py", into / "initial" / "fit.py")
        shutil.copyfile(path / "table.csv", into / "table.csv")
        write_notes(into, [f"{path.name} is read as a table to fit."])
        return into
