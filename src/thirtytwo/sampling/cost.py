"""The number of network evaluations of a sampler; without torch, so that the report can state it."""

__all__ = ["evaluations"]


def evaluations(sampler: str, steps: int, guidance: float = 0.0) -> int:
    """Return how many times a sampler evaluates the network for each image in the given number of steps.

    Heun takes two evaluations a step, except the last step; every other sampler takes one. Guidance doubles them.
    """
    return (2 * steps - 1 if sampler == "heun" else steps) * (2 if guidance else 1)
