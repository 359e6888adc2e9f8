"""The shards: training text in the one order that all runs are served, and the validation rows."""

import json
from functools import cache
from pathlib import Path

import numpy as np

from evolve import Trial

HEAD_BYTES = 4 * 256
MAGIC, VERSION = 20240520, 1


def shard(path: Path) -> np.ndarray:
    """The tokens of a shard.

    Raises:
        ValueError: the file is none, or is cut.
    """
    head = np.fromfile(path, "<i4", 3)
    if len(head) < 3 or head[0] != MAGIC or head[1] != VERSION:
        raise ValueError(f"{path.name} is no shard of version {VERSION}")
    tokens = np.fromfile(path, "<u2", offset=HEAD_BYTES)
    if len(tokens) != head[2]:
        raise ValueError(f"{path.name} announces {head[2]} tokens and has {len(tokens)}")
    return tokens


def training(trial: Trial) -> np.ndarray:
    """The training tokens, documents in an order that is the same for every run."""
    tokens = shard(trial.assets / "corpus_train_000001.bin")
    starts = np.append(np.flatnonzero(tokens == int(trial.params["vocabulary"]) - 1), len(tokens))
    order = np.random.default_rng(0).permutation(len(starts) - 1)
    return np.concatenate([tokens[starts[i] : starts[i + 1]] for i in order])


def validation(trial: Trial) -> np.ndarray:
    """(rows, context + 1): all validation rows, those that are scored first."""
    return shard(trial.assets / "corpus_val_000000.bin").reshape(-1, int(trial.params["context"]) + 1)


def scored_rows(trial: Trial) -> np.ndarray:
    """The rows that are scored: the same in every run, as in the speedrun."""
    return validation(trial)[: facts(trial.assets)["scored_rows"]]


@cache
def facts(folder: Path) -> dict:
    """What ``corpus.json`` says."""
    return json.loads((folder / "corpus.json").read_text())
