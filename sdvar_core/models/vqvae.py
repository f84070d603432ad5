"""The tokenizer: pictures to latents to a canvas of quantised latents, and back."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdvar_core.errors import ConfigurationError
from sdvar_core.nn.quantizer import MultiScaleQuantizer, Quantized, Rate
from sdvar_core.scales import Schedule


@dataclass(frozen=True)
class VQVAEConfig:
    """Sizes of a tokenizer; the defaults are those of the official checkpoint ``vae_ch160v4096z32``.

    ``patch`` folds patch × patch pixels into channels before the first convolution (1: none). ``rate_price`` is the
    λ of the entropy-constrained choice of codes (0: nearest code); it applies wherever pictures become tokens.
    """

    image_size: int = 256
    channels: int = 160
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)
    residual_blocks: int = 2
    latent_channels: int = 32
    codes: int = 4096
    sides: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
    shared_phis: int = 4
    norm_groups: int = 32
    attention: bool = True
    patch: int = 1
    rate_price: float = 0.0

    def __post_init__(self) -> None:
        for name in ("multipliers", "sides"):  # JSON brings lists
            object.__setattr__(self, name, tuple(int(value) for value in getattr(self, name)))
        counts = ("image_size", "channels", "residual_blocks", "latent_channels", "codes", "shared_phis", "norm_groups")
        for name in (*counts, "patch"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, found {getattr(self, name)}.")
        if not self.multipliers or min(self.multipliers) < 1:
            raise ConfigurationError(f"multipliers need one number ≥ 1 a level, found {self.multipliers}.")
        if self.channels % self.norm_groups:
            found = f"{self.channels} channels and {self.norm_groups} groups"
            raise ConfigurationError(f"norm_groups must divide channels, found {found}.")
        if not 0.0 <= self.rate_price < float("inf"):
            raise ConfigurationError(f"rate_price must be finite and at least 0, found {self.rate_price}.")
        if self.image_size != self.schedule.sides[-1] * self.reduction:
            expected = f"{self.schedule.sides[-1]} × {self.reduction} (last side × reduction)"
            raise ConfigurationError(f"image_size must be {expected}, found {self.image_size}.")

    @property
    def schedule(self) -> Schedule:
        """The pyramid of token maps."""
        return Schedule(self.sides)

    @property
    def reduction(self) -> int:
        """Pixels a latent covers along one side."""
        return self.patch * 2 ** (len(self.multipliers) - 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, from pixels to latents."""
        return tuple(self.channels * multiplier for multiplier in self.multipliers)


def _norm(channels: int, groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, channels, eps=1e-6)


class ResidualBlock(nn.Module):
    """Norm, SiLU, 3×3 convolution, twice, added to the input. Source: taming-transformers, ``ResnetBlock``."""

    def __init__(self, inputs: int, outputs: int, groups: int):
        super().__init__()
        self.norm1 = _norm(inputs, groups)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = _norm(outputs, groups)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs, height, width) to (batch, outputs, height, width)."""
        hidden = self.conv1(functional.silu(self.norm1(inputs)))
        return self.shortcut(inputs) + self.conv2(functional.silu(self.norm2(hidden)))


class SpatialAttention(nn.Module):
    """One head of attention over all positions, added to the input. Source: taming-transformers, ``AttnBlock``."""

    def __init__(self, channels: int, groups: int):
        super().__init__()
        self.norm = _norm(channels, groups)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.projection = nn.Conv2d(channels, channels, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same shape."""
        # each (batch, 1, height * width, channels)
        queries, keys, values = self.qkv(self.norm(inputs)).flatten(2).transpose(1, 2)[:, None].chunk(3, dim=-1)
        attended = functional.scaled_dot_product_attention(queries, keys, values)
        return inputs + self.projection(attended[:, 0].transpose(1, 2).reshape(inputs.shape))


