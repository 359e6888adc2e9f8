"""Counter-based randomness: keyed draws, and nothing else."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evolve.search._rng import SEED_BITS, fresh_secret, generator, measurement_seed

SEEDS = st.integers(0, 2**64 - 1)


@given(SEEDS, st.text(), SEEDS)
def test_the_stream_is_philox_under_the_hash_of_what_it_is_for(seed, purpose, ticket):
    purpose = purpose.encode(errors="ignore").decode()
    digest = hashlib.blake2b(f"{seed}:{purpose}:{ticket}".encode(), digest_size=16).digest()
    oracle = np.random.Generator(np.random.Philox(key=np.frombuffer(digest, dtype=np.uint64)))
    found = generator(seed, purpose, ticket)
    assert (found.integers(0, 2**63, size=9) == oracle.integers(0, 2**63, size=9)).all()
    assert (found.standard_normal(5) == oracle.standard_normal(5)).all()


def test_a_known_draw():
    assert generator(1, "propose", 2).integers(1000, size=4).tolist() == [8, 204, 985, 464]


def test_each_argument_gives_another_stream():
    asked = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1)]
    assert len({float(generator(*one).random()) for one in asked}) == len(asked)


@given(SEEDS, st.sampled_from(["search", "final"]), st.integers(0, 1000))
def test_measurement_seeds_have_63_bits_and_are_those_of_the_candidate(seed, stream, index):
    found = measurement_seed(seed, "a" * 20, stream, index)
    assert 0 <= found < 2**SEED_BITS
    assert found == measurement_seed(seed, "a" * 20, stream, index)
    assert found != measurement_seed(seed, "b" * 20, stream, index)


@given(st.binary(min_size=16, max_size=64).map(bytes.hex), st.sampled_from(["search", "final"]), st.integers(0, 1000))
def test_with_a_secret_they_hang_on_it_alone(secret, stream, index):
    found = measurement_seed(secret, "a" * 20, stream, index)
    assert 0 <= found < 2**SEED_BITS
    assert found == measurement_seed(secret, "a" * 20, stream, index)
    other = f"{int(secret, 16) ^ 1:0{len(secret)}x}"
    assert found != measurement_seed(other, "a" * 20, stream, index)
    assert len({measurement_seed(secret, who, stream, i) for who, i in itertools.product("ab", range(50))}) == 100


def test_a_secret_has_256_bits_and_is_another_each_time():
    assert len(bytes.fromhex(fresh_secret())) == 32
    assert fresh_secret() != fresh_secret()
