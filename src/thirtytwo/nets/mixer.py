"""The second classifier, built unlike `classifier`: an MLP-Mixer (Tolstikhin et al. 2021) for 32x32 images.

Linear layers over patches and LayerNorm stand where the first has convolutions over pixels and BatchNorm, so that images
which please the features of one by chance or by design need not please those of the other.
"""

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Mixer"]

_SIDE = 4  # patches along each side
_BLOCKS = 2


class _Block(nn.Module):
    """Mixes patches, channel by channel, and then channels, patch by patch (Tolstikhin et al. 2021, eq. 1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.patches = nn.Sequential(nn.Linear(_SIDE**2, 2 * _SIDE**2), nn.GELU(), nn.Linear(2 * _SIDE**2, _SIDE**2))
        self.channels = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.patches(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """16 patches of 12x12 pixels that overlap by 4, two mixer blocks, a mean over patches, and two linear layers.

    Overlapping patches and a hidden layer before the last one, whose activations are the features, are not in the
    paper; without the layer, LayerNorm would leave features that lie in a hyperplane, with a singular covariance.

    Args:
        channels: channels of the images, 1 or 3.
        classes: number of classes K.
        width: channels of a patch; the features have D = width.
    """

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.channels, self.classes, self.width = channels, classes, width
        self.patches = nn.Conv2d(channels, width, 12, stride=8, padding=2)
        self.blocks = nn.Sequential(*(_Block(width) for _ in range(_BLOCKS)))
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the penultimate activations [N, D] of images [N, C, 32, 32] in [-1, 1]."""
        patches = self.patches(x).flatten(2).transpose(1, 2)
        return functional.gelu(self.hidden(self.norm(self.blocks(patches)).mean(dim=1)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits [N, K] of images [N, C, 32, 32] in [-1, 1]."""
        return self.head(self.features(x))
