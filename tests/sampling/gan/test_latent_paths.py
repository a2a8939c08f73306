"""Latent-space interpolations against closed forms."""

import torch

from thirtytwo.sampling.gan.latent_paths import coordinate_grid, line, slerp


def test_line_passes_through_its_ends_and_extrapolates():
    z1, z2 = torch.zeros(2, 3), torch.tensor([[9.0, 0.0, 0.0], [0.0, 18.0, 9.0]])
    points = line(z1, z2, torch.arange(-5, 15) / 9)
    assert points.shape == (2, 20, 3)
    torch.testing.assert_close(points[:, 5], z1)
    torch.testing.assert_close(points[:, 14], z2)
    torch.testing.assert_close(points[0, :, 0], torch.arange(-5.0, 15.0))


def test_grid_varies_two_coordinates_only():
    grid = coordinate_grid(torch.tensor([9.0, 9.0, 3.0]), 5)
    assert grid.shape == (5, 5, 3)
    torch.testing.assert_close(grid[:, 2, 0], torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]))
    torch.testing.assert_close(grid[1, :, 1], torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]))
    assert (grid[..., 2] == 3).all()


def test_slerp_interpolates_angle_and_norm_linearly():
    z1, z2 = torch.tensor([[2.0, 0.0]]).repeat(3, 1), torch.tensor([[0.0, 4.0]]).repeat(3, 1)
    points = slerp(z1, z2, torch.tensor([0.0, 1 / 3, 1.0]))
    angles = torch.atan2(points[:, 1], points[:, 0])
    torch.testing.assert_close(angles, torch.tensor([0.0, torch.pi / 6, torch.pi / 2]))
    torch.testing.assert_close(points.norm(dim=1), torch.tensor([2.0, 2 + 2 / 3, 4.0]))
