"""Scores a language model by its logits alone: normalised here, and causal or refused.

The candidate's ``train.py:forward`` maps tokens (B, T) to logits (B, T, V), float32, in a process that sees its weights; with
``last`` to those behind the last token alone, (B, 1, V).  A second look asks for what stands behind prefixes, each alone, in a
sandbox that shares nothing with the first.

The problems nanochat and nanochat_cpu have the same for other sizes.  A problem's folder holds, and its hash covers, all that
decides a score, so each has its own; a test holds together what is the same.
"""

import hashlib
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from data import scored_rows, validation

from evolve import Array, Outcome, Status, Trial

CALL_BYTES = 64 << 20  # of logits in one call of forward
PREFIXES = 256  # positions looked at twice
UNSHOWN = 512  # rows that only the second look sees, each at one position
TOLERANCE = 1e-3  # nats, the largest difference of a log-probability between two looks; float32 stays below 1e-4
CHANCE = 4.0  # standard errors: passed by chance once in 30,000 measurements
MOST_BITS = 20.0  # a target costs at most, where looks are compared


@dataclass(frozen=True, slots=True)
class Losses:
    """What the scorer makes of logits, one value a target, shape (rows, context): bits the target costs, and bits the prediction
    expected to cost (its entropy)."""

    bits: np.ndarray
    entropy: np.ndarray


@dataclass(frozen=True, slots=True)
class SecondLook:
    """Why it calls the model not causal, or ""; by how many bits a token rows cost more where the next token is not shown."""

    reason: str
    gap: float = 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """A model that was scored: nats a token, what its first look took, the gap of the second in nats a token."""

    loss: float
    cpu_s: float
    wall_s: float
    unshown_gap: float
    probe_hash: str


def judge(trial: Trial, weights: bytes) -> Judgement | Outcome:
    """The loss of weights, or why they have none."""
    forget_reads(trial)
    rows = scored_rows(trial)
    looked = forward(trial, [weights], [(0, one) for one in [*batches(trial, rows[:, :-1]), probe(trial)]], budgeted=True)
    if not looked.ok:
        return looked.outcome()
    *logits, probed = [value["logits"] for value in looked.values]
    losses = score(trial, logits, rows)
    second = look_again(trial, weights, logits, losses)
    if second.reason:
        return Outcome.fail(Status.REJECTED, f"not causal: {second.reason}")
    return Judgement(
        loss=float(losses.bits.mean()) * math.log(2),
        cpu_s=looked.usage.cpu_s,
        wall_s=looked.usage.wall_s,
        unshown_gap=second.gap * math.log(2),
        probe_hash=hashlib.blake2b(probed.tobytes(), digest_size=16).hexdigest(),
    )


def curve(trial: Trial, points: Sequence[bytes]) -> list[float] | Outcome:
    """Nats a token of the scored rows for each of several weights, or why there are none.

    Nobody looks twice at these, and they decide nothing but whether the program knew the text before it was shown any.
    """
    rows = scored_rows(trial)
    inputs = [(point, one) for point in range(len(points)) for one in batches(trial, rows[:, :-1])]
    looked = forward(trial, points, inputs, budgeted=False)
    if not looked.ok:
        return looked.outcome()
    logits = [value["logits"] for value in looked.values]
    n = len(logits) // len(points)
    return [float(score(trial, logits[i : i + n], rows).bits.mean()) * math.log(2) for i in range(0, len(logits), n)]


