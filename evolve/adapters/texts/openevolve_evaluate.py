"""Scores a program by an OpenEvolve evaluator, which runs in the sandbox and in the candidate's process, as it does there.

Nothing of the folder inside/theirs is imported here.  What comes back is bytes of a process that the candidate is part of: it is
read strictly, and the score is what that process says, no more.
"""

import json
import math
import re
from dataclasses import replace

from evolve import Outcome, Status, Trial

MOST_BYTES = 1 << 18
MOST_METRICS = 64
SCORE = "combined_score"
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
NO_RESULT = {"error", "timeout"}  # what stands in the place of metrics where there are none
MISSING = re.compile(r"No module named '([\w.]+)'")


REACHED: dict[str, float] = {}  # what the initial program reaches, by stage: asked once, where it is needed


def evaluate(trial: Trial) -> Outcome:
    options = json.loads((trial.problem / "inside" / "options.json").read_text(encoding="utf-8"))
    outcome, bar = scored(trial, options, f"/work/{options['program']}"), options["thresholds"].get(trial.stage)
    if bar is None or outcome.score is None or outcome.score >= bar:
        return outcome
    initial = (trial.problem / "initial" / options["program"]).read_text(encoding="utf-8")
    if trial.files[options["program"]] == initial:
        return outcome
    if trial.stage not in REACHED:
        again = scored(trial, options, f"/input/theirs/{options['program']}")
        if again.score is None:
            return outcome
        REACHED[trial.stage] = again.score
    if outcome.score >= REACHED[trial.stage]:
        return outcome
    why = (
        f"{trial.stage} gives {outcome.score:.6g}: the threshold is {bar:g}, and the initial program has {REACHED[trial.stage]:.6g}"
    )
    return Outcome.fail(Status.CHECKS_FAILED, why, f"{why}\n{outcome.feedback}")


def scored(trial: Trial, options, program: str) -> Outcome:
    inside, functions = trial.problem / "inside", options["stages"][trial.stage]
    reply = trial.sandbox.run(
        ["python", "/input/runner.py", program, ",".join(functions), str(trial.seed)],
        inputs={path.relative_to(inside).as_posix(): path for path in sorted(inside.rglob("*")) if path.is_file()},
        outputs={"result.json": MOST_BYTES},
    )
    if not reply.ok:
        return reply.outcome()
    answer = read(reply.files["result.json"])
    if answer is None:
        return Outcome.fail(Status.INVALID, "what came back of the evaluator is of no form that its runner writes")
    if answer["unloaded"]:
        raise RuntimeError(f"evaluator.py cannot be loaded in the sandbox: {answer['unloaded']}{advice(answer['unloaded'])}")
    if answer["raised"]:
        return Outcome.fail(Status.CRASH, answer["raised"] + advice(answer["raised"]), answer["trace"])
    last = trial.stage == list(options["stages"])[-1]
    return replace(outcome_of(answer, options, last=last, log=reply.log), output_hash=reply.output_hash)


def outcome_of(answer, options, *, last, log=""):
    """The score as OpenEvolve computes it, and the other numbers; what it takes for a failure is one here."""
    metrics, texts, ignored = answer["metrics"], answer["texts"], answer["ignored"]
    told = {name: value for name, value in metrics.items() if name != SCORE and WORD.match(name) and math.isfinite(value)}
    told = dict(list(told.items())[:MOST_METRICS])
    left_out = sorted(metrics.keys() - told.keys() - {SCORE})
    said = [f"{name}: {text}" for name, text in texts.items()] + [f"{name} is of type {kind}" for name, kind in ignored.items()]
    feedback = "\n".join([*said, *([f"not kept as metrics: {', '.join(left_out)}"] if left_out else [])])
    error = texts.get("error", "").strip()
    if SCORE in ignored:
        return Outcome.fail(Status.INVALID, f"{SCORE} is of type {ignored[SCORE]}, expected a float", feedback)
    if not metrics.keys() - NO_RESULT:
        return Outcome.fail(Status.CHECKS_FAILED, (error or "the evaluator returned no metric") + advice(error), feedback)
    score = fitness(metrics, options["features"] if last else ["error"])
    if not math.isfinite(score):
        return Outcome.fail(Status.INVALID, f"the score is {score}", feedback)
    if score <= 0 and (why := swallowed(error, log, options["absent"] if score == 0 else {})):
        return Outcome.fail(Status.CHECKS_FAILED, why, feedback)
    return Outcome(score=score, metrics=told, feedback=feedback)


def swallowed(error, log, absent):
    """Why a score that is no better than nothing is a failure ("" where it may be a true one): evaluators that catch everything
    say so with a zero."""
    if error:
        return error + advice(error)
    if found := MISSING.search(log):
        return found[0] + advice(found[0])
    return "".join(
        f"the score is 0, and {name} is not installed, which it imports; type: pip install {absent[name]}"
        for name in list(absent)[:1]
    )


def fitness(metrics, left_out):
    """``combined_score``; without one, the mean of all numbers but those left out (of all, where that leaves none)."""
    if SCORE in metrics:
        return metrics[SCORE]
    counted = [value for name, value in metrics.items() if name not in left_out and not math.isnan(value)]
    counted = counted or [value for value in metrics.values() if not math.isnan(value)]
    return sum(counted) / len(counted) if counted else 0.0


def advice(text):
    found = MISSING.search(text)
    return f"; type: pip install {found[1].partition('.')[0]}" if found else ""


def read(data):
    """The answer, checked; the numbers of several stages laid over each other as OpenEvolve does.  None where it is of no form."""
    try:
        found = json.loads(data.decode("utf-8"))
        calls = found["calls"]
        answer = {key: text_of(found.get(key, "")) for key in ("unloaded", "raised", "trace")}
        answer |= {"metrics": {}, "texts": {}, "ignored": {}}
        for at, call in enumerate(calls):
            if "wrong" in call:
                answer["texts"]["error"] = f"the evaluator returned {text_of(call['wrong'])}, expected a mapping"
                continue
            numbers = {text_of(name): float(text_of(value)) for name, value in call["metrics"].items()}
            answer["metrics"] |= {name: value for name, value in numbers.items() if name != "error" or not at}
            for key in ("texts", "ignored"):
                answer[key] |= {text_of(name): text_of(value) for name, value in call[key].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return answer


def text_of(value):
    if not isinstance(value, str):
        raise TypeError(value)
    return value
