"""Scores a training script of a checkout of autoresearch by the val_bpb that it prints.

The script, the checkout's evaluator and the runner share a sandbox: the score is what that side says, no more.  What is ours is the
clock, the seed, and that data and prepare.py are the same each time.
"""

import hashlib
import json
import math
import re

from evolve import Outcome, Status, Trial

MOST_BYTES = 1 << 20
MOST_METRICS, MOST_TEXTS = 64, 16
SCORE, TRAINED, TOTAL, STEPS, MEMORY = "val_bpb", "training_seconds", "total_seconds", "num_steps", "peak_vram_mb"
LINE = re.compile(r"^([A-Za-z_][A-Za-z0-9_]{0,63}):[ \t]+(\S.*)$", re.MULTILINE)
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\Z")
LOSS = re.compile(r"loss[:= ]+([-+0-9.eE]+)")
FEW = 3  # losses
LEAST_STEPS = 10
LONGER = 1.10  # than the budget of time, which a script may overstep by a step
SLACK_S = 2.0


def evaluate(trial: Trial) -> Outcome:
    options, inputs = shown(trial)
    reply = trial.sandbox.run(
        ["python", "/input/runner.py", str(trial.seed % 2**31)], inputs=inputs, outputs={"result.json": MOST_BYTES}
    )
    if not reply.ok:
        return reply.outcome()
    answer = read(reply.files["result.json"])
    if answer is None:
        return Outcome.fail(Status.INVALID, "what came back is of no form that the runner writes")
    log = answer["log"].replace("\r", "\n")
    numbers, texts = summary(log)
    reason = failure(answer, numbers, log)
    if reason:
        return Outcome.fail(Status.CRASH, reason, feedback(reason, texts, log))
    void = voided(answer, numbers, options["time_budget_s"], trial.params["untimed_s"], reply.usage.wall_s)
    if void:
        return Outcome.fail(Status.INVALID, void, feedback(void, texts, log))
    if answer["changed"]:
        return Outcome.fail(Status.REJECTED, f"{answer['changed'][0]} is another file after the run than before")
    return Outcome(
        score=numbers[SCORE],
        metrics=metrics_of(numbers, answer["marks"], reply.usage),
        feedback=feedback(f"{SCORE} {numbers[SCORE]:.6f}", texts, log),
        probe_hash=fingerprint(answer["head"]) or digest(f"{numbers[SCORE]!r} {LOSS.findall(log)[-FEW:]}"),
    )


def shown(trial):
    """What the adapter wrote down, and the files that a sandbox is shown: the checkout and what runs it."""
    inside = trial.problem / "inside"
    options = json.loads((inside / "options.json").read_text(encoding="utf-8"))
    inputs = {path.relative_to(inside).as_posix(): path for path in sorted(inside.rglob("*")) if path.is_file()}
    told = json.dumps({**options, "editable": sorted(trial.files)}).encode()
    return options, {**inputs, "options.json": told}


def failure(answer, numbers, log):
    """Why there is no score; "" where there is one."""
    if answer["code"]:
        last = [line for line in log.strip().splitlines() if line.strip()][-1:]
        return f"the script ended with status {answer['code']}" + (f": {last[0].strip()[:300]}" if last else "")
    if SCORE not in numbers:
        return f"the script printed no summary with {SCORE} behind a line ---"
    return "" if math.isfinite(numbers[SCORE]) else f"{SCORE} is {numbers[SCORE]}"


def voided(answer, numbers, budget, untimed, wall_s):
    """Why a run does not count, by the clock outside; "" where it does."""
    marks, most = answer["marks"], LONGER * budget + SLACK_S
    spent = [value for value in (numbers.get(TRAINED), span(marks)) if value is not None]
    if any(not value <= most for value in spent):
        return f"trained for {max(spent):.1f} s, and {budget:g} s are allowed"
    if numbers.get(STEPS, LEAST_STEPS) < LEAST_STEPS:
        return f"{numbers[STEPS]:g} steps; a run of fewer than {LEAST_STEPS} does not count"
    for name in (TRAINED, TOTAL):
        if numbers.get(name, 0.0) > wall_s + SLACK_S:
            return f"{name} is {numbers[name]:.1f}, and the whole run took {wall_s:.1f} s"
    rest = wall_s - min(numbers.get(TRAINED, budget), budget)
    if rest > untimed:
        return f"{rest:.1f} s went beside the training; {untimed:g} s are allowed (problem.params.untimed_s)"
    return ""


def span(marks):
    """Seconds from the first step that the budget counts to the last, as they were told; None where none was."""
    return None if marks["counted"] is None else marks["last"] - marks["counted"]


def metrics_of(numbers, marks, usage):
    """What the summary says, and beside it what was measured."""
    told = {name: value for name, value in numbers.items() if name != SCORE and math.isfinite(value)}
    if told.get(MEMORY) == 0:
        del told[MEMORY]  # off CUDA: unknown
    told = dict(list(told.items())[:MOST_METRICS])
    seen = span(marks)
    return {
        **told,
        "measured_total_s": usage.wall_s,
        "measured_cpu_s": usage.cpu_s,
        "measured_memory_mib": usage.memory_mib,
        **({"measured_training_s": seen, "measured_startup_s": marks["first"]} if seen is not None else {}),
    }


def summary(log):
    """Numbers and texts behind the last line of dashes."""
    at = [found.end() for found in re.finditer(r"^---\s*$", log, re.MULTILINE)]
    if not at:
        return {}, {}
    lines = dict(LINE.findall(log[at[-1] :]))
    values = {name: text.strip() for name, text in lines.items()}
    numbers = {name: float(text) for name, text in values.items() if NUMBER.match(text) or text.lower() in ("nan", "inf", "-inf")}
    return numbers, {name: text[:200] for name, text in list(values.items())[:MOST_METRICS] if name not in numbers}


def fingerprint(head):
    """Of what no two seeds have in common where a seed counts: the first losses, to the last digit printed; "" where too few are.
    Later ones tell nothing, for they hang on the clock."""
    losses = LOSS.findall(head)[:FEW]
    return digest(str(losses)) if len(losses) == FEW else ""


def digest(text):
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def feedback(first, texts, log):
    said = [f"{name}: {text}" for name, text in list(texts.items())[:MOST_TEXTS]]
    lines = [line.rstrip()[:300] for line in log.splitlines() if line.strip()][-40:]
    return "\n".join([first, *said, "Printed by the candidate (untrusted):", *lines])[-4000:]


def read(data):
    """The runner's answer, checked; None where it is of another form."""
    try:
        found = json.loads(data.decode("utf-8"))
        marks = {name: found["marks"][name] for name in ("first", "counted", "last")}
        times = [value for value in marks.values() if value is not None]
        right = (
            isinstance(found["head"], str)
            and isinstance(found["log"], str)
            and type(found["code"]) is int
            and all(type(value) in (int, float) and math.isfinite(value) for value in times)
            and (marks["first"] is None) == (marks["last"] is None)
            and (marks["last"] is not None or marks["counted"] is None)
            and all(isinstance(one, str) for one in found["changed"])
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return {**{name: found[name] for name in ("head", "log", "code", "changed")}, "marks": marks} if right else None