class Downsample(nn.Module):
    """Halves the side by a strided convolution padded on the right and below only."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, channels, height / 2, width / 2)."""
        return self.conv(functional.pad(inputs, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Doubles the side by repeating pixels, then a convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, channels, 2 height, 2 width)."""
        return self.conv(functional.interpolate(inputs, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Residual blocks at one resolution, each followed by attention where the level has it, then the resampling."""

    def __init__(self, widths: list[int], groups: int, attention: bool, resample: type[nn.Module] | None):
        super().__init__()
        pairs = list(pairwise(widths))
        self.blocks = nn.ModuleList(ResidualBlock(inputs, outputs, groups) for inputs, outputs in pairs)
        self.attentions = nn.ModuleList(SpatialAttention(outputs, groups) for _, outputs in pairs if attention)
        self.resample = nn.Identity() if resample is None else resample(widths[-1])

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, widths[0], height, width) to (batch, widths[-1], …) at the resampled size."""
        for index, block in enumerate(self.blocks):
            hidden = block(hidden)
            if self.attentions:
                hidden = self.attentions[index](hidden)
        return self.resample(hidden)


def _middle(width: int, config: VQVAEConfig) -> nn.Sequential:
    attention = SpatialAttention(width, config.norm_groups) if config.attention else nn.Identity()
    blocks = [ResidualBlock(width, width, config.norm_groups) for _ in range(2)]
    return nn.Sequential(blocks[0], attention, blocks[1])


class Encoder(nn.Module):
    """Pictures to hidden latents, one level a resolution."""

    def __init__(self, config: VQVAEConfig):
        super().__init__()
        self.patch = config.patch
        self.conv_in = nn.Conv2d(3 * config.patch**2, config.channels, 3, padding=1)
        self.levels = nn.ModuleList()
        width, lowest = config.channels, len(config.widths) - 1
        for index, outputs in enumerate(config.widths):
            widths = [width] + [outputs] * config.residual_blocks
            resample = None if index == lowest else Downsample
            self.levels.append(Level(widths, config.norm_groups, config.attention and index == lowest, resample))
            width = outputs
        self.middle = _middle(width, config)
        self.norm_out = _norm(width, config.norm_groups)
        self.conv_out = nn.Conv2d(width, config.latent_channels, 3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, 3, image_size, image_size) to (batch, latent_channels, N, N)."""
        hidden = self.conv_in(functional.pixel_unshuffle(pictures, self.patch))
        for level in self.levels:
            hidden = level(hidden)
        return self.conv_out(functional.silu(self.norm_out(self.middle(hidden))))


class Decoder(nn.Module):
    """Hidden latents to pictures; ``levels`` stand in the order they run, lowest resolution first."""

    def __init__(self, config: VQVAEConfig):
        super().__init__()
        self.patch = config.patch
        width, lowest = config.widths[-1], len(config.widths) - 1
        self.conv_in = nn.Conv2d(config.latent_channels, width, 3, padding=1)
        self.middle = _middle(width, config)
        self.levels = nn.ModuleList()
        for index in range(lowest, -1, -1):
            widths = [width] + [config.widths[index]] * (config.residual_blocks + 1)
            resample = None if index == 0 else Upsample
            self.levels.append(Level(widths, config.norm_groups, config.attention and index == lowest, resample))
            width = config.widths[index]
        self.norm_out = _norm(width, config.norm_groups)
        self.conv_out = nn.Conv2d(width, 3 * config.patch**2, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """(batch, latent_channels, N, N) to (batch, 3, image_size, image_size), not clamped."""
        hidden = self.middle(self.conv_in(latents))
        for level in self.levels:
            hidden = level(hidden)
        return functional.pixel_shuffle(self.conv_out(functional.silu(self.norm_out(hidden))), self.patch)


class VQVAE(nn.Module):
    """Encoder, multi-scale quantizer and decoder. Source: VAR (Tian et al. 2024), section 3.2; design section 7."""

    def __init__(self, config: VQVAEConfig):
        super().__init__()
        self.config = config
        channels = config.latent_channels
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quantizer = MultiScaleQuantizer(config.schedule, config.codes, channels, config.shared_phis)
        self.quant_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.post_quant_conv = nn.Conv2d(channels, channels, 3, padding=1)

    def encode_latents(self, pictures: Tensor) -> Tensor:
        """Pictures (batch, 3, height, width) in [−1, 1] to latents (batch, channels, N, N)."""
        return self.quant_conv(self.encoder(pictures))

    def rate(self) -> Rate | None:
        """The price of codes that this tokenizer was trained with, or None."""
        price = self.config.rate_price
        return Rate(price, self.quantizer.frequencies) if price > 0 else None

    @torch.no_grad()
    def tokens(self, pictures: Tensor) -> list[Tensor]:
        """Pictures (batch, 3, height, width) in [−1, 1] to S int64 token maps (batch, n²)."""
        return self.quantizer.encode(self.encode_latents(pictures).to(self.quantizer.embedding.weight), self.rate())

    def paint(self, canvas: Tensor) -> Tensor:
        """A canvas (batch, channels, N, N) to pictures (batch, 3, height, width), not clamped: for losses."""
        return self.decoder(self.post_quant_conv(canvas))

    def decode(self, canvas: Tensor) -> Tensor:
        """A canvas (batch, channels, N, N) to pictures (batch, 3, height, width) clamped to [−1, 1]."""
        return self.paint(canvas).clamp(-1, 1)

    def forward(
        self, pictures: Tensor, rate: Rate | None = None, kept: Tensor | None = None
    ) -> tuple[Tensor, Quantized]:
        """Pictures through the whole tokenizer, for training: reconstructions not clamped, and the quantizer's parts.

        ``kept`` int64 (batch,) cuts pictures to their first scales. Quantizer arithmetic is float32 under autocast.
        """
        latents = self.encode_latents(pictures)
        with torch.autocast(latents.device.type, enabled=False):
            quantized = self.quantizer(latents.float(), rate, kept)
        return self.paint(quantized.canvas), quantized
