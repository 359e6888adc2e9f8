"""A small GPT that races to a target loss: it says how long it trains, is served the text, and is validated at its end.

    turn(phase, ...)              setup: build the model, say the plan; train: the next tokens of it; both give the weights
    forward(tokens, last, point)  loads /input/weights_{point}.bin, maps tokens to logits

The model is nanochat's (https://github.com/karpathy/nanochat) made small: rotary embedding, RMS norm without gains, QK norm,
squared ReLU, soft-capped logits, an untied head, Muon for matrices and Adam for the embedding and the head, with nanochat's
published learning rates.  Shapes: B rows, T tokens, C width, H heads, D head size, V vocabulary.
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

# model
DEPTH = 2  # tune: off
WIDTH = 64  # tune: off
HEADS = 2  # tune: off
HEAD_SIZE = WIDTH // HEADS // 2 * 2  # tune: off  # even, for the rotary pairs
MLP_RATIO = 4  # tune: off
ROPE_BASE = 10000.0
SOFTCAP = 15.0

# optimization
STEPS = 272  # tune: 40..1000 log
VALIDATIONS = 4  # tune: off  # one at the end decides; the others show the course
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
NEWTON_SCHULZ_STEPS = 5


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
    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.blocks = nn.ModuleList([Block() for _ in range(DEPTH)])
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)

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
        at = torch.arange(tokens_BT.size(1), device=tokens_BT.device)
        angles = torch.outer(at, ROPE_BASE ** (-torch.arange(pairs, device=at.device) / pairs))
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


class Run:
    """One training run: the model, its optimizers, and what was served and not trained on yet."""

    def __init__(self, seed: int, vocabulary: int, context: int) -> None:
        torch.manual_seed(seed)
        self.context, self.step, self.rest = context, 0, np.zeros(0, np.int32)
        self.model = GPT(vocabulary)
        self.model.initialize()
        self.model.to(DEVICE)
        adam_scale = (WIDTH / 768) ** -0.5  # tune: off  # the rates above are nanochat's, stated for width 768
        self.optimizers = [
            Adam(self.model.embedding.weight, EMBEDDING_LR * adam_scale),
            Adam(self.model.head.weight, HEAD_LR * adam_scale),
            Muon(list(self.model.blocks.parameters()), MATRIX_LR),
        ]

    def plan(self) -> list[list[int]]:
        """After how many steps, and tokens, there is a validation."""
        steps = [STEPS * (n + 1) // VALIDATIONS for n in range(VALIDATIONS)]
        return [[step, step * BATCH_ROWS * self.context + 1] for step in steps]

    def train(self, tokens: np.ndarray) -> None:
        """All whole steps that the tokens fill; the last token of one is the first input of the next."""
        tokens = np.concatenate([self.rest, tokens])
        size = BATCH_ROWS * self.context
        for at in range(0, len(tokens) - size, size):
            piece = torch.from_numpy(tokens[at : at + size + 1].astype(np.int64)).to(DEVICE)
            self._step(piece[:-1].view(BATCH_ROWS, -1), piece[1:].view(BATCH_ROWS, -1))
        self.rest = tokens[(len(tokens) - 1) // size * size :]

    def _step(self, inputs: Tensor, targets: Tensor) -> None:
        logits_BTV = self.model(inputs)
        loss = F.cross_entropy(logits_BTV.view(-1, logits_BTV.size(-1)), targets.reshape(-1))
        self.model.zero_grad()
        loss.backward()
        ramp = min((self.step + 1) / (WARMUP * STEPS + 1), 1.0, (STEPS - self.step) / (WARMDOWN * STEPS + 1))
        lr_scale = FINAL_LR + (1.0 - FINAL_LR) * ramp
        with torch.no_grad():
            for optimizer in self.optimizers:
                optimizer.step(self.step, lr_scale)
        self.step += 1

    def weights(self) -> np.ndarray:
        """As bytes that ``forward`` reads."""
        file = io.BytesIO()
        np.savez(file, **{name: weight.detach().cpu().numpy() for name, weight in self.model.state_dict().items()})
        return np.frombuffer(file.getvalue(), np.uint8)


RUNS: list[Run] = []


def turn(phase: str, tokens: np.ndarray, seed: int, sizes: dict) -> dict:
    """The grader calls this again and again in one process: ``setup``, then ``train`` with the tokens (n,) up to each point of the
    plan."""
    if phase == "setup":
        torch.set_num_threads(1)
        RUNS.append(Run(seed, sizes["vocabulary"], sizes["context"]))
        return {"weights": RUNS[0].weights(), "plan": RUNS[0].plan()}
    RUNS[0].train(tokens)
    return {"weights": RUNS[0].weights(), "plan": None}


@cache
def trained(point: int) -> GPT:
    torch.set_num_threads(1)
    with np.load(INPUT / f"weights_{point}.bin") as weights:
        state = {name: torch.from_numpy(weights[name]) for name in weights.files}
    model = GPT(len(state["embedding.weight"]))
    model.load_state_dict(state)
    return model.to(DEVICE)


def forward(tokens: np.ndarray, last: bool, point: int) -> np.ndarray:
    """Logits of the next token behind each prefix: (B, T) integers -> (B, T, V) float32; with ``last`` (B, 1, V), behind all."""
    with torch.inference_mode():
        logits = trained(point)(torch.from_numpy(tokens.astype(np.int64)).to(DEVICE))
        return (logits[:, -1:] if last else logits).cpu().numpy()
