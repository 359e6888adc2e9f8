"""Which children are too like what is known: sketches of programs, and a threshold that adapts.

A sketch is a vector of a program (from an embedding model or from hashed tokens), projected at random to 64 dimensions and kept in
8 bits each: cosines near 1 survive that to about 0.003.  A child is turned away when it is closer to a known program than most
children lately were: the threshold is a quantile of recent similarities, so that at most the share asked for is turned away, and
nothing that is less than ``LEAST`` similar.

Random projection: Johnson and Lindenstrauss 1984; Achlioptas 2003, https://doi.org/10.1016/S0022-0000(03)00025-4.
"""

from __future__ import annotations

import base64
from collections import deque

import numpy as np

DIMS = 64
LEAST = 0.95
ENOUGH = 32  # similarities before anything is turned away
RECENT = 256
KEPT = 1024  # programs that a child is compared with, the newest


def sketch(vector: np.ndarray) -> str:
    """A vector of any length as 80 characters; "" where it is zero or no number.  Equal vectors give equal sketches."""
    flat = np.asarray(vector, dtype=np.float64).ravel()
    signs = np.random.Generator(np.random.Philox(flat.size)).integers(0, 2, (DIMS, flat.size), dtype=np.int8) * 2.0 - 1.0
    projected = signs @ flat
    size = float(np.abs(projected).max(initial=0.0))
    if not 0 < size < np.inf:
        return ""
    return base64.b85encode(np.rint(projected * (127 / size)).astype(np.int8).tobytes()).decode()


def unsketch(text: str) -> np.ndarray:
    """The direction of a sketch: (64,) float64, of length 1.

    Raises:
        ValueError: the text is no sketch.
    """
    values = np.frombuffer(base64.b85decode(text), dtype=np.int8).astype(np.float64)
    length = float(np.linalg.norm(values))
    if values.size != DIMS or not length:
        raise ValueError(f"expected a sketch of {DIMS} values, found {text[:100]!r}.")
    return values / length


class Novelty:
    """Known programs' sketches, and how similar recent children were to the nearest of them.

    Args:
        share: Most of the children that may be turned away.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self.kept: dict[int, str] = {}
        self.recent: deque[float] = deque(maxlen=RECENT)
        self._vectors: dict[int, np.ndarray] = {}  # of ``kept``, as far as they were needed

    def nearest(self, text: str) -> tuple[int, float] | None:
        """The known program that is most similar, and the cosine of the angle between the two; None while none is known."""
        if not self.kept:
            return None
        known = self._vectors
        self._vectors = {number: known[number] if number in known else unsketch(kept) for number, kept in self.kept.items()}
        cosines = np.stack(list(self._vectors.values())) @ unsketch(text)
        best = int(np.argmax(cosines))
        return list(self._vectors)[best], float(cosines[best])

    @property
    def threshold(self) -> float:
        """The similarity above which a child is turned away now; above 1 while too little is known."""
        if len(self.recent) < ENOUGH or not self.share:
            return 2.0
        return max(LEAST, float(np.quantile(np.array(self.recent), 1.0 - self.share)))

    def record_similarity(self, similarity: float) -> None:
        """A child was compared."""
        self.recent.append(similarity)

    def add(self, number: int, text: str) -> None:
        """A program is known from here on."""
        self.kept[number] = text
        if len(self.kept) > KEPT:
            gone = next(iter(self.kept))
            del self.kept[gone]
            self._vectors.pop(gone, None)
