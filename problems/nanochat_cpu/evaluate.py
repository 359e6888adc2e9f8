"""Trains a candidate on text drawn from the seed and scores its logits: bits per byte of held-out text, lower is better.

The grader serves the data, measures what is spent, normalises the logits and counts the bytes.  What the candidate prints is
shown to whoever makes the next child, and decides nothing.
"""

import hashlib
import math
import re
import sys
from dataclasses import dataclass

import numpy as np

from evolve import Array, Outcome, Status, Trial

MAX_WEIGHTS_BYTES = 8 << 20
CALL_ROWS = 16  # rows in one call of forward: 8 MiB of logits, which stay in cache better than more
PREFIXES = 256  # positions looked at twice
UNSHOWN = 512  # rows that only the second look sees, each at one position
TOLERANCE = 1e-3  # nats, the largest difference of a log-probability between two looks; float32 stays below 1e-4
CHANCE = 4.0  # standard errors: passed by chance once in 30,000 measurements
MOST_BITS = (
    20.0  # a target costs at most, where looks are compared: else one wild answer would make any difference look like chance
)
_STEP = re.compile(r"step (\d{1,9})/(\d{1,9}) loss (nan|inf|\d{1,4}\.\d{1,12})")


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


def evaluate(trial: Trial) -> Outcome:
    forget_reads(trial)
    tokens = draw_training(trial)
    seed = int(trial.rng("training").integers(1 << 62))
    trained = trial.sandbox.run(
        ["python", "/candidate/train.py"],
        inputs={"train.bin": tokens.astype("<u2").tobytes(), "seed": str(seed).encode()},
        outputs={"weights.npz": MAX_WEIGHTS_BYTES},
        watch=lambda line: watch(trial, line),
    )
    if not trained.ok:
        return trained.outcome()
    weights = trained.files["weights.npz"]
    drawn = draw(trial)
    rows = np.load(trial.assets / "validation_rows.npy")[drawn]
    # Counted as the candidate's: else training could hide in forward, from training text kept in the weights.
    scored = forward(trial, weights, [*batches(rows[:, :-1]), probe(trial)], budgeted=True)
    if not scored.ok:
        return scored.outcome()
    *logits, probed = [value["logits"] for value in scored.values]
    losses = score(logits, rows)
    token_bytes = np.load(trial.assets / "token_bytes.npy")
    counted = token_bytes[rows[:, 1:]]
    bpb = bits_per_byte(losses.bits, counted)
    second = look_again(trial, weights, drawn, logits, losses)
    if second.reason:
        return Outcome.fail(Status.REJECTED, f"not causal: {second.reason}")
    ordinary = counted > 0
    return Outcome(
        score=bpb,
        metrics={
            "train_tokens": float(len(tokens)),
            "scored_bytes": float(counted.sum()),
            "train_cpu_s": trained.usage.cpu_s,
            "forward_cpu_s": scored.usage.cpu_s,
            "unshown_gap": second.gap * int((counted > 0).sum()) / int(counted.sum()),
        },
        descriptors={
            "log10_weights": math.log10(max(1.0, len(weights) / 4)),
            "overconfidence": float((losses.bits - losses.entropy)[ordinary].mean()),
        },
        feedback=describe(bpb, losses, rows, counted, trained.log),
        probe_hash=hashlib.blake2b(probed.tobytes(), digest_size=16).hexdigest(),
    )


def watch(trial: Trial, line: str) -> bool:
    """Whether what a training run prints says that it loses.  It decides no score: one that prints better losses than it has is
    trained to its end and scored as any other."""
    if said := _STEP.match(line):
        step, n_steps, loss = int(said[1]), int(said[2]), float(said[3])
        if 0 < step <= n_steps:
            trial.report(step / n_steps, loss)
    return trial.should_prune()


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


