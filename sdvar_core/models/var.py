"""The next-scale transformer (VAR): from the canvas of the scales before to the logits of a scale's tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
import torch.nn.functional as F
from torch import nn

from sdvar_core.cache import KeyValueCache
from sdvar_core.errors import ConfigurationError, SDVARError
from sdvar_core.nn.attention import Remember, ScaleAttention
from sdvar_core.nn.conditioned_norm import Modulation, ModulationOffset, modulated_norm
from sdvar_core.nn.packed_linear import PackedLinear, pack
from sdvar_core.scales import OFFICIAL_256, Schedule

Features = Sequence[torch.Tensor | None]


@dataclass(frozen=True)
class VARConfig:
    """Sizes of a next-scale transformer; the defaults are the authors' choices (design section 7).

    depth, width, heads, mlp_ratio: blocks, channels, attention heads, hidden width of the feed-forward over width.
    classes: labels 0 … classes − 1; the label ``classes`` means "no class".
    codes, latent_channels, sides: of the tokenizer that makes the tokens.
    shared_ada_ln: one AdaLN projection for all blocks (the 512-pixel model). attention_l2_norm: see ScaleAttention.
    """

    depth: int
    width: int
    heads: int
    classes: int
    codes: int
    latent_channels: int
    sides: tuple[int, ...] = OFFICIAL_256.sides
    mlp_ratio: float = 4.0
    norm_eps: float = 1e-6
    shared_ada_ln: bool = False
    attention_l2_norm: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "sides", tuple(int(side) for side in self.sides))
        for name in ("depth", "width", "heads", "classes", "codes", "latent_channels"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigurationError(f"{name} of a VAR must be a whole number of at least 1, found {value!r}.")
        if self.width % self.heads:
            raise ConfigurationError(f"The width {self.width} of a VAR must be a multiple of its {self.heads} heads.")
        if not self.mlp_ratio > 0 or not self.norm_eps > 0:
            raise ConfigurationError(
                f"mlp_ratio and norm_eps must be above 0, found {self.mlp_ratio} and {self.norm_eps}."
            )
        self.schedule  # noqa: B018  (a schedule checks itself)

    @cached_property
    def schedule(self) -> Schedule:
        """The pyramid of scales."""
        return Schedule(self.sides)

    @property
    def hidden(self) -> int:
        """Hidden width of the feed-forward."""
        return round(self.width * self.mlp_ratio)


@dataclass(frozen=True, eq=False)
class Conditioning:
    """All that depends on the class alone, made once a picture.

    first: (batch, width), the class embedding, input of the first scale.
    blocks: one (batch, 6, width) a block. head: (batch, 2, width).
    """

    first: torch.Tensor
    blocks: tuple[torch.Tensor, ...]
    head: torch.Tensor


class Block(nn.Module):
    """Attention and feed-forward, each behind a norm that the class modulates."""

    def __init__(self, config: VARConfig) -> None:
        super().__init__()
        self.epsilon = config.norm_eps
        self.attention = ScaleAttention(config.width, config.heads, config.attention_l2_norm)
        self.expand = nn.Linear(config.width, config.hidden)
        self.contract = nn.Linear(config.hidden, config.width)
        self.modulation = ModulationOffset(config.width) if config.shared_ada_ln else Modulation(config.width, 6)

    def forward(
        self,
        tokens: torch.Tensor,
        modulation: torch.Tensor,
        lengths: Sequence[int],
        remember: Remember | None = None,
    ) -> torch.Tensor:
        """Tokens (batch, token, width) of consecutive scales, one block further; see ScaleAttention."""
        attended = self.attention.attend(*self.before(tokens, modulation), lengths, remember)
        return self.after(tokens, attended, modulation)

    def before(self, tokens: torch.Tensor, modulation: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All that comes before the cache: queries, keys and values."""
        scale, shift = modulation[:, 2], modulation[:, 4]
        return self.attention.project(modulated_norm(tokens, scale, shift, self.epsilon).to(self.dtype))

    def after(self, tokens: torch.Tensor, attended: torch.Tensor, modulation: torch.Tensor) -> torch.Tensor:
        """All that comes after attention has seen (batch, heads, token, head_width): the tokens one block further."""
        gamma1, gamma2, _, scale2, _, shift2 = modulation.unbind(1)
        tokens = tokens + gamma1[:, None] * self.attention.join(attended)
        normed = modulated_norm(tokens, scale2, shift2, self.epsilon).to(self.dtype)
        hidden = F.gelu(self.expand(normed), approximate="tanh")
        return tokens + gamma2[:, None] * self.contract(hidden)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the large weights, which in reduced precision is not that of the residual stream."""
        return self.expand.weight.dtype


class VAR(nn.Module):
    """The authors' architecture (Tian et al. 2024, section 3; design sections 1 and 7), without any sampling in it."""

    def __init__(self, config: VARConfig) -> None:
        super().__init__()
        width, schedule = config.width, config.schedule
        self.config = config
        self.schedule = schedule
        self.class_embedding = nn.Embedding(config.classes + 1, width)
        self.level_embedding = nn.Embedding(len(schedule), width)
        self.start_position = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, schedule.total, width))
        self.feature_embedding = nn.Linear(config.latent_channels, width)
        self.shared_modulation = Modulation(width, 6) if config.shared_ada_ln else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.head_modulation = Modulation(width, 2)
        self.head = nn.Linear(width, config.codes)
        levels = torch.from_numpy(schedule.scale_of_position())
        self.register_buffer("level_of_position", levels, persistent=False)
        self.register_buffer("places", None, persistent=False)

    def prepare(self, dtype: torch.dtype = torch.float32, packed: bool = False) -> "VAR":
        """Make ready for reading, in place: no gradients, and what depends on the weights alone made once.

        dtype: of the blocks' linear layers and of the cache; everything else stays as it is, for the residual stream,
        the norms, the temperature of attention and the head decide which token wins. packed: see PackedLinear; the
        model can then no longer be saved or trained. The result in float32, not packed, is the same to the last bit.
        """
        self.eval().requires_grad_(False)
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear) and dtype != torch.float32:
                module.to(dtype)
        self.places = self._places(slice(None))
        for block in self.blocks:
            block.attention.prepare()
        if packed:
            for block in self.blocks:
                attention = block.attention
                attention.query_key_value = PackedLinear(attention.query_key_value.weight, attention.bias)
            pack(self)
        return self

    def compile_blocks(self, backend: str = "inductor") -> "VAR":
        """Have torch compile what stands before and after attention in each block, in place.

        One graph serves all blocks and all numbers of tokens, so that a run does not compile anew at every scale.
        """
        for block in self.blocks:
            block.before = torch.compile(block.before, dynamic=True, fullgraph=True, backend=backend)
            block.after = torch.compile(block.after, dynamic=True, fullgraph=True, backend=backend)
        return self

    @property
    def packed(self) -> bool:
        """Whether the weights are packed, so that they can be read and nothing else."""
        return isinstance(self.head, PackedLinear)

    def train(self, mode: bool = True) -> "VAR":
        """Training forgets what was prepared."""
        if mode:
            self.places = None
        return super().train(mode)

    def condition(self, labels: torch.Tensor) -> Conditioning:
        """What depends on the class alone, from labels (batch,) int64; ``config.classes`` means "no class"."""
        first = self.class_embedding(labels.to(self.positions.device))  # (batch, width)
        shared = first if self.shared_modulation is None else self.shared_modulation(first)
        blocks = tuple(block.modulation(shared) for block in self.blocks)
        return Conditioning(first=first, blocks=blocks, head=self.head_modulation(first))

    def new_cache(self, batch: int) -> KeyValueCache:
        """An empty cache for ``batch`` pictures (twice that when guidance doubles the batch)."""
        heads, head_width = self.config.heads, self.config.width // self.config.heads
        dtype, device = self.blocks[0].dtype, self.positions.device
        return KeyValueCache(self.schedule, self.config.depth, batch, heads, head_width, dtype=dtype, device=device)

    def forward(
        self, features: Features, start: int, conditioning: Conditioning, cache: KeyValueCache
    ) -> list[torch.Tensor]:
        """Logits of the scales ``start``, ``start + 1``, … in one call over the cached scales before them.

        features: for each scale the canvas of the scales before it, (batch, n², latent_channels); None for scale 0.
        cache: must hold exactly the scales before ``start``; afterwards it holds the given ones too.
        Returns for each scale (batch, n², codes), float32 (float64 for a float64 model).
        Raises SDVARError when the cache or the features do not fit.
        """
        if cache.scales != start:
            raise SDVARError(f"The cache holds {cache.scales} scales, but the call starts at scale {start}.")
        if not 1 <= len(features) <= len(self.schedule) - start:
            raise SDVARError(
                f"From scale {start} on, 1 to {len(self.schedule) - start} scales can be given at once, "
                f"found {len(features)}."
            )
        logits = self._logits(features, start, conditioning, cache)
        cache.extend(len(features))
        return list(logits.split(self.schedule.lengths[start : start + len(features)], dim=1))

    def teacher_forced(self, features: Features, labels: torch.Tensor) -> torch.Tensor:
        """Logits of the first ``len(features)`` scales at once for training: (batch, positions, codes).

        features: as in ``forward`` from scale 0 on, so that features[0] is None. labels: (batch,) int64.
        """
        return self._logits(features, 0, self.condition(labels), None)

    def _logits(
        self, features: Features, start: int, conditioning: Conditioning, cache: KeyValueCache | None
    ) -> torch.Tensor:
        tokens = self._embed(features, start, conditioning)
        lengths = self.schedule.lengths[start : start + len(features)]
        for layer, (block, modulation) in enumerate(zip(self.blocks, conditioning.blocks)):
            remember = None if cache is None else partial(cache.write, layer)
            tokens = block(tokens, modulation, lengths, remember)
        scale, shift = conditioning.head.unbind(1)
        logits = self.head(modulated_norm(tokens, scale, shift, self.config.norm_eps))
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _embed(self, features: Features, start: int, conditioning: Conditioning) -> torch.Tensor:
        """Inputs of the first block, (batch, token, width)."""
        self._check(features, start, len(conditioning.first))
        given = [feature for feature in features if feature is not None]
        parts = [self.feature_embedding(torch.cat(given, dim=1))] if given else []
        if start == 0:
            parts.insert(0, conditioning.first[:, None] + self.start_position)
        rows = self.schedule.positions(start, start + len(features))
        places = self._places(rows) if self.places is None else self.places[:, rows]
        return (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)) + places

    def _places(self, rows: slice) -> torch.Tensor:
        """Position and level of some positions, (1, position, width)."""
        return self.positions[:, rows] + self.level_embedding(self.level_of_position[rows])

    def _check(self, features: Features, start: int, batch: int) -> None:
        for scale, feature in enumerate(features, start):
            expected = None if scale == 0 else (batch, self.schedule.lengths[scale], self.config.latent_channels)
            found = None if feature is None else tuple(feature.shape)
            if found != expected:
                raise SDVARError(f"The features of scale {scale} must have the shape {expected}, found {found}.")


