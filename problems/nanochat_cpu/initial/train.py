"""A small GPT: one pass of training over the served tokens, and the forward pass that scores it.

    python train.py          reads /input/train.bin and /input/seed, writes /output/weights.npz
    forward(tokens)          loads /input/weights.npz, maps tokens to logits

The model is nanochat's (https://github.com/karpathy/nanochat) made small: rotary embedding, RMS norm without gains, QK norm,
squared ReLU, soft-capped logits, an untied head, Muon for matrices and Adam for the embedding and the head, with nanochat's
published learning rates.  Shapes: B rows, T tokens, C width, H heads, D head size, V vocabulary.
"""

import math
import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUT = Path(os.environ.get("EVOLVE_INPUT", "/input"))
OUTPUT = Path(os.environ.get("EVOLVE_OUTPUT", "/output"))
VOCABULARY = 1024  # tune: off
CONTEXT = 128  # tune: off

# model
DEPTH = 2  # tune: 1..4
WIDTH = 64  # tune: 32..128 log
HEADS = 2  # tune: 1..8
HEAD_SIZE = WIDTH // HEADS // 2 * 2  # tune: off  # even, for the rotary pairs
MLP_RATIO = 4  # tune: 1..8
ROPE_BASE = 10000.0
SOFTCAP = 15.0

# optimization
BATCH_ROWS = 8  # tune: 2..32 log
EMBEDDING_LR = 0.2
HEAD_LR = 0.004
MATRIX_LR = 0.02
ADAM_BETA1 = 0.8
ADAM_BETA2 = 0.95
ADAM_EPS = 1e-10
WARMUP = 0.0  # tune: 0..1
WARMDOWN = 0.2  # tune: 0..1
FINAL_LR = 0.0  # tune: 0..1
MOMENTUM_START = 0.85
MOMENTUM_END = 0.95
MOMENTUM_STEPS = 300
NEWTON_SCHULZ_STEPS = 5  # tune: 1..8


def norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.size(-1),))