def draw(trial: Trial) -> np.ndarray:
    """Which validation rows this seed scores, all different, in a drawn order.

    At most half of them: the second look needs rows that the first has not seen.
    """
    pool = np.load(trial.assets / "validation_hardness.npy")
    return stratified(np.arange(len(pool)), pool, min(trial.params["scored_rows"], len(pool) // 2), trial.rng("validation"))


def stratified(among: np.ndarray, hardness: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` of those rows in a drawn order.

    They are sorted by how hard a bigram model finds each and cut into as many strata as are wanted; each gives one.  The mean
    over draws is that of rows drawn at random, the scatter much smaller.
    """
    edges = np.arange(count + 1) * len(among) // count
    chosen = np.argsort(hardness[among], kind="stable")[rng.integers(edges[:-1], edges[1:])]
    return among[rng.permutation(chosen)]


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


# ------------------------------------------------------------------------------------------------------------ the second look


def look_again(trial: Trial, weights: bytes, drawn: np.ndarray, logits: list[np.ndarray], losses: Losses) -> SecondLook:
    """Ask for what stands behind prefixes, each alone, in a sandbox that shares nothing with the first.

    At places of the first look both must answer alike: whoever looked ahead, at other rows of the batch or back at earlier calls
    now sees something else.  A program that could leave itself a note would know what to say there.  It cannot where a row was
    never shown: at such places a token must cost what it cost in the first look, or it was not the prefix that foretold it.

    The places are drawn from the system's entropy, and only now: neither the seed nor anything the first look saw foretells them.
    """
    rng = np.random.default_rng()
    pool = np.load(trial.assets / "validation_rows.npy")
    context = pool.shape[1] - 1
    hardness = np.load(trial.assets / "validation_hardness.npy")
    places = rng.choice(len(drawn) * context, size=min(PREFIXES, len(drawn) * context), replace=False)
    row, position = np.divmod(places, context)
    others = np.setdiff1d(np.arange(len(pool)), drawn)
    unshown = pool[stratified(others, hardness, min(UNSHOWN, len(others)), rng)]
    cut = rng.integers(context, size=len(unshown))
    answers = ask_behind(trial, weights, np.concatenate([pool[drawn[row]], unshown]), np.concatenate([position, cut]), rng)
    if isinstance(answers, str):
        return SecondLook(answers)
    first = np.stack([logits[r // CALL_ROWS][r % CALL_ROWS, p] for r, p in zip(row, position, strict=True)])
    worst = float(np.abs(log_softmax(first) - log_softmax(answers[: len(row)])).max())
    if worst > TOLERANCE:
        return SecondLook(
            f"log-probabilities of a prefix change by {worst:.3g} nats when it is seen alone; at most {TOLERANCE:g} is allowed"
        )
    at = np.arange(len(unshown))
    targets = unshown[at, cut + 1]
    behind = read_off(answers[len(row) :, None], targets[:, None]).bits[:, 0]
    return compare(
        excess(trial, losses.bits, pool[drawn][:, :-1], pool[drawn][:, 1:]), excess(trial, behind, unshown[at, cut], targets)
    )


def ask_behind(trial: Trial, weights: bytes, rows: np.ndarray, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray | str:
    """(n, V): the logits behind each row's prefix up to its position, prefixes of one length together; or why there are none."""
    lengths = rng.permutation(np.unique(positions) + 1)
    members = [rng.permutation(np.flatnonzero(positions + 1 == length)) for length in lengths]
    forget_reads(trial)
    again = forward(
        trial,
        weights,
        [rows[member, :length].astype(np.int64) for member, length in zip(members, lengths, strict=True)],
        budgeted=False,
    )
    if not again.ok:
        return f"forward fails on a prefix alone ({again.status}: {again.reason})"
    last = np.concatenate([value["logits"][:, -1] for value in again.values])
    return last[np.argsort(np.concatenate(members))]


def excess(trial: Trial, bits: np.ndarray, before: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """By how many bits each target cost more than under the bigram model, which scatters half as much as the cost itself; NaN for
    targets that stand for no text."""
    bigram = np.load(trial.assets / "bigram_bits.npy", mmap_mode="r")
    counted = np.load(trial.assets / "token_bytes.npy")[targets] > 0
    return np.where(counted, np.minimum(bits, MOST_BITS) - bigram[before, targets], np.nan)


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
