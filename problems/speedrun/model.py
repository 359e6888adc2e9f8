"""The model of ``form=steps``, which is the same for all programs: a small GPT, its loss and its gradient.

Rotary embedding, RMS norm without gains, QK norm, squared ReLU, soft-capped logits, an untied head, as in nanochat.  A program
knows its parameters as one vector, with their names and shapes.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

DEPTH, WIDTH, HEADS, MLP_RATIO = 2, 64, 2, 4
ROPE_BASE, SOFTCAP = 10000.0, 15.0


def shapes(vocabulary: int) -> dict[str, tuple[int, int]]:
    """Name -> shape of every parameter, in their order: outputs by inputs."""
    found = {"embedding": (vocabulary, WIDTH)}
    for layer in range(DEPTH):
        found |= {f"{name}{layer}": (WIDTH, WIDTH) for name in ("query", "key", "value", "out")}
        found |= {f"up{layer}": (MLP_RATIO * WIDTH, WIDTH), f"down{layer}": (WIDTH, MLP_RATIO * WIDTH)}
    return found | {"head": (vocabulary, WIDTH)}


def size(vocabulary: int) -> int:
    """How many numbers that is."""
    return sum(math.prod(shape) for shape in shapes(vocabulary).values())


def split(vector: np.ndarray, vocabulary: int) -> dict[str, Tensor]:
    """The parameters in a vector."""
    found, at = {}, 0
    for name, shape in shapes(vocabulary).items():
        found[name] = torch.from_numpy(vector[at : at + math.prod(shape)].reshape(shape).copy())
        at += math.prod(shape)
    return found


def gradient(vector: np.ndarray, rows: np.ndarray, vocabulary: int) -> np.ndarray:
    """Of the mean loss of a batch of rows (B, T + 1), as a vector."""
    weights = {name: one.requires_grad_() for name, one in split(vector, vocabulary).items()}
    _loss(weights, rows).backward()
    return np.concatenate([one.grad.numpy().reshape(-1) for one in weights.values()])


def loss(vector: np.ndarray, rows: np.ndarray, vocabulary: int) -> float:
    """Nats a token over all rows."""
    weights = split(vector, vocabulary)
    with torch.inference_mode():
        parts = [float(_loss(weights, rows[i : i + 16])) * len(rows[i : i + 16]) for i in range(0, len(rows), 16)]
    return sum(parts) / len(rows)


def _loss(weights: Mapping[str, Tensor], rows: np.ndarray) -> Tensor:
    tokens = torch.from_numpy(rows.astype(np.int64))
    logits = _logits(weights, tokens[:, :-1])
    return F.cross_entropy(logits.reshape(-1, logits.size(-1)), tokens[:, 1:].reshape(-1))


def _logits(weights: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
    pairs = WIDTH // HEADS // 2
    angles = torch.outer(torch.arange(tokens.size(1)), ROPE_BASE ** (-torch.arange(pairs) / pairs))
    cos, sin = angles.cos(), angles.sin()
    x = _norm(F.embedding(tokens, weights["embedding"]))
    for layer in range(DEPTH):
        x = x + _attention(weights, layer, _norm(x), cos, sin)
        x = x + F.relu(_norm(x) @ weights[f"up{layer}"].T).square() @ weights[f"down{layer}"].T
    return SOFTCAP * torch.tanh(_norm(x) @ weights["head"].T / SOFTCAP)


def _attention(weights: Mapping[str, Tensor], layer: int, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    B, T, _ = x.shape
    q, k, v = ((x @ weights[f"{name}{layer}"].T).view(B, T, HEADS, -1).transpose(1, 2) for name in ("query", "key", "value"))
    q, k = _norm(_rotate(q, cos, sin)), _norm(_rotate(k, cos, sin))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return y.transpose(1, 2).reshape(B, T, WIDTH) @ weights[f"out{layer}"].T


def _norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.size(-1),))


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)
