"""What tables of counts reach on the text of problem=speedrun, to see what a race of scripts can come to.

    python benchmarks/speedrun_ngrams.py
    python benchmarks/speedrun_ngrams.py corpus=FOLDER target=4.5

Bigrams smoothed with unigrams, and trigrams with absolute discounting (Kneser and Ney 1995), of so many tokens as are served: nats
a token of the rows that are scored.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np

import evolve

TOKENS = (40_000, 280_000, 1_900_000)
SMOOTHING, DISCOUNT = 64.0, 0.8


def main(argv: Sequence[str]) -> None:
    params = {name: json.loads(text) if text[0].isdigit() else text for name, text in (word.split("=", 1) for word in argv)}
    problem = evolve.load_problem("speedrun", **params)
    if problem.assets is None:
        raise SystemExit("expected the assets of problem=speedrun, found none; run: pip install '.[nanochat]'")
    tokens, rows = (
        np.fromfile(problem.assets / f"corpus_{name}.bin", "<u2", offset=1024).astype(np.int64)
        for name in ("train_000001", "val_000000")
    )
    vocabulary, context = int(problem.params["vocabulary"]), int(problem.params["context"])
    scored = rows.reshape(-1, context + 1)[: int(problem.params["scored_rows"])]
    starts = np.append(np.flatnonzero(tokens == vocabulary - 1), len(tokens))
    order = np.random.default_rng(0).permutation(len(starts) - 1)  # as it is served
    stream = np.concatenate([tokens[starts[i] : starts[i + 1]] for i in order])
    print("tokens      bigrams  trigrams")
    for n in TOKENS:
        served = stream[:n]
        print(f"{len(served):<10,}  {bigrams(served, scored, vocabulary):.3f}    {trigrams(served, scored, vocabulary):.3f}")


def bigrams(tokens: np.ndarray, rows: np.ndarray, vocabulary: int) -> float:
    """Nats a token of the rows' targets behind their tokens."""
    pairs = np.bincount(tokens[:-1] * vocabulary + tokens[1:], minlength=vocabulary**2).reshape(vocabulary, vocabulary)
    unigrams = (pairs.sum(0) + 1.0) / (pairs.sum() + vocabulary)
    found = (pairs + SMOOTHING * unigrams) / (pairs.sum(1, keepdims=True) + SMOOTHING)
    return float(-np.log(found[rows[:, :-1], rows[:, 1:]]).mean())


def trigrams(tokens: np.ndarray, rows: np.ndarray, vocabulary: int) -> float:
    """The same behind two tokens; of lower orders it is counted in how many contexts a token stands."""
    text = tokens.tolist()
    counts: list[Counter[tuple[int, ...]]] = [Counter(zip(text[:-2], text[1:-1], text[2:], strict=True))]
    for _ in range(2):
        counts.append(Counter(gram[1:] for gram in counts[-1]))
    totals: list[Counter[tuple[int, ...]]] = [Counter() for _ in counts]
    kinds: list[Counter[tuple[int, ...]]] = [Counter() for _ in counts]
    for order, grams in enumerate(counts):
        for gram, n in grams.items():
            totals[order][gram[:-1]] += n
            kinds[order][gram[:-1]] += 1

    def probability(order: int, before: tuple[int, ...], token: int) -> float:
        if order == len(counts):
            return 1.0 / vocabulary
        total = totals[order][before]
        lower = probability(order + 1, before[1:], token)
        if not total:
            return lower
        return (max(counts[order][(*before, token)] - DISCOUNT, 0.0) + DISCOUNT * kinds[order][before] * lower) / total

    nats = [
        -np.log(probability(0 if i > 1 else 1, tuple(row[max(0, i - 2) : i]), row[i]))
        for row in rows.tolist()
        for i in range(1, len(row))
    ]
    return float(np.mean(nats))


if __name__ == "__main__":
    main(sys.argv[1:])
