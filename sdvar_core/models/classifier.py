"""A small picture classifier: the judge of whether a sample shows the world it was asked for."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from sdvar_core.errors import ConfigurationError


@dataclass(frozen=True)
class ClassifierConfig:
    """Sizes: ``width`` channels after the first of ``levels`` halvings, doubled up to four times that."""

    classes: int
    width: int = 24
    levels: int = 4

    def __post_init__(self) -> None:
        for name in ("classes", "width", "levels"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be a whole number of at least 1, found {getattr(self, name)!r}.")


class Classifier(nn.Module):
    """Strided 3×3 convolutions with group norm, averaged over the picture, then one linear layer."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        widths = [3, *(config.width * min(4, 2**level) for level in range(config.levels))]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1) for inputs, outputs in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(1, outputs) for outputs in widths[1:])
        self.head = nn.Linear(widths[-1], config.classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures in [−1, 1], (batch, 3, height, width) → logits (batch, classes)."""
        for convolution, norm in zip(self.convolutions, self.norms):
            pictures = functional.silu(norm(convolution(pictures)))
        return self.head(pictures.mean(dim=(2, 3)))
