"""Trains a candidate by the grader's clock on text served in pieces, and scores its logits: bits per byte of held-out text.

One process of the candidate answers calls of ``train.py:turn`` one after another:

    setup   builds the model, before any text is there; at most ``setup_s`` seconds
    train   the next piece of the stream that the seed draws, and how much of the budget is spent; ``train_s`` seconds in all
    finish  gives the weights back

The clock runs here, from the sending of the first piece to the last answer: what the grader does between two calls counts too,
for the candidate's card may go on meanwhile.  The next piece is sent when the one before is answered, so nothing can be trained on
ahead; pieces are as large as the candidate's pace asks for.  A second process scores (see ``scorer``).
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import scorer

from evolve import Array, JsonValue, Outcome, Status, Trial

MAX_WEIGHTS_BYTES = 1 << 30
PIECES = 60  # into which the budget is cut, or about
LEAST_TOKENS = 4  # rows of context, of which the first piece is made
GROWTH = 4.0  # of one piece over the one before, at most
MOST_TOKENS = 1 << 22  # in a piece: 16 MiB, which travel in some ms
LATE = 1.05  # by how much training may take longer than the budget: the last piece ends when it ends
LATE_S = 1.0
FINISH_S = 2.0  # what finish takes longer is training, for all that is known
STEP_0_TARGETS = 8192  # of which the loss before training is the mean, or as many as are scored
KNOWS = 0.98  # of what unigrams of the training part cost: below it the program knew the text before it was shown any
SHARE = 0.2  # of the budget, from which on something is what limits a program
SLOW = 3.0  # times what the middle piece takes a token
SERVING, STARTING, TEXT, PACE = 1.0, 2.0, 3.0, 4.0  # classes of what limits one
RETURNS = {"weights": Array("uint8", (None,), max_items=MAX_WEIGHTS_BYTES), "loss": JsonValue(max_bytes=64)}


@dataclass
class Training:
    """Makes up the calls and keeps what came back: see ``evolve.Trial.sandbox.converse``."""

    trial: Trial
    stream: np.ndarray
    clock: Callable[[], float] = time.perf_counter
    phase: str = "setup"
    began: float = 0.0
    sent: int = 0
    piece: int = 0
    spent: float = 0.0
    setup_s: float = 0.0
    finish_s: float = 0.0
    at_step_0: bytes = b""
    losses: list[float] = field(default_factory=list)
    answered: list[tuple[int, float]] = field(default_factory=list)  # tokens of each piece, seconds that it took
    fault: str = ""

    def __call__(self, answer: Mapping[str, object] | None, seconds: float) -> Mapping[str, object] | None:
        if answer is None:
            self.setup_s = seconds  # loading is part of it
            return self._call("setup")
        if self.phase == "setup":
            self.setup_s += seconds
            self.at_step_0 = answer["weights"].tobytes()
            self.phase = "train"
            if self.setup_s > float(self.trial.params["setup_s"]):
                return None
            self.began = self.clock()
            return self._next_piece(0.0)
        if self.phase == "finish":
            self.finish_s = seconds
            self.spent += max(0.0, seconds - FINISH_S)
            return None
        self.spent = self.clock() - self.began
        if len(answer["weights"]):
            self.fault = "weights came with the answer to a piece of text; they are taken after setup and at the end"
            return None
        loss = answer["loss"]
        self.answered.append((self.piece, seconds))
        self.losses.append(float(loss) if isinstance(loss, int | float) else math.nan)
        if self.spent >= self._budget:
            self.phase = "finish"
            return self._call("finish") if self.spent <= self._most else None
        return self._next_piece(seconds)

    @property
    def _most(self) -> float:
        """Seconds after which a run is no longer waited for."""
        return LATE * self._budget + LATE_S

    @property
    def _budget(self) -> float:
        return float(self.trial.params["train_s"])

    def _next_piece(self, seconds: float) -> Mapping[str, object]:
        """As much as the pace so far takes a share of the budget for, and no more than what is left of it."""
        context = int(self.trial.params["context"])
        least = LEAST_TOKENS * context
        if seconds > 0:
            share = min(self._budget / PIECES, self._budget - self.spent)
            wanted = self.piece * min(GROWTH, share / seconds)
            self.piece = max(least, min(int(wanted), MOST_TOKENS) // context * context)
        else:
            self.piece = least
        at = np.arange(self.sent, self.sent + self.piece) % len(self.stream)
        self.sent += self.piece
        return self._call("train", self.stream[at])

    def _call(self, phase: str, tokens: np.ndarray | None = None) -> Mapping[str, object]:
        return {
            "phase": phase,
            "tokens": np.zeros(0, np.int32) if tokens is None else tokens.astype(np.int32),
            "spent": self.spent / self._budget,
            "seed": int(self.trial.rng("training").integers(1 << 31)),
            "sizes": {name: int(self.trial.params[name]) for name in ("vocabulary", "context")},
        }


def evaluate(trial: Trial) -> Outcome:
    scorer.forget_reads(trial)
    training = Training(trial, draw_training(trial))
    reply = trial.sandbox.converse("train.py:turn", training, RETURNS)
    if training.fault:
        return Outcome.fail(Status.INVALID, training.fault)
    if late := out_of_time(trial, training):
        return Outcome.fail(Status.OVER_BUDGET, late)
    if not reply.ok:
        return reply.outcome()
    weights = reply.value["weights"].tobytes()
    if not weights:
        return Outcome.fail(Status.INVALID, "finish gave no weights")
    at_step_0 = scorer.of_rows(trial, training.at_step_0, -(-STEP_0_TARGETS // int(trial.params["context"])))
    if isinstance(at_step_0, Outcome):
        return at_step_0
    unigram = json.loads((trial.assets / "corpus.json").read_text())["unigram_bpb"]
    if at_step_0 < KNOWS * unigram:
        why = f"{at_step_0:.3f} bits a byte before any text was served; unigrams of it take {unigram:.3f}"
        return Outcome.quarantine(f"the program knows the text: {why}")
    found = scorer.judge(trial, weights)
    if isinstance(found, Outcome):
        return found
    pace = training.sent / training.spent
    return Outcome(
        score=found.bpb,
        metrics={
            "train_tokens": float(training.sent),
            "tokens_per_s": pace,
            "trained_s": training.spent,
            "setup_s": training.setup_s,
            "finish_s": training.finish_s,
            "peak_memory_mib": reply.usage.memory_mib,
            "bpb_at_step_0": at_step_0,
            "scored_bytes": found.scored_bytes,
            "unshown_gap": found.unshown_gap,
            "bottleneck": bottleneck(training),
        },
        descriptors={"log10_weights_bytes": math.log10(len(weights)), "log10_tokens_per_s": math.log10(max(pace, 1.0))},
        feedback=describe(training, found, reply.log),
        probe_hash=found.probe_hash,
    )


def draw_training(trial: Trial) -> np.ndarray:
    """The whole training part in an order of documents that the seed draws; it begins anew when it ends."""
    tokens = np.load(trial.assets / "train_tokens.npy", mmap_mode="r")
    starts = np.load(trial.assets / "train_starts.npy")
    order = trial.rng("documents").permutation(len(starts) - 1)
    return np.concatenate([tokens[starts[i] : starts[i + 1]] for i in order])


def out_of_time(trial: Trial, training: Training) -> str:
    """Which of its times a candidate exceeded; "" where none."""
    budget, setup = float(trial.params["train_s"]), float(trial.params["setup_s"])
    if training.setup_s > setup:
        return f"setup took {training.setup_s:.1f} s; {setup:g} s are allowed (problem.params.setup_s)"
    if training.spent > LATE * budget + LATE_S:
        last = f", {training.finish_s:.1f} s of it and of {FINISH_S:g} free ones at the end" if training.finish_s > FINISH_S else ""
        return f"training took {training.spent:.1f} s{last}; {budget:g} s are allowed"
    return ""


def bottleneck(training: Training) -> float:
    """The class of what limits the score, by this clock: what goes between two pieces, pieces that take far longer than others
    (compiling, warming up), text that is gone through again, or else the pace."""
    took = np.array([seconds for _, seconds in training.answered])
    per_token = took / np.array([tokens for tokens, _ in training.answered])
    between = training.spent - max(0.0, training.finish_s - FINISH_S) - took.sum()
    if between > SHARE * training.spent:
        return SERVING
    if took[per_token > SLOW * np.median(per_token)].sum() > SHARE * training.spent:
        return STARTING
    return TEXT if training.sent > len(training.stream) else PACE


def describe(training: Training, found: "scorer.Judgement", log: str) -> str:
    losses = [loss for loss in training.losses if math.isfinite(loss)]
    course = ", ".join(f"{losses[len(losses) * n // 8]:.3f}" for n in range(8)) if len(losses) >= 8 else ""
    return (
        f"{found.bpb:.4f} bits per byte after {training.sent} tokens in {training.spent:.1f} s "
        f"({training.sent / training.spent:.0f} tokens a second; setup {training.setup_s:.1f} s).\n"
        f"Losses that the candidate told, in eighths of the budget: {course or 'none'}.\n"
        f"The model is {'too sure of itself' if found.overconfidence > 0 else 'not sure enough'} by "
        f"{abs(found.overconfidence):.3f} bits a token.\nPrinted by the candidate (untrusted):\n{log[-600:]}"
    )
