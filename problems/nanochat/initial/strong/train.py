"""A GPT that is trained on text served in pieces, under a budget of time that the grader keeps.

    turn(phase, ...)       setup: build the model; train: the next piece of text; finish: the weights
    forward(tokens, last)  loads /input/weights.bin, maps tokens to logits

The model is nanochat's (https://github.com/karpathy/nanochat): rotary embedding, RMS norm without gains, QK norm, squared ReLU,
soft-capped logits, an untied head, value embeddings on every other layer, residual and skip scalars, windows of attention; Muon
(https://kellerjordan.github.io/posts/muon) for matrices and AdamW for the rest, with nanochat's published rates.  Every component
has a switch.  Shapes: B rows, T tokens, C width, H heads, D head size, V vocabulary.
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
MEMORY_GIB = torch.cuda.get_device_properties(0).total_memory / 2**30 if DEVICE == "cuda" else 0.0

# model: what the device holds, as (GiB at least, depth, rows of one step at a context of 1024)
SIZES = [(60.0, 8, 64), (20.0, 6, 32), (8.0, 4, 16), (0.0, 2, 1)]
DEPTH, STEP_ROWS = next((depth, rows) for least, depth, rows in SIZES if least <= MEMORY_GIB)
HEAD_SIZE = 64 if DEVICE == "cuda" else 32  # tune: off
HEADS = DEPTH if DEVICE == "cuda" else 2  # tune: off
WIDTH = HEADS * HEAD_SIZE
MLP_RATIO = 4  # tune: off
ROPE_BASE = 10000.0
SOFTCAP = 15.0
VALUE_EMBEDDINGS = True
RESIDUAL_SCALARS = True
QK_NORM = True
WINDOWS = "L"  # of layers in turn: S a part of the context, L all of it; the last layer always sees all. Nanochat has SSSL
SHORT_WINDOW = 0.5  # tune: 0.05..1
BFLOAT16 = DEVICE == "cuda"
COMPILE = False  # needs a C compiler in the sandbox: toolbox: [cc] in problem.yaml

# optimization
EMBEDDING_LR = 0.2
HEAD_LR = 0.004
SCALAR_LR = 0.05
MATRIX_LR = 0.02
ADAM_BETA1 = 0.8
ADAM_BETA2 = 0.95
ADAM_EPS = 1e-10
WEIGHT_DECAY = 0.0  # of matrices, decoupled
WARMUP = 0.0  # tune: 0..1
WARMDOWN = 0.4  # tune: 0..1
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


def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Causal attention over the last ``window`` tokens; a flash kernel where the window is everything and there is one."""
    T = q.size(2)
    if window >= T:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    behind = torch.arange(T, device=q.device)[:, None] - torch.arange(T, device=q.device)[None]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=(behind >= 0) & (behind < window))


