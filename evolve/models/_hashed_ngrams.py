"""Vectors of code without a model: which short runs of tokens it has.  Programs that share much of it lie close together."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from evolve._errors import UsageError
from evolve.models._provider import FREE
from evolve.models._reply import NOTHING
from evolve.models.openai._embeddings import Vectors

_TOKEN = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)?|[^\s\w]")  # names, numbers, single signs; spacing says nothing


class HashedNgrams:
    """An ``Embedder`` that needs no server: signed feature hashing of n-grams of tokens (Weinberger 2009).

    A text of c equal n-grams counts sqrt(c) for them; vectors have length 1.  A text without a token is the zero vector.  Equal
    texts give equal vectors in every process.  It knows nothing of meaning: a renamed variable is another token.

    Args:
        n_dims: Length of the vectors.
        longest: Longest run of tokens that is counted.

    Raises:
        UsageError: One of them below 1.

    References:
        Weinberger 2009, https://arxiv.org/abs/0902.2206
    """

    name = "hashed-ngrams"
    prices_from = FREE

    def __init__(self, *, n_dims: int = 512, longest: int = 3) -> None:
        if n_dims < 1 or longest < 1:
            raise UsageError(f"n_dims and longest must be at least 1, found {n_dims} and {longest}.")
        self.model = f"ngrams-{longest}-{n_dims}"
        self._n_dims = n_dims
        self._longest = longest

    def request_bytes(self, texts: Sequence[str]) -> int:
        """Nothing is sent."""
        return 0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return Vectors(self.vectors(texts), NOTHING, self.model)

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """The same without a loop: (n, n_dims) float32.

        Raises:
            UsageError: No texts.
        """
        if not texts:
            raise UsageError("there must be at least one text to embed.")
        return np.stack([self._vector(text) for text in texts])

    async def close(self) -> None:
        """Nothing is open."""

    def _vector(self, text: str) -> np.ndarray:
        tokens = _TOKEN.findall(text)
        grams = Counter("\x1f".join(tokens[at : at + n]) for n in range(1, self._longest + 1) for at in range(len(tokens) - n + 1))
        if not grams:
            return np.zeros(self._n_dims, dtype=np.float32)
        digests = b"".join(hashlib.blake2b(gram.encode(errors="surrogatepass"), digest_size=8).digest() for gram in grams)
        hashes = np.frombuffer(digests, dtype="<u8")
        signs = np.where(hashes >> np.uint64(63), -1.0, 1.0)
        weights = np.sqrt(np.fromiter(grams.values(), dtype=np.float64, count=len(grams)))
        places = (hashes & np.uint64(2**63 - 1)) % np.uint64(self._n_dims)
        sums = np.bincount(places.astype(np.int64), signs * weights, minlength=self._n_dims)
        length = math.sqrt(math.fsum((sums * sums).tolist()))  # exact, hence the same on every machine
        return (sums / length if length > 0 else sums).astype(np.float32)
