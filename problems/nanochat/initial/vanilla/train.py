"""A plain Transformer with AdamW that is trained on text served in pieces, under a budget of time that the grader keeps.

    turn(phase, ...)       setup: build the model; train: the next piece of text; finish: the weights
    forward(tokens, last)  loads /input/weights.bin, maps tokens to logits

Learned positions, layer norm, GELU, a tied head; warm-up and a cosine.  Shapes: B rows, T tokens, C width, H heads, V vocabulary.
"""

import io
import math
import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUT = Path(os.environ.get("EVOLVE_INPUT", "/input"))
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DEPTH = 8 if DEVICE == "cuda" else 2
HEADS = 8 if DEVICE == "cuda" else 2  # tune: off
WIDTH = 512 if DEVICE == "cuda" else 64  # tune: off
STEP_TOKENS = 32768 if DEVICE == "cuda" else 512  # tune: off
LEARNING_RATE = 0.001
WEIGHT_DECAY = 0.1
WARMUP = 0.05  # tune: 0..1


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x_BTC: Tensor) -> Tensor:
        B, T, _ = x_BTC.shape
        qkv = self.qkv(self.norm_1(x_BTC)).view(B, T, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        y_BHTD = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], is_causal=True)
        x_BTC = x_BTC + self.out(y_BHTD.transpose(1, 2).reshape(B, T, WIDTH))
        return x_BTC + self.down(F.gelu(self.up(self.norm_2(x_BTC))))


class Transformer(nn.Module):
    def __init__(self, vocabulary: int, context: int) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(vocabulary, WIDTH), nn.Embedding(context, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        for table in (self.embedding, self.positions):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        x_BTC = self.embedding(tokens_BT) + self.positions(torch.arange(tokens_BT.size(1), device=tokens_BT.device))
        for block in self.blocks:
            x_BTC = block(x_BTC)
        return F.linear(self.norm(x_BTC), self.embedding.weight)


class Run:
    """One training run, and text that did not fill a step yet."""

    def __init__(self, seed: int, vocabulary: int, context: int) -> None:
        torch.manual_seed(seed)
        self.context, self.rest = context, np.zeros(0, np.int32)
        self.rows = max(1, STEP_TOKENS // context)
        self.model = Transformer(vocabulary, context).to(DEVICE)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=WEIGHT_DECAY)

    def train(self, tokens: np.ndarray, spent: float) -> float:
        """All whole steps that the text fills.  ``spent`` is the share of the budget when it was sent: the schedule follows it."""
        tokens = np.concatenate([self.rest, tokens])
        size, loss = self.rows * self.context, torch.zeros(())
        scale = min(1.0, (spent + 1e-3) / (WARMUP + 1e-3)) * 0.5 * (1.0 + math.cos(math.pi * min(spent, 1.0)))
        for at in range(0, len(tokens) - size, size):
            piece = torch.from_numpy(tokens[at : at + size + 1].astype(np.int64)).to(DEVICE)
            logits = self.model(piece[:-1].view(self.rows, -1))
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), piece[1:])
            self.optimizer.zero_grad()
            loss.backward()
            for group in self.optimizer.param_groups:
                group["lr"] = LEARNING_RATE * scale
            self.optimizer.step()
        self.rest = tokens[(len(tokens) - 1) // size * size :]
        return loss.item()  # waits for the device

    def weights(self) -> np.ndarray:
        """As bytes that ``forward`` reads."""
        file = io.BytesIO()
        np.savez(file, **{name: weight.detach().cpu().numpy() for name, weight in self.model.state_dict().items()})
        return np.frombuffer(file.getvalue(), np.uint8)


RUNS: list[Run] = []


def turn(phase: str, tokens: np.ndarray, spent: float, seed: int, sizes: dict) -> dict:
    """The grader calls this again and again in one process: ``setup``, then ``train`` with text (n,) until the budget is spent,
    then ``finish``."""
    if phase == "setup":
        if DEVICE == "cpu":
            torch.set_num_threads(1)
        RUNS.append(Run(seed, sizes["vocabulary"], sizes["context"]))
        return {"weights": RUNS[0].weights(), "loss": 0.0}
    if phase == "train":
        return {"weights": np.zeros(0, np.uint8), "loss": RUNS[0].train(tokens, spent)}
    return {"weights": RUNS[0].weights(), "loss": 0.0}


@cache
def trained() -> Transformer:
    if DEVICE == "cpu":
        torch.set_num_threads(1)
    with np.load(INPUT / "weights.bin") as weights:
        state = {name: torch.from_numpy(weights[name]) for name in weights.files}
    model = Transformer(len(state["embedding.weight"]), len(state["positions.weight"]))
    model.load_state_dict(state)
    return model.to(DEVICE)


def forward(tokens: np.ndarray, last: bool) -> np.ndarray:
    """Logits of the next token behind each prefix: (B, T) integers -> (B, T, V) float32; with ``last`` (B, 1, V), behind all."""
    with torch.inference_mode():
        logits = trained()(torch.from_numpy(tokens.astype(np.int64)).to(DEVICE))
        return (logits[:, -1:] if last else logits).cpu().numpy()
