"""Ways through a latent space: lines, coordinate grids, arcs."""

import torch
from torch import Tensor

__all__ = ["coordinate_grid", "line", "slerp"]


def line(z1: Tensor, z2: Tensor, fractions: Tensor) -> Tensor:
    """z1 + f (z2 - z1) for each f in `fractions` [K]: interpolation in [0, 1], extrapolation outside.

    Args:
        z1, z2: [P, D], the ends of P lines.

    Returns:
        [P, K, D].
    """
    return z1[:, None] + fractions[None, :, None] * (z2 - z1)[:, None]


def coordinate_grid(z: Tensor, side: int) -> Tensor:
    """`z` [D] with its first two coordinates on a side x side grid over [-1, 1]^2: [side, side, D].

    The first coordinate grows from row to row, the second from column to column. D = 1 has one of them.
    """
    places = torch.linspace(-1, 1, side)
    grid = z.repeat(side, side, 1)
    grid[..., 0] = places[:, None]
    if len(z) > 1:
        grid[..., 1] = places[None, :]
    return grid


def slerp(z1: Tensor, z2: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation (Shoemake 1985) between the directions of z1 and z2 [P, D] at t [P].

    The length goes linearly from |z1| to |z2|, so that a way between typical normal vectors stays typical.
    """
    n1, n2 = z1.norm(dim=1, keepdim=True), z2.norm(dim=1, keepdim=True)
    u1, u2, t = z1 / n1, z2 / n2, t[:, None]
    omega = (u1 * u2).sum(1, keepdim=True).clamp(-1, 1).acos()
    direction = (torch.sin((1 - t) * omega) * u1 + torch.sin(t * omega) * u2) / torch.sin(omega)
    return direction * ((1 - t) * n1 + t * n2)
