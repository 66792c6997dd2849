"""Seeds and random numbers that depend on (seed, round, member) alone, so that a resumed search needs no memory."""

import hashlib

import numpy as np


def derive_seed(*keys: int | str) -> int:
    """A seed in [0, 2^31) from `keys`, the same on every machine and in every process (unlike `hash`)."""
    digest = hashlib.sha256("/".join(map(str, keys)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def generator(*keys: int | str) -> np.random.Generator:
    """A generator of random numbers seeded by `derive_seed(*keys)`."""
    return np.random.default_rng(derive_seed(*keys))
