"""Writes token rows of the validation split, and how many bytes each token stands for, as the checkout's own code makes them.

Runs in a sandbox of its own, which alone is shown the validation text; nothing of the candidate is loaded here.  The code is
``validation_rows(n)`` of strict.py, or the loader and the tokenizer of prepare.py where they have upstream's form.
"""

import json
import os
import sys

import numpy as np
import runner


def rows_of_prepare(n):
    """(rows, sizes): up to ``n`` rows of ``MAX_SEQ_LEN`` targets, of those that upstream's evaluation goes through."""
    import prepare

    context = int(prepare.MAX_SEQ_LEN)
    n = max(2, min(n, int(prepare.EVAL_TOKENS) // context))
    loader = prepare.make_dataloader(prepare.Tokenizer.from_directory(), 1, context, "val")
    rows = []
    for _ in range(n):
        inputs, targets = next(loader)[:2]
        rows.append(np.concatenate([plain(inputs).reshape(-1), plain(targets).reshape(-1)[-1:]]))
    return np.stack(rows), plain(prepare.get_token_bytes())


def plain(values):
    """A copy as a numpy array: loaders hand out one buffer again and again."""
    return np.array(values.cpu() if hasattr(values, "cpu") else values)


def main():
    with open(os.path.join(runner.HERE, "options.json"), encoding="utf-8") as file:
        options = json.load(file)
    folder, home = runner.lay(options)
    os.environ.update({**options["settings"], "HOME": home})
    os.chdir(folder)
    sys.path[0] = folder
    if os.path.exists("strict.py"):
        from strict import validation_rows

        rows, sizes = map(plain, validation_rows(options["pool_rows"]))
    else:
        rows, sizes = rows_of_prepare(options["pool_rows"])
    out = os.environ["EVOLVE_OUTPUT"]
    for name, values in (("rows.bin", rows), ("sizes.bin", sizes)):
        with open(os.path.join(out, name), "wb") as file:
            file.write(np.ascontiguousarray(values, dtype="<i4").tobytes())
    with open(os.path.join(out, "shape.json"), "w", encoding="utf-8") as file:
        json.dump(list(rows.shape), file)


if __name__ == "__main__":
    main()
