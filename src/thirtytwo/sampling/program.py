"""Sampling from a trained run as one program: noise and labels in, images out, without this package's code."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from thirtytwo.data.batches import to_uint8
from thirtytwo.models.contract import Family
from thirtytwo.sampling.drawing import Draw
from thirtytwo.sampling.noise import CHUNK, Given, given

__all__ = ["Exported", "export"]

_COUNT = CHUNK["cpu"]


@dataclass(frozen=True)
class Exported:
    """A program that computes one chunk of images.

    Attributes:
        program: maps noise [draws, count, *shape] float32 and labels [count] int64 to images [count, 32, 32, C] uint8.
            Its weights are zero; everything else that sampling uses, such as a fitted prior, is part of it.
        weights: the weights by name, contiguous.
        draws: number of normal draws per image: one, and one more for each noisy step of a sampler.
        count: number of images.
        shape: shape of each draw.
    """

    program: torch.export.ExportedProgram
    weights: dict[str, Tensor]
    draws: int
    count: int
    shape: tuple[int, ...]


class _Chunk(nn.Module):
    def __init__(self, model: Family, draw: Draw):
        super().__init__()
        self.networks, self.draw, self.conditional = model.modules, draw, model.conditional

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        with given(Given(noise)):
            return to_uint8(self.draw(range(_COUNT), labels if self.conditional else None))


class _Recorder(Given):
    """Noise that records the shape of each draw."""

    def __init__(self) -> None:
        super().__init__(torch.empty(0))
        self.shapes: list[tuple[int, ...]] = []

    def normal(self, shape: tuple[int, ...]) -> Tensor:  # type: ignore[override]
        self.shapes.append(tuple(shape))
        return torch.zeros(_COUNT, *shape)


@torch.no_grad()
def export(model: Family, draw: Draw) -> Exported:
    """Trace the sampling of one chunk on the CPU, with all steps of a sampler one after another.

    Args:
        model: in eval mode on the CPU; its weights are zero afterwards.
        draw: drawing function of that model.
    """
    labels = torch.zeros(_COUNT, dtype=torch.int64)
    recorder = _Recorder()
    with given(recorder):
        draw(range(_COUNT), labels if model.conditional else None)
    draws, shape = len(recorder.shapes), recorder.shapes[0]
    inputs = (torch.zeros(draws, _COUNT, *shape), labels)
    program = torch.export.export(_Chunk(model, draw), inputs, strict=False)
    weights = {
        name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in program.state_dict.items()
    }
    for value in program.state_dict.values():
        value.zero_()
    return Exported(program, weights, draws, _COUNT, shape)
