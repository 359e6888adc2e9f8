"""Trains a candidate on text drawn from the seed and scores its logits: bits per byte of held-out text, lower is better.

The grader serves the data, measures what is spent, normalises the logits and counts the bytes.  What the candidate prints is
shown to whoever makes the next child, and decides nothing.
"""

import hashlib
import math
import sys
from dataclasses import dataclass

import numpy as np

from evolve import Array, Outcome, Status, Trial

MAX_WEIGHTS_BYTES = 8 << 20
CALL_ROWS = 16  # rows in one call of forward: 8 MiB of logits, which stay in cache better than more
PREFIXES = 256  # positions looked at twice
TOLERANCE = 1e-3  # nats, the largest difference of a log-probability between two looks; float32 stays below 1e-4


@dataclass(frozen=True, slots=True)
class Losses:
    """What the scorer makes of logits, one value a target, shape (rows, context): bits the target costs, and bits the prediction
    expected to cost (its entropy)."""

    bits: np.ndarray
    entropy: np.ndarray


def evaluate(trial: Trial) -> Outcome:
    forget_reads(trial)
    tokens = draw_training(trial)
    seed = int(trial.rng("training").integers(1 << 62))
    trained = trial.sandbox.run(
        ["python", "/candidate/train.py"],
        inputs={"train.bin": tokens.astype("<u2").tobytes(), "seed": str(seed).encode()},
        outputs={"weights.npz": MAX_WEIGHTS_BYTES},
    )
    if not trained.ok:
        return trained.outcome()
    weights = trained.files["weights.npz"]
    rows = draw_rows(trial)
    # Counted as the candidate's: else training could hide in forward, from training text kept in the weights.
    scored = forward(trial, weights, [*batches(rows[:, :-1]), probe(trial)], budgeted=True)
    if not scored.ok:
        return scored.outcome()
    *logits, probed = [value["logits"] for value in scored.values]
    losses = score(logits, rows)
    token_bytes = np.load(trial.assets / "token_bytes.npy")
    counted = token_bytes[rows[:, 1:]]
    bpb = bits_per_byte(losses.bits, counted)
    if reason := find_dependence(trial, weights, rows, logits):
        return Outcome.fail(Status.REJECTED, f"not causal: {reason}")
    ordinary = counted > 0
    return Outcome(
        score=bpb,
        metrics={
            "train_tokens": float(len(tokens)),
            "scored_bytes": float(counted.sum()),
            "train_cpu_s": trained.usage.cpu_s,
            "forward_cpu_s": scored.usage.cpu_s,
        },
        descriptors={
            "log10_weights": math.log10(max(1.0, len(weights) / 4)),
            "overconfidence": float((losses.bits - losses.entropy)[ordinary].mean()),
        },
        feedback=describe(bpb, losses, rows, counted, trained.log),
        probe_hash=hashlib.blake2b(probed.tobytes(), digest_size=16).hexdigest(),
    )


# ------------------------------------------------------------------------------------------------------------- what is drawn


def draw_training(trial: Trial) -> np.ndarray:
    """The training stream of this seed: whole documents in a drawn order, cut where ``train_bytes`` of text are full.

    Tokens that stand for no text (BOS) are free.
    """
    tokens = np.load(trial.assets / "train_tokens.npy", mmap_mode="r")
    starts = np.load(trial.assets / "train_starts.npy")
    token_bytes = np.load(trial.assets / "token_bytes.npy")
    order = trial.rng("documents").permutation(len(starts) - 1)
    stream = np.concatenate([tokens[starts[i] : starts[i + 1]] for i in order])
    served = int(np.searchsorted(np.cumsum(token_bytes[stream]), trial.params["train_bytes"], side="right"))
    return stream[:served]


def draw_rows(trial: Trial) -> np.ndarray:
    """(scored_rows, context + 1) validation rows of this seed, all different, in a drawn order.

    Stratified: the pool is sorted by how hard a bigram model finds each row and cut into as many strata as rows are wanted; each
    gives one.  The mean over seeds is that of rows drawn at random, the scatter much smaller.
    """
    pool = np.load(trial.assets / "validation_rows.npy")
    hardness = np.load(trial.assets / "validation_hardness.npy")
    count = min(trial.params["scored_rows"], len(pool))
    rng = trial.rng("validation")
    edges = np.arange(count + 1) * len(pool) // count
    drawn = np.argsort(hardness, kind="stable")[rng.integers(edges[:-1], edges[1:])]
    return pool[rng.permutation(drawn)]


def probe(trial: Trial) -> np.ndarray:
    """One row that is the same for every seed: a model that does not depend on what it was served answers it alike each time."""
    return np.load(trial.assets / "validation_rows.npy", mmap_mode="r")[:1, :-1].astype(np.int64)


def batches(tokens: np.ndarray) -> list[np.ndarray]:
    return [tokens[i : i + CALL_ROWS].astype(np.int64) for i in range(0, len(tokens), CALL_ROWS)]


# ----------------------------------------------------------------------------------------------------------------- the scorer


