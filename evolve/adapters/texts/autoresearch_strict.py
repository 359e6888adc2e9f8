"""Scores a training script of a checkout of autoresearch by its model's logits, outside of its process: bits per byte of text that
it was never shown.

The script trains as the checkout has it, and leaves weights.  Token rows of the validation split come of the checkout's own code,
from a sandbox that nothing of the candidate is in.  Fresh processes answer them with logits (see serve.py); normalised, and
checked to be causal, they are by the scorer of the problem nanochat.  What the script prints decides nothing of the score.
"""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import own
import scorer

from evolve import Outcome, Status, Trial

MAX_WEIGHTS_BYTES = 1 << 30
MOST_ROW_BYTES = 1 << 27
MOST_TOKENS = 1 << 20  # of a vocabulary
PRINTED = "printed_val_bpb"


def evaluate(trial: Trial) -> Outcome:
    options, inputs = own.shown(trial)
    sizes = validation(trial, options, inputs)
    reply = trial.sandbox.run(
        ["python", "/input/runner.py", str(trial.seed % 2**31)],
        inputs=with_data(trial, options, inputs, "to_train"),
        outputs={"result.json": own.MOST_BYTES, "weights.bin": MAX_WEIGHTS_BYTES},
    )
    if reply.status not in (Status.OK, Status.INVALID) or "result.json" not in reply.files:
        return reply.outcome()
    answer = own.read(reply.files["result.json"])
    if answer is None:
        return Outcome.fail(Status.INVALID, "what came back is of no form that the runner writes")
    log = answer["log"].replace("\r", "\n")
    numbers, texts = own.summary(log)
    if failed := failure(answer, numbers, log, reply, trial, options):
        return replace(failed, feedback=own.feedback(failed.reason, texts, log))
    served = Served(trial.sandbox, with_data(trial, options, inputs, "to_serve"))
    assets = trial.problem / "rows"
    seen = replace(trial, assets=assets, params={**trial.params, **sizes}, sandbox=served)
    found = scorer.judge(seen, reply.files["weights.bin"])
    if isinstance(found, Outcome):
        return found
    beside = untimed(numbers, options, reply) + served.first_s
    if beside > trial.params["untimed_s"]:
        return Outcome.fail(Status.INVALID, too_long(beside, trial, "the training, its scoring included"))
    told = own.metrics_of(numbers, answer["marks"], reply.usage)
    if own.SCORE in numbers and math.isfinite(numbers[own.SCORE]):
        told[PRINTED] = numbers[own.SCORE]
    return Outcome(
        score=found.bpb,
        metrics={**told, "scored_bytes": found.scored_bytes, "unshown_gap": found.unshown_gap, "served_s": served.first_s},
        feedback=own.feedback(f"{own.SCORE} {found.bpb:.6f}, of its logits", texts, log),
        probe_hash=own.fingerprint(answer["head"]) or found.probe_hash,
    )


def with_data(trial, options, inputs, purpose):
    """The inputs of a process, with those files of the cache that it is handed for its purpose."""
    files = {name: f"cache.{data}" for name, data in options[purpose].items()}
    told = {**options, "editable": sorted(trial.files), "files": files}
    data = {f"cache.{data}": trial.data[data] for data in options[purpose].values()}
    return {**inputs, **data, "options.json": json.dumps(told).encode()}


def failure(answer, numbers, log, reply, trial, options):
    """Why there is nothing to score; None where there is."""
    if answer["code"]:
        return Outcome.fail(Status.CRASH, own.failure(answer, numbers, log))
    if void := own.voided(answer, numbers, options["time_budget_s"], trial.params["untimed_s"], reply.usage.wall_s):
        return Outcome.fail(Status.INVALID, void)
    if answer["changed"]:
        return Outcome.fail(Status.REJECTED, f"{answer['changed'][0]} is another file after the run than before")
    if not reply.files.get("weights.bin"):
        return Outcome.fail(Status.INVALID, f"the script left no weights at EVOLVE_WEIGHTS ({reply.reason or 'an empty file'})")
    return None


def untimed(numbers, options, reply):
    """Seconds of the run that went beside the training."""
    budget = options["time_budget_s"]
    return reply.usage.wall_s - min(numbers.get(own.TRAINED, budget), budget)


