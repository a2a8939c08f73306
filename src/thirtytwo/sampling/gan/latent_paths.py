"""Interpolation in a latent space: lines, coordinate grids, spherical arcs."""

import torch
from torch import Tensor

__all__ = ["coordinate_grid", "line", "slerp"]


def line(z1: Tensor, z2: Tensor, fractions: Tensor) -> Tensor:
    """Return z1 + f (z2 - z1) for each f in `fractions` [K]; values outside [0, 1] extrapolate.

    Args:
        z1, z2: [P, D] end points of P lines.

    Returns:
        [P, K, D].
    """
    return z1[:, None] + fractions[None, :, None] * (z2 - z1)[:, None]


def coordinate_grid(z: Tensor, side: int) -> Tensor:
    """Set the first two coordinates of `z` [D] to a side x side grid over [-1, 1]^2: [side, side, D].

    The first coordinate increases along the rows, the second along the columns; for D = 1 only the first varies.
    """
    values = torch.linspace(-1, 1, side)
    grid = z.repeat(side, side, 1)
    grid[..., 0] = values[:, None]
    if len(z) > 1:
        grid[..., 1] = values[None, :]
    return grid


def slerp(z1: Tensor, z2: Tensor, t: Tensor) -> Tensor:
    """Interpolate spherically (Shoemake 1985) between the directions of z1 and z2 [P, D] at t [P].

    The norm is interpolated linearly from |z1| to |z2|, so that a path between typical normal vectors stays typical.
    """
    n1, n2 = z1.norm(dim=1, keepdim=True), z2.norm(dim=1, keepdim=True)
    u1, u2, t = z1 / n1, z2 / n2, t[:, None]
    omega = (u1 * u2).sum(1, keepdim=True).clamp(-1, 1).acos()
    direction = (torch.sin((1 - t) * omega) * u1 + torch.sin(t * omega) * u2) / torch.sin(omega)
    return direction * ((1 - t) * n1 + t * n2)
