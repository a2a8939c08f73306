"""The classifier whose features and labels score the generators: a small residual network for 32x32 images."""

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Classifier"]


class _Block(nn.Module):
    """Basic residual block (He et al. 2016), post-activation; a 1x1 convolution on the shortcut if shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class Classifier(nn.Module):
    """Three residual blocks at 16x16, 8x8 and 4x4, then a spatial mean and a linear layer.

    The stem halves the resolution, which makes the network four times faster on a CPU.

    Args:
        channels: channels of the images, 1 or 3.
        classes: number of classes K.
        width: channels at 16x16; the features have D = 4 width.
    """

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.channels, self.classes, self.width = channels, classes, width
        self.stem = nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.blocks = nn.Sequential(
            _Block(width, width, 1), _Block(width, 2 * width, 2), _Block(2 * width, 4 * width, 2)
        )
        self.head = nn.Linear(4 * width, classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the penultimate activations [N, D] of images [N, C, 32, 32] in [-1, 1]."""
        # AdaptiveAvgPool2d has no deterministic backward on CUDA.
        return self.blocks(self.stem(x)).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits [N, K] of images [N, C, 32, 32] in [-1, 1]."""
        return self.head(self.features(x))
