"""Says when the candidate ran, and which cards its sandbox had."""

import time

from evolve import JsonValue, Outcome, Trial


def evaluate(trial: Trial) -> Outcome:
    began = time.monotonic()
    reply = trial.sandbox.call("main.py:work", {}, {"nodes": JsonValue()})
    ended = time.monotonic()
    if not reply.ok:
        return reply.outcome()
    cards = [name for name in reply.value["nodes"] if name.startswith("nvidia") and name[6:].isdigit()]
    return Outcome(score=ended - began, metrics={"began": began, "ended": ended, **{f"card{name[6:]}": 1.0 for name in cards}})
