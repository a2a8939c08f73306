"""Derivation of seeds."""

import numpy as np

__all__ = ["derive_seed"]


def derive_seed(*parts: int) -> int:
    """Derive a 63-bit seed from integers, such as a run's seed, a purpose and a step (numpy's SeedSequence)."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
