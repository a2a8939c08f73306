"""Layers that treat the slices of several processes as one batch; torch's own (nn.SyncBatchNorm) needs a GPU."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from thirtytwo.core import processes

__all__ = ["synchronise"]


class _GlobalBatchNorm(_BatchNorm):
    """Batch normalisation (Ioffe & Szegedy 2015) with the mean and variance of the global batch.

    The exchange is part of every derivative, so a gradient penalty also sees the global batch.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, ...] to the same shape."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        if not self.training:
            return super().forward(x)
        dims, shape = [0, *range(2, x.ndim)], (1, -1) + (1,) * (x.ndim - 2)
        values = x.to(self.weight.dtype)  # float32 inside autocast
        n = values.numel() // values.shape[1] * processes.count()
        mean = processes.total(values.sum(dims)) / n
        centred = values - mean.view(shape)
        variance = processes.total(centred.square().sum(dims)) / n
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(variance * n / (n - 1), self.momentum or 0.0)
        scale = (variance + self.eps).rsqrt() * self.weight
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)

    def _check_input_dim(self, x: Tensor) -> None:
        pass


class _GlobalDropout(nn.Dropout):
    """Dropout whose mask is drawn for the global batch; every process draws the same and applies its slice."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, ...] to the same shape."""
        if not self.training or self.p == 0:
            return x
        scales = F.dropout(torch.ones_like(torch.cat([x.detach()] * processes.count())), self.p)
        return x * scales[processes.rank() * len(x) :][: len(x)]


def synchronise(module: nn.Module) -> None:
    """Let batch normalisation and dropout in `module` see the global batch; parameters and buffers are unchanged."""
    for part in module.modules():
        if isinstance(part, _BatchNorm):
            part.__class__ = _GlobalBatchNorm
        elif type(part) is nn.Dropout:
            part.__class__ = _GlobalDropout