class Attention(nn.Module):
    def __init__(self, layer: int, context: int, vocabulary: int) -> None:
        super().__init__()
        self.qkv = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3))
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        short = WINDOWS[layer % len(WINDOWS)] == "S" and layer < DEPTH - 1
        self.window = max(1, int(SHORT_WINDOW * context)) if short else context
        self.values = nn.Embedding(vocabulary, WIDTH) if VALUE_EMBEDDINGS and layer % 2 == (DEPTH - 1) % 2 else None

    def forward(self, x_BTC: Tensor, tokens_BT: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        B, T, _ = x_BTC.shape
        q, k, v = (layer(x_BTC).view(B, T, HEADS, HEAD_SIZE).transpose(1, 2) for layer in self.qkv)
        if self.values is not None:
            v = v + self.values(tokens_BT).view(B, T, HEADS, HEAD_SIZE).transpose(1, 2).to(v.dtype)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if QK_NORM:
            q, k = norm(q), norm(k)
        return self.out(attend(q, k, v, self.window).transpose(1, 2).reshape(B, T, WIDTH))


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(WIDTH, MLP_RATIO * WIDTH, bias=False)
        self.out = nn.Linear(MLP_RATIO * WIDTH, WIDTH, bias=False)

    def forward(self, x_BTC: Tensor) -> Tensor:
        return self.out(F.relu(self.up(x_BTC)).square())


class GPT(nn.Module):
    def __init__(self, vocabulary: int, context: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.attentions = nn.ModuleList(Attention(layer, context, vocabulary) for layer in range(DEPTH))
        self.mlps = nn.ModuleList(MLP() for _ in range(DEPTH))
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)
        self.residual = nn.Parameter(torch.ones(DEPTH), requires_grad=RESIDUAL_SCALARS)
        self.skip = nn.Parameter(torch.zeros(DEPTH), requires_grad=RESIDUAL_SCALARS)

    def initialize(self) -> None:
        nn.init.normal_(self.embedding.weight, std=1.0)
        nn.init.zeros_(self.head.weight)
        bound = math.sqrt(3.0 / WIDTH)
        for attention, mlp in zip(self.attentions, self.mlps, strict=True):
            for layer in (*attention.qkv, mlp.up):
                nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(attention.out.weight)
            nn.init.zeros_(mlp.out.weight)
            if attention.values is not None:
                nn.init.uniform_(attention.values.weight, -bound, bound)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        pairs = HEAD_SIZE // 2
        at = torch.arange(tokens_BT.size(1), device=tokens_BT.device)
        angles = torch.outer(at, ROPE_BASE ** (-torch.arange(pairs, device=at.device) / pairs))
        cos, sin = angles.cos(), angles.sin()
        x_BTC = first = norm(self.embedding(tokens_BT))
        for layer, (attention, mlp) in enumerate(zip(self.attentions, self.mlps, strict=True)):
            x_BTC = self.residual[layer] * x_BTC + self.skip[layer] * first
            x_BTC = x_BTC + attention(norm(x_BTC), tokens_BT, cos, sin)
            x_BTC = x_BTC + mlp(norm(x_BTC))
        logits_BTV = self.head(norm(x_BTC)).float()
        return SOFTCAP * torch.tanh(logits_BTV / SOFTCAP)


def orthogonalize(g: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly, by a quintic Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315  # tune: off
    x = g.T if g.size(0) > g.size(1) else g
    x = x.bfloat16() if BFLOAT16 else x
    x = x / (x.norm() + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return (x.T if g.size(0) > g.size(1) else x).to(g.dtype)


class Muon:
    """Momentum whose step is orthogonalized (nanochat's variant, Nesterov)."""

    def __init__(self, weights: list[Tensor]) -> None:
        self.state = [(w, torch.zeros_like(w)) for w in weights]

    def step(self, step: int, lr_scale: float) -> None:
        momentum = MOMENTUM_START + (MOMENTUM_END - MOMENTUM_START) * min(step / MOMENTUM_STEPS, 1.0)
        for w, m in self.state:
            m.lerp_(w.grad, 1.0 - momentum)
            update = orthogonalize(w.grad.lerp(m, momentum))
            w.mul_(1.0 - MATRIX_LR * lr_scale * WEIGHT_DECAY)
            w.sub_(update, alpha=MATRIX_LR * lr_scale * math.sqrt(max(1.0, w.size(0) / w.size(1))))


class Run:
    """One training run: the model, its optimizers, and text that did not fill a step yet."""

    def __init__(self, seed: int, vocabulary: int, context: int) -> None:
        torch.manual_seed(seed)
        self.context, self.step, self.rest = context, 0, np.zeros(0, np.int32)
        self.rows = max(1, STEP_ROWS * 1024 // context) if DEVICE == "cuda" else 8
        self.model = GPT(vocabulary, context)
        self.model.initialize()
        self.model.to(DEVICE)
        self.optimizers = self._optimizers()
        self.net = torch.compile(self.model) if COMPILE else self.model

    def _optimizers(self) -> list[tuple[Muon | torch.optim.AdamW, list[float]]]:
        model, scale = self.model, (WIDTH / 768) ** -0.5  # the rates are stated for width 768
        tables = [one.values.weight for one in model.attentions if one.values is not None]
        groups = [
            {"params": [model.embedding.weight, *tables], "lr": EMBEDDING_LR * scale},
            {"params": [model.head.weight], "lr": HEAD_LR * scale},
        ]
        if RESIDUAL_SCALARS:
            groups.append({"params": [model.residual, model.skip], "lr": SCALAR_LR})
        adam = torch.optim.AdamW(groups, betas=(ADAM_BETA1, ADAM_BETA2), eps=ADAM_EPS, weight_decay=0.0)
        matrices = [w for part in (model.attentions, model.mlps) for name, w in part.named_parameters() if "values" not in name]
        return [(adam, [group["lr"] for group in groups]), (Muon(matrices), [])]

    def train(self, tokens: np.ndarray, spent: float) -> float:
        """All whole steps that the text fills.  ``spent`` is the share of the budget when it was sent: the schedule follows it."""
        tokens = np.concatenate([self.rest, tokens])
        size, loss = self.rows * self.context, torch.zeros(())
        for at in range(0, len(tokens) - size, size):
            piece = torch.from_numpy(tokens[at : at + size + 1].astype(np.int64)).to(DEVICE)
            loss = self._step(piece[:-1].view(self.rows, -1), piece[1:].view(self.rows, -1), spent)
        self.rest = tokens[(len(tokens) - 1) // size * size :]
        return loss.item()  # waits for the device

    def _step(self, inputs: Tensor, targets: Tensor, spent: float) -> Tensor:
        with torch.autocast(DEVICE, torch.bfloat16, enabled=BFLOAT16):
            logits = self.net(inputs)
        loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1))
        self.model.zero_grad()
        loss.backward()
        ramp = min(1.0, (spent + 1e-3) / (WARMUP + 1e-3), (1.0 - spent) / (WARMDOWN + 1e-9))
        lr_scale = FINAL_LR + (1.0 - FINAL_LR) * max(ramp, 0.0)
        with torch.no_grad():
            for optimizer, rates in self.optimizers:
                if isinstance(optimizer, Muon):
                    optimizer.step(self.step, lr_scale)
                else:
                    for group, rate in zip(optimizer.param_groups, rates, strict=True):
                        group["lr"] = rate * lr_scale
                    optimizer.step()
        self.step += 1
        return loss.detach()

    def weights(self) -> np.ndarray:
        """As bytes that ``forward`` reads."""
        file = io.BytesIO()
        state = {name: weight.detach().float().cpu().numpy() for name, weight in self.model.state_dict().items()}
        np.savez(file, context=self.context, **state)
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
def trained() -> GPT:
    if DEVICE == "cpu":
        torch.set_num_threads(1)
    with np.load(INPUT / "weights.bin") as weights:
        state = {name: torch.from_numpy(weights[name]) for name in weights.files if name != "context"}
        model = GPT(len(state["embedding.weight"]), int(weights["context"]))
    model.load_state_dict(state)
    return model.to(DEVICE)


def forward(tokens: np.ndarray, last: bool) -> np.ndarray:
    """Logits of the next token behind each prefix: (B, T) integers -> (B, T, V) float32; with ``last`` (B, 1, V), behind all."""
    with torch.inference_mode():
        logits = trained()(torch.from_numpy(tokens.astype(np.int64)).to(DEVICE))
        return (logits[:, -1:] if last else logits).cpu().numpy()
