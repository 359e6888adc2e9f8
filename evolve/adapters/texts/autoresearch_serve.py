"""Answers token rows with a trained candidate's logits.

Runs in a sandbox only, in a fresh process that has the weights which the training left.  Of the program it runs what stands above
the line MARK, or, where there is none, all of it as a module that is not ``__main__``; then its ``strict_load`` gives the model.
"""

import json
import os
import re
import sys
import types

import numpy as np
import runner

MARK = re.compile(r"^# evolve: training begins\s*$", re.MULTILINE)


def load(folder, script, weights):
    path = os.path.join(folder, script)
    with open(path, encoding="utf-8") as file:
        text = MARK.split(file.read())[0]
    module = types.ModuleType("train")
    module.__file__ = path
    sys.modules["train"] = module
    exec(compile(text, path, "exec"), vars(module))
    return module.strict_load(weights)


def plain(logits, last):
    """(B, T, V) float32, with ``last`` those behind the last token alone."""
    found = logits.detach().float().cpu().numpy() if hasattr(logits, "detach") else np.asarray(logits)
    return np.ascontiguousarray(found[:, -1:] if last else found, dtype="<f4")


def main():
    with open(os.path.join(runner.HERE, "options.json"), encoding="utf-8") as file:
        options = json.load(file)
    with open(os.path.join(runner.HERE, "calls.json"), encoding="utf-8") as file:
        calls = json.load(file)
    folder, home = runner.begin(options, 0)
    os.environ.update({**options["settings"], "HOME": home})
    os.chdir(folder)
    script, *sys.argv[1:] = options["command"]
    sys.argv[0], sys.path[0] = script, os.path.dirname(os.path.join(folder, script))
    model = load(folder, script, os.path.join(runner.HERE, "weights.bin"))
    with open(os.path.join(os.environ["EVOLVE_OUTPUT"], "logits.bin"), "wb") as file:
        for at, call in enumerate(calls):
            with open(os.path.join(runner.HERE, f"tokens.{at}"), "rb") as tokens:
                rows = np.frombuffer(tokens.read(), "<i8").reshape(call["shape"]).copy()
            file.write(plain(model(rows), call["last"]).tobytes())


if __name__ == "__main__":
    main()
