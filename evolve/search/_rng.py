"""Counter-based randomness: every draw is keyed by what it is for, so no generator's state is ever kept."""

from __future__ import annotations

import hashlib
import secrets

import numpy as np
from numpy.random.bit_generator import ISeedSequence

SEED_BITS = 63


class _Key(ISeedSequence):
    """Hands Philox its key as it is.  ``Philox(key=...)`` gives the same stream but first asks the system for entropy, unused."""

    def __init__(self, words: np.ndarray) -> None:
        self.words = words

    def generate_state(self, n_words: int, dtype: object = np.uint32) -> np.ndarray:
        return self.words


def generator(seed: int, purpose: str, ticket: int) -> np.random.Generator:
    """A generator for one decision: equal arguments give equal draws.

    Args:
        seed: The run's seed, in [0, 2**64).
        purpose: What is drawn; other purposes get unrelated streams.
        ticket: Which decision, in [0, 2**64).
    """
    words = np.frombuffer(hashlib.blake2b(f"{seed}:{purpose}:{ticket}".encode(), digest_size=16).digest(), dtype=np.uint64)
    return np.random.Generator(np.random.Philox(_Key(words)))  # type: ignore[arg-type]


def fresh_seeds(n: int) -> tuple[int, ...]:
    """``n`` seeds of 63 bits from the system's entropy: nobody could know them before."""
    return tuple(secrets.randbits(SEED_BITS) for _ in range(n))


def fresh_secret() -> str:
    """256 bits from the system's entropy, hexadecimal: what a run's measurement seeds derive from."""
    return secrets.token_hex(32)


def measurement_seed(key: int | str, candidate: str, stream: str, index: int) -> int:
    """The seed of measurement ``index`` of ``candidate`` in a stream: 63 bits, fixed only once the candidate's text is fixed.

    Args:
        key: The run's secret, without which no seed can be worked out; of a run that was made before there were secrets its seed.
    """
    text = f"{candidate}:{stream}:{index}"
    if isinstance(key, str):
        digest = hashlib.blake2b(text.encode(), digest_size=8, key=bytes.fromhex(key)).digest()
    else:
        digest = hashlib.blake2b(f"{key}:{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> (64 - SEED_BITS)