def forward(trial: Trial, weights: bytes, inputs: list[np.ndarray], *, budgeted: bool):
    """One fresh sandbox: logits for each batch of token rows, float32 and finite."""
    vocabulary = len(np.load(trial.assets / "token_bytes.npy"))
    return trial.sandbox.call_many(
        "train.py:forward",
        [{"tokens": tokens} for tokens in inputs],
        [{"logits": Array("float32", (*tokens.shape, vocabulary))} for tokens in inputs],
        inputs={"weights.npz": weights},
        budgeted=budgeted,
    )


def score(logits: list[np.ndarray], rows: np.ndarray) -> Losses:
    """Normalise logits over the vocabulary and read the targets off them."""
    parts = [read_off(batch, targets) for batch, targets in zip(logits, batches(rows[:, 1:]), strict=True)]
    return Losses(np.concatenate([part.bits for part in parts]), np.concatenate([part.entropy for part in parts]))


def read_off(logits: np.ndarray, targets: np.ndarray) -> Losses:
    """Of one batch: logits (B, T, V) float32, targets (B, T)."""
    top = logits.max(axis=-1, keepdims=True)
    with np.errstate(over="ignore"):  # logits may be as wild as float32 allows: -inf below the top is probability 0
        below = logits - top
    weight = np.exp(below)
    total = weight.sum(axis=-1, dtype=np.float64)
    chosen = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0].astype(np.float64) - top[..., 0]
    mean_below = np.einsum("btv,btv->bt", weight, np.maximum(below, -1e4)) / total
    return Losses((np.log(total) - chosen) / math.log(2), (np.log(total) - mean_below) / math.log(2))


def bits_per_byte(bits: np.ndarray, counted: np.ndarray) -> float:
    """Bits of the targets that stand for text, over the bytes they stand for."""
    return float(bits[counted > 0].sum() / counted.sum())


def find_dependence(trial: Trial, weights: bytes, rows: np.ndarray, logits: list[np.ndarray]) -> str:
    """Look again at a sample of positions, each at the end of its own prefix, in a sandbox that shares nothing with the first.

    Whoever looked ahead, at other rows of the batch or back at earlier calls now sees something else.  Returns why the two looks
    differ, or "".
    """
    rng = trial.rng("prefixes")
    context = rows.shape[1] - 1
    places = rng.choice(len(rows) * context, size=min(PREFIXES, len(rows) * context), replace=False)
    row, position = np.divmod(places, context)
    lengths = rng.permutation(np.unique(position) + 1)
    members = [np.flatnonzero(position + 1 == length) for length in lengths]
    prefixes = [rows[row[member], :length].astype(np.int64) for member, length in zip(members, lengths, strict=True)]
    forget_reads(trial)
    again = forward(trial, weights, prefixes, budgeted=False)
    if not again.ok:
        return f"forward fails on a prefix alone ({again.status}: {again.reason})"
    worst = 0.0
    for member, value in zip(members, again.values, strict=True):
        first = np.stack([logits[row[i] // CALL_ROWS][row[i] % CALL_ROWS, position[i]] for i in member])
        worst = max(worst, float(np.abs(log_softmax(first) - log_softmax(value["logits"][:, -1])).max()))
    if worst > TOLERANCE:
        return f"log-probabilities of a prefix change by {worst:.3g} nats when it is seen alone; at most {TOLERANCE:g} is allowed"
    return ""


def forget_reads(trial: Trial) -> None:
    """Which pages of a large library somebody read, which names somebody looked up, is a bit each for whoever comes next: the first
    look could leave with them what the second is to say."""
    if left := trial.forget_reads():
        print(f"nanochat_cpu: {left}; a program that looks ahead might pass the second look", file=sys.stderr)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """In float64."""
    below = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return below - np.log(np.exp(below).sum(axis=-1, keepdims=True))


# -------------------------------------------------------------------------------------------------------------------- feedback


def describe(bpb: float, losses: Losses, rows: np.ndarray, counted: np.ndarray, log: str) -> str:
    """Where the bits go, and the tail of what training printed."""
    behind = places_in_document(rows)
    parts = []
    for name, low, high in (("1-8", 1, 8), ("9-32", 9, 32), ("33 and later", 33, rows.shape[1])):
        here = (behind >= low) & (behind <= high) & (counted > 0)
        if here.any():
            parts.append(f"{name}: {losses.bits[here].sum() / counted[here].sum():.3f}")
    gap = float((losses.bits - losses.entropy)[counted > 0].mean())
    kind = "too sure of itself" if gap > 0 else "not sure enough"
    return (
        f"{bpb:.4f} bits per byte. By place of the token in its document: {'; '.join(parts)}.\n"
        f"The model is {kind} by {abs(gap):.3f} bits a token.\n"
        f"Printed by the candidate (untrusted):\n{log[-600:]}"
    )


def places_in_document(rows: np.ndarray) -> np.ndarray:
    """How many tokens each target stands behind the last BOS that its row shows before it (or the row's start)."""
    inputs, bos = rows[:, :-1], rows.max()
    at = np.arange(inputs.shape[1])
    last = np.maximum.accumulate(np.where(inputs == bos, at, 0), axis=1)
    return at - last + 1