def stratified(among: np.ndarray, hardness: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` of those rows in a drawn order.

    They are sorted by how hard a bigram model finds each and cut into as many strata as are wanted; each gives one.  The mean
    over draws is that of rows drawn at random, the scatter much smaller.
    """
    edges = np.arange(count + 1) * len(among) // count
    chosen = np.argsort(hardness[among], kind="stable")[rng.integers(edges[:-1], edges[1:])]
    return among[rng.permutation(chosen)]


def probe(trial: Trial) -> np.ndarray:
    """One row more, the same for every seed: a model that does not depend on what it was served answers it alike each time."""
    return validation(trial)[-1:, :-1].astype(np.int64)


def batches(trial: Trial, tokens: np.ndarray) -> list[np.ndarray]:
    n = call_rows(trial)
    return [tokens[i : i + n].astype(np.int64) for i in range(0, len(tokens), n)]


def call_rows(trial: Trial) -> int:
    """As many rows as have their logits in one call."""
    return max(1, CALL_BYTES // (4 * int(trial.params["context"]) * int(trial.params["vocabulary"])))


# ----------------------------------------------------------------------------------------------------------------- the scorer


def forward(trial: Trial, points: Sequence[bytes], inputs: list[tuple[int, np.ndarray]], *, budgeted: bool, last: bool = False):
    """One fresh sandbox: logits for each batch of token rows by the weights of a point, float32 and finite; with ``last`` behind
    the last token alone."""
    vocabulary = int(trial.params["vocabulary"])
    shapes = [(len(tokens), 1 if last else tokens.shape[1], vocabulary) for _, tokens in inputs]
    return trial.sandbox.call_many(
        "train.py:forward",
        [{"tokens": tokens, "last": last, "point": point} for point, tokens in inputs],
        [{"logits": Array("float32", shape)} for shape in shapes],
        inputs={f"weights_{point}.bin": weights for point, weights in enumerate(points)},
        budgeted=budgeted,
    )


def score(trial: Trial, logits: list[np.ndarray], rows: np.ndarray) -> Losses:
    """Normalise logits over the vocabulary and read the targets off them."""
    parts = [read_off(batch, targets) for batch, targets in zip(logits, batches(trial, rows[:, 1:]), strict=True)]
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


# ------------------------------------------------------------------------------------------------------------ the second look


def look_again(trial: Trial, weights: bytes, logits: list[np.ndarray], losses: Losses) -> SecondLook:
    """Ask for what stands behind prefixes, each alone, in a sandbox that shares nothing with the first.

    At places of the first look both must answer alike: whoever looked ahead, at other rows of the batch or back at earlier calls
    now sees something else.  A program that could leave itself a note would know what to say there.  It cannot where a row was
    never shown: at such places a token must cost what it cost in the first look, or it was not the prefix that foretold it.

    The places are drawn from the system's entropy, and only now: neither the seed nor anything the first look saw foretells them.
    """
    rng = np.random.default_rng()
    pool, n_scored = validation(trial), len(losses.bits)
    context = pool.shape[1] - 1
    places = rng.choice(n_scored * context, size=min(PREFIXES, n_scored * context), replace=False)
    row, position = np.divmod(places, context)
    expected = np.load(trial.assets / "validation_bits.npy", mmap_mode="r")
    others = np.arange(n_scored, len(pool) - 1)  # the last is the probe's
    hidden = stratified(others, expected.mean(axis=1), min(UNSHOWN, len(others)), rng)
    unshown = pool[hidden]
    cut = rng.integers(context, size=len(unshown))
    answers = ask_behind(trial, weights, np.concatenate([pool[row], unshown]), np.concatenate([position, cut]), rng)
    if isinstance(answers, str):
        return SecondLook(answers)
    n = call_rows(trial)
    first = np.stack([logits[r // n][r % n, p] for r, p in zip(row, position, strict=True)])
    worst = float(np.abs(log_softmax(first) - log_softmax(answers[: len(row)])).max())
    if worst > TOLERANCE:
        return SecondLook(
            f"log-probabilities of a prefix change by {worst:.3g} nats when it is seen alone; at most {TOLERANCE:g} is allowed"
        )
    at = np.arange(len(unshown))
    targets = unshown[at, cut + 1]
    behind = read_off(answers[len(row) :, None], targets[:, None]).bits[:, 0]
    shown = np.minimum(losses.bits, MOST_BITS) - expected[:n_scored]
    return compare(shown, np.minimum(behind, MOST_BITS) - expected[hidden][at, cut])


def ask_behind(trial: Trial, weights: bytes, rows: np.ndarray, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray | str:
    """(n, V): the logits behind each row's prefix up to its position, prefixes of one length together; or why there are none."""
    lengths = rng.permutation(np.unique(positions) + 1)
    members = [rng.permutation(np.flatnonzero(positions + 1 == length)) for length in lengths]
    forget_reads(trial)
    inputs = [(0, rows[member, :length].astype(np.int64)) for member, length in zip(members, lengths, strict=True)]
    again = forward(trial, [weights], inputs, budgeted=False, last=True)
    if not again.ok:
        return f"forward fails on a prefix alone ({again.status}: {again.reason})"
    last = np.concatenate([value["logits"][:, -1] for value in again.values])
    return last[np.argsort(np.concatenate(members))]


def compare(shown: np.ndarray, unshown: np.ndarray) -> SecondLook:
    """Whether what is shown costs less than chance explains: ``shown`` (rows, context), ``unshown`` (n,)."""
    rows, unshown = np.nanmean(shown, axis=1), unshown[np.isfinite(unshown)]
    gap = float(unshown.mean() - rows.mean())
    error = math.sqrt(unshown.var(ddof=1) / len(unshown) + rows.var(ddof=1) / len(rows))
    few = 1.0 + (CHANCE**2 + 1.0) / (4.0 * (len(unshown) - 1))  # Student's t where there are few
    most = CHANCE * few * error + TOLERANCE / math.log(2)
    if gap > most:
        return SecondLook(
            f"a token costs {gap:.3g} bits more in rows that were never shown with what follows; chance explains {most:.3g}", gap
        )
    return SecondLook("", gap)


def forget_reads(trial: Trial) -> None:
    """Which pages of a large library somebody read, which names somebody looked up, is a bit each for whoever comes next: the first
    look could leave with them what the second is to say."""
    if left := trial.forget_reads():
        print(f"speedrun: {left}; a program that looks ahead might pass the second look", file=sys.stderr)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """In float64."""
    below = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return below - np.log(np.exp(below).sum(axis=-1, keepdims=True))
