"""Batch normalisation over the global batch of several processes; torch's own (nn.SyncBatchNorm) needs a GPU."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from thirtytwo.core import processes

__all__ = ["GlobalBatchNorm", "synchronise"]


class GlobalBatchNorm(_BatchNorm):
    """Ioffe & Szegedy 2015, with the mean and variance of all processes' slices, which are equally large.

    Every derivative includes the exchange, so that a gradient penalty sees the whole batch as well.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, ...] to the same shape."""
        assert self.running_mean is not None
        assert self.running_var is not None
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        dims, shape = [0, *range(2, x.ndim)], (1, -1) + (1,) * (x.ndim - 2)
        values = x.float()
        n = values.numel() // values.shape[1] * processes.count()
        mean = processes.total(values.sum(dims)) / n
        centred = values - mean.view(shape)
        variance = processes.total(centred.square().sum(dims)) / n
        with torch.no_grad():
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(variance * n / (n - 1), self.momentum or 0.0)
        scale = (variance + self.eps).rsqrt() * self.weight
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)


def synchronise(module: nn.Module) -> None:
    """Make every BatchNorm in `module` one over all processes; parameters, buffers and their names stay."""
    for part in module.modules():
        if isinstance(part, _BatchNorm):
            part.__class__ = GlobalBatchNorm
