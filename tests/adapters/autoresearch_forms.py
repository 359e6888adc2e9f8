"""Small checkouts in the form of autoresearch and of its forks: a bigram model of bytes that trains for a second or two."""

from __future__ import annotations

from pathlib import Path

PREPARE = '''"""Constants, data and the metric.  Do not modify."""

import math
import os

import numpy as np

MAX_SEQ_LEN = 8 * 4       # context length
TIME_BUDGET = 1           # seconds of training
EVAL_TOKENS = 2 * 1024

CACHE_DIR = os.path.join(os.path.expanduser("~"), ".cache", "autoresearch")
DATA_DIR = os.path.join(CACHE_DIR, "data")


def load(split):
    data = np.fromfile(os.path.join(DATA_DIR, split + ".bin"), dtype=np.uint8)
    return data.astype(np.int64)


def evaluate_bpb(logits):
    data = load("val")[: EVAL_TOKENS + 1]
    below = logits - logits.max(axis=1, keepdims=True)
    logp = below - np.log(np.exp(below).sum(axis=1, keepdims=True))
    return float(-logp[data[:-1], data[1:]].mean() / math.log(2))
'''
TRAIN = '''"""A bigram model of bytes, trained by gradient descent until the time is over."""

import argparse
import time

import numpy as np

from prepare import TIME_BUDGET, evaluate_bpb, load

LEARNING_RATE = 0.5
BATCH = 256
SMOOTHING = 0.5

parser = argparse.ArgumentParser()
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

t_start = time.time()
rng = np.random.default_rng(42)
data = load("train")
logits = 0.01 * rng.standard_normal((256, 256))
step, trained = 0, 0.0
while True:
    t0 = time.time()
    at = rng.integers(len(data) - 1, size=BATCH)
    x, y = data[at], data[at + 1]
    rows = logits[x]
    p = np.exp(rows - rows.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(BATCH), y]).mean()
    p[np.arange(BATCH), y] -= 1.0
    np.add.at(logits, x, -LEARNING_RATE * SMOOTHING * p)
    dt = time.time() - t0
    if step > 10:
        trained += dt
    if step % 50 == 0:
        print(f"\\rstep {step:05d} ({100 * trained / TIME_BUDGET:.1f}%) | loss: {loss:.6f}    ", end="", flush=True)
    step += 1
    if step > 10 and trained >= TIME_BUDGET:
        break
print()
val_bpb = evaluate_bpb(logits)
print("---")
print(f"val_bpb:          {val_bpb:.6f}")
print(f"training_seconds: {trained:.1f}")
print(f"total_seconds:    {time.time() - t_start:.1f}")
print(f"peak_vram_mb:     0.0")
print(f"num_steps:        {step}")
'''
STRICT_TRAIN = (
    TRAIN.replace(
        "parser = argparse",
        """

def strict_load(path):
    table = np.load(path)
    return lambda tokens: table[tokens]


# evolve: training begins
parser = argparse""",
    ).replace("import argparse\n", "import argparse\nimport os\n")
    + """
if "EVOLVE_WEIGHTS" in os.environ:
    with open(os.environ["EVOLVE_WEIGHTS"], "wb") as file:
        np.save(file, logits)
"""
)
STRICT_ROWS = '''import numpy as np

from prepare import MAX_SEQ_LEN, load


def validation_rows(n):
    """Rows of MAX_SEQ_LEN + 1 bytes, and how many bytes each token stands for."""
    data = load("val")
    width = MAX_SEQ_LEN + 1
    return data[: len(data) // width * width].reshape(-1, width)[:n], np.ones(256)
'''
UPSTREAM_PREPARE = (
    PREPARE.replace("EVAL_TOKENS = 2 * 1024", "EVAL_TOKENS = 64 * MAX_SEQ_LEN")
    + """

LAST = 7
VAL_FILENAME = f"shard_{LAST:05d}.bin"


class Tokenizer:
    @classmethod
    def from_directory(cls):
        return cls()

    def encode(self, data):
        return data.astype(np.int64)


def get_token_bytes(device="cpu"):
    return np.array([0] + [1] * 255, dtype=np.int32)


def make_dataloader(tokenizer, B, T, split, buffer_size=1000):
    data = tokenizer.encode(np.fromfile(os.path.join(DATA_DIR, VAL_FILENAME), dtype=np.uint8))
    row, at = np.empty((B, T + 1), np.int64), 0  # one buffer, again and again
    while True:
        for one in range(B):
            row[one] = data[at : at + T + 1]
            at = (at + T) % (len(data) - T - 1)
        yield row[:, :-1], row[:, 1:], 1
"""
)
EXTRA_KEYS = 'print("dataset:          plays")\nprint("activation_checkpointing: disabled")\nprint("note: a line: with colons")\n'
PROGRAM = """# autoresearch

The training script runs for a **fixed time budget**. You launch it simply as: `uv run train.py`.
If the data is missing, tell the human to run `uv run prepare.py`.

**What you CAN do:**
- Modify `train.py` - this is the only file you edit.

**What you CANNOT do:**
- Modify `prepare.py`. It is read-only.

4. Run the experiment: `{command} > run.log 2>&1`

**Timeout**: If a run exceeds {minutes} minutes, kill it.
"""
RESULTS = """commit\tval_bpb\tmemory_gb\tstatus\tdescription
a1b2c3d\t4.997900\t0.4\tkeep\tbaseline
b2c3d4e\t0.000000\t0.0\tcrash\tdouble the batch
"""
WIDE = """commit\tval_bpb\tmemory_gb\tnum_steps\ttok_per_sec\tmachine\tseed\tstatus\thypothesis\tdescription
a1b2c3d\t4.99\t0.4\t900\t12\tbox\t1\tkeep\tnone\tbaseline
b2c3d4e\t4.95\t0.4\t901\t12\tbox\t1\tparked\tsmaller\thalve\tthe rate
c3d4e5f\t4.97
"""
TEXT = b"the quick brown fox jumps over the lazy dog, and the dog sleeps on. " * 400


def write_checkout(
    folder: Path,
    *,
    prepare: str = PREPARE,
    train: str = TRAIN,
    command: str = "uv run train.py",
    minutes: str = "1",
    results: str = "",
    rows: str = "",
    own: str = "",
) -> Path:
    """A checkout; its data is put into the home folder that ``HOME`` names by ``write_data``."""
    folder.mkdir(parents=True)
    (folder / "prepare.py").write_text(prepare)
    (folder / "train.py").write_text(train)
    (folder / "program.md").write_text(PROGRAM.format(command=command, minutes=minutes))
    (folder / "pyproject.toml").write_text('[project]\nname = "small"\nversion = "0"\n')
    for name, text in (("strict.py", rows), ("evolve.yaml", own)):
        if text:
            (folder / name).write_text(text)
    if results:
        (folder / "results.tsv").write_text(results)
    return folder


def write_data(home: Path) -> Path:
    data = home / ".cache" / "autoresearch" / "data"
    data.mkdir(parents=True)
    (data / "train.bin").write_bytes(TEXT)
    (data / "val.bin").write_bytes(TEXT[:4096])
    return data.parent
