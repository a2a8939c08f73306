"""Seeds from seeds."""

import numpy as np

__all__ = ["derive_seed"]


def derive_seed(*parts: int) -> int:
    """63 bits that depend on every one of `parts` (numpy's SeedSequence): the run's seed, what for, which step."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