def too_long(seconds, trial, what):
    return f"{seconds:.1f} s went beside {what}; {trial.params['untimed_s']:g} s are allowed (problem.params.untimed_s)"


@dataclass
class Served:
    """Calls of a candidate's model as ``scorer`` makes them, answered by serve.py.  ``first_s``: how long the first took."""

    sandbox: object
    inputs: dict
    first_s: float = 0.0

    def call_many(self, entry, calls, returns, *, inputs, budgeted):
        shapes = [one["logits"].shape for one in returns]
        told = [{"shape": call["tokens"].shape, "last": call["last"]} for call in calls]
        tokens = {f"tokens.{at}": call["tokens"].astype("<i8").tobytes() for at, call in enumerate(calls)}
        wanted = sum(math.prod(shape) for shape in shapes)
        reply = self.sandbox.run(
            ["python", "/input/serve.py"],
            inputs={**self.inputs, **inputs, **tokens, "calls.json": json.dumps(told).encode()},
            outputs={"logits.bin": 4 * wanted},
            budgeted=budgeted,
        )
        self.first_s = self.first_s or reply.usage.wall_s
        if not reply.ok:
            return reply
        logits = np.frombuffer(reply.files["logits.bin"], "<f4")
        if len(logits) != wanted or not np.isfinite(logits).all():
            why = "are not finite" if len(logits) == wanted else f"are {len(logits)} numbers, expected {wanted}"
            return replace(reply, status=Status.INVALID, reason=f"the logits {why}")
        parts = np.split(logits, np.cumsum([math.prod(shape) for shape in shapes])[:-1])
        values = tuple({"logits": part.reshape(shape)} for part, shape in zip(parts, shapes, strict=True))
        return replace(reply, values=values, files={})


# ------------------------------------------------------------------------------------------------------------- what is scored


def validation(trial: Trial, options, inputs) -> dict[str, int]:
    """See that the rows lie in ``rows/`` of this grader's copy of the problem; the vocabulary and the context.

    Raises:
        RuntimeError: the checkout's code gives none, for which no candidate can be blamed.
    """
    folder = trial.problem / "rows"
    if not (folder / "sizes.json").is_file():
        rows, sizes = rows_of_checkout(trial, options, inputs)
        folder.mkdir(exist_ok=True)
        np.save(folder / "validation_rows.npy", rows)
        np.save(folder / "token_bytes.npy", sizes)
        np.save(folder / "validation_bits.npy", expected_bits(rows, len(sizes)))
        (folder / "sizes.json").write_text(json.dumps({"vocabulary": len(sizes), "context": rows.shape[1] - 1}))
    return json.loads((folder / "sizes.json").read_text())


def rows_of_checkout(trial: Trial, options, inputs):
    """(n, context + 1) tokens, and the bytes of each token: checked, for they come of code that somebody wrote."""
    reply = trial.sandbox.run(
        ["python", "/input/rows.py"],
        inputs=with_data(trial, options, inputs, "to_cut_rows"),
        outputs={"rows.bin": MOST_ROW_BYTES, "sizes.bin": 4 * MOST_TOKENS, "shape.json": 64},
        budgeted=False,
    )
    if not reply.ok:
        raise RuntimeError(
            f"the checkout gives no rows of its validation text ({reply.status}: {reply.reason}): {reply.log[-600:]}"
        )
    n, width = json.loads(reply.files["shape.json"])
    rows = np.frombuffer(reply.files["rows.bin"], "<i4").reshape(n, width)
    sizes = np.frombuffer(reply.files["sizes.bin"], "<i4")
    if n < 4 or width < 2 or rows.min() < 0 or rows.max() >= len(sizes) or sizes.min() < 0 or not sizes[rows[:, 1:]].any():
        raise RuntimeError(f"rows of the validation text are {n} x {width} of {len(sizes)} tokens, which cannot be scored")
    return rows, sizes


def expected_bits(rows, vocabulary):
    """(rows, context): what unigrams of all rows take for each target.  It is subtracted where costs are compared, and decides no
    score."""
    counts = np.bincount(rows[:, 1:].ravel(), minlength=vocabulary) + 1.0
    return -np.log2(counts / counts.sum())[rows[:, 1:]]