def rotate(x_BHTD: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x_BHTD.chunk(2, dim=-1)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, HEADS * HEAD_SIZE, bias=False)
        self.key = nn.Linear(WIDTH, HEADS * HEAD_SIZE, bias=False)
        self.value = nn.Linear(WIDTH, HEADS * HEAD_SIZE, bias=False)
        self.out = nn.Linear(HEADS * HEAD_SIZE, WIDTH, bias=False)

    def forward(self, x_BTC: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        B, T, _ = x_BTC.shape
        q, k, v = (layer(x_BTC).view(B, T, HEADS, HEAD_SIZE).transpose(1, 2) for layer in (self.query, self.key, self.value))
        q, k = norm(rotate(q, cos, sin)), norm(rotate(k, cos, sin))
        y_BHTD = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y_BHTD.transpose(1, 2).reshape(B, T, HEADS * HEAD_SIZE))


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(WIDTH, MLP_RATIO * WIDTH, bias=False)
        self.out = nn.Linear(MLP_RATIO * WIDTH, WIDTH, bias=False)

    def forward(self, x_BTC: Tensor) -> Tensor:
        return self.out(F.relu(self.up(x_BTC)).square())


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()
        self.mlp = MLP()

    def forward(self, x_BTC: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x_BTC = x_BTC + self.attention(norm(x_BTC), cos, sin)
        return x_BTC + self.mlp(norm(x_BTC))


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.ModuleList([Block() for _ in range(DEPTH)])
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def initialize(self) -> None:
        nn.init.normal_(self.embedding.weight, std=1.0)
        nn.init.zeros_(self.head.weight)
        for block in self.blocks:
            for layer in (block.attention.query, block.attention.key, block.attention.value, block.mlp.up):
                nn.init.normal_(layer.weight, std=1.0 / math.sqrt(WIDTH))
            nn.init.zeros_(block.attention.out.weight)
            nn.init.zeros_(block.mlp.out.weight)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        pairs = HEAD_SIZE // 2
        angles = torch.outer(torch.arange(tokens_BT.size(1)), ROPE_BASE ** (-torch.arange(pairs) / pairs))
        cos, sin = angles.cos(), angles.sin()
        x_BTC = norm(self.embedding(tokens_BT))
        for block in self.blocks:
            x_BTC = block(x_BTC, cos, sin)
        logits_BTV = self.head(norm(x_BTC))
        return SOFTCAP * torch.tanh(logits_BTV / SOFTCAP)


def orthogonalize(g: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly, by a quintic Newton-Schulz iteration (https://kellerjordan.github.io/posts/muon)."""
    a, b, c = 3.4445, -4.7750, 2.0315  # tune: off
    x = g.T if g.size(0) > g.size(1) else g
    x = x / (x.norm() + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return x.T if g.size(0) > g.size(1) else x


class Muon:
    """Momentum whose step is orthogonalized (nanochat's variant, Nesterov)."""

    def __init__(self, weights: list[Tensor], lr: float) -> None:
        self.lr = lr
        self.state = [(w, torch.zeros_like(w)) for w in weights]

    def step(self, step: int, lr_scale: float) -> None:
        momentum = MOMENTUM_START + (MOMENTUM_END - MOMENTUM_START) * min(step / MOMENTUM_STEPS, 1.0)
        for w, m in self.state:
            m.lerp_(w.grad, 1.0 - momentum)
            update = orthogonalize(w.grad.lerp(m, momentum))
            w.sub_(update, alpha=self.lr * lr_scale * math.sqrt(max(1.0, w.size(0) / w.size(1))))


class Adam:
    """Adam with bias correction; no weight decay."""

    def __init__(self, weight: Tensor, lr: float) -> None:
        self.lr = lr
        self.weight, self.m, self.v = weight, torch.zeros_like(weight), torch.zeros_like(weight)

    def step(self, step: int, lr_scale: float) -> None:
        self.m.lerp_(self.weight.grad, 1.0 - ADAM_BETA1)
        self.v.lerp_(self.weight.grad.square(), 1.0 - ADAM_BETA2)
        m = self.m / (1.0 - ADAM_BETA1 ** (step + 1))
        v = self.v / (1.0 - ADAM_BETA2 ** (step + 1))
        self.weight.sub_(m / (v.sqrt() + ADAM_EPS), alpha=self.lr * lr_scale)


def train(tokens: Tensor) -> GPT:
    """One pass over the stream, cut into rows of CONTEXT tokens, in the order served."""
    model = GPT()
    model.initialize()
    adam_scale = (WIDTH / 768) ** -0.5  # tune: off  # the rates above are nanochat's, stated for width 768
    optimizers = [
        Adam(model.embedding.weight, EMBEDDING_LR * adam_scale),
        Adam(model.head.weight, HEAD_LR * adam_scale),
        Muon(list(model.blocks.parameters()), MATRIX_LR),
    ]
    n_rows = (len(tokens) - 1) // CONTEXT
    inputs = tokens[: n_rows * CONTEXT].view(n_rows, CONTEXT)
    targets = tokens[1 : n_rows * CONTEXT + 1].view(n_rows, CONTEXT)
    n_steps = math.ceil(n_rows / BATCH_ROWS)
    said_at, mean_loss = 0, 0.0  # of the targets since the last line
    for step in range(n_steps):
        rows = slice(step * BATCH_ROWS, (step + 1) * BATCH_ROWS)
        logits_BTV = model(inputs[rows])
        loss = F.cross_entropy(logits_BTV.view(-1, VOCABULARY), targets[rows].reshape(-1))
        model.zero_grad()
        loss.backward()
        ramp = min((step + 1) / (WARMUP * n_steps + 1), 1.0, (n_steps - step) / (WARMDOWN * n_steps + 1))
        lr_scale = FINAL_LR + (1.0 - FINAL_LR) * ramp
        with torch.no_grad():
            for optimizer in optimizers:
                optimizer.step(step, lr_scale)
        mean_loss += (loss.item() - mean_loss) / (step + 1 - said_at)
        if (step + 1) * 20 // n_steps > step * 20 // n_steps:  # twenty lines
            print(f"step {step + 1}/{n_steps} loss {mean_loss:.4f}")
            said_at, mean_loss = step + 1, 0.0
    return model


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(int((INPUT / "seed").read_text()))
    tokens = np.fromfile(INPUT / "train.bin", dtype=np.uint16)
    model = train(torch.from_numpy(tokens.astype(np.int64)))
    np.savez(OUTPUT / "weights.npz", **{name: weight.numpy() for name, weight in model.state_dict().items()})


@cache
def trained() -> GPT:
    torch.set_num_threads(1)
    model = GPT()
    with np.load(INPUT / "weights.npz") as weights:
        model.load_state_dict({name: torch.from_numpy(weights[name]) for name in weights.files})
    return model


def forward(tokens: np.ndarray) -> np.ndarray:
    """Logits of the next token behind each prefix: (B, T) integers -> (B, T, V) float32.  The grader calls this, nobody else."""
    with torch.inference_mode():
        return trained()(torch.from_numpy(tokens.astype(np.int64))).numpy()


if __name__ == "__main__":
    main()