def initialise(model: VAR, generator: torch.Generator) -> VAR:
    """Draw the authors' initial weights in place and return the model.

    Normal weights of standard deviation sqrt(1 / (3 width)), cut at two; the head, what adds to the residual
    stream, and the modulation start small. Source: the authors' ``VAR.init_weights``.
    """
    deviation = (1 / (3 * model.config.width)) ** 0.5
    width, residual = model.config.width, (2 * model.config.depth) ** -0.5
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                _truncated_normal(module.weight, deviation, generator)
            if isinstance(module, nn.Linear) and module.bias is not None:
                module.bias.zero_()
            if isinstance(module, ModulationOffset):
                module.offset.normal_(0, width**-0.5, generator=generator)
        _truncated_normal(model.start_position, deviation, generator)
        _truncated_normal(model.positions, deviation, generator)
        model.head.weight.mul_(0.02)
        model.head_modulation.linear.weight.mul_(0.5)
        for block in model.blocks:
            block.attention.output.weight.mul_(residual)
            block.contract.weight.mul_(residual)
            modulation = block.modulation
            rows = modulation.offset[0, 0] if isinstance(modulation, ModulationOffset) else modulation.linear.weight
            rows[: 2 * len(rows) // 6].mul_(1e-5)  # the two gammas
            rows[2 * len(rows) // 6 :].mul_(0.5)
    return model


def _truncated_normal(tensor: torch.Tensor, deviation: float, generator: torch.Generator) -> None:
    nn.init.trunc_normal_(tensor, std=deviation, a=-2 * deviation, b=2 * deviation, generator=generator)
