"""Tiny random models of ten worlds, in memory and in folders: for commands that want real checkpoints."""

from dataclasses import replace
from pathlib import Path

import torch

from sdvar_core.checkpoints import save_model
from sdvar_core.models.classifier import Classifier, ClassifierConfig
from sdvar_core.models.deltanet import DeltaNet, DeltaNetConfig
from sdvar_core.models.deltanet import initialise as initialise_deltanet
from sdvar_core.models.var import VAR, VARConfig, initialise
from sdvar_core.models.vqvae import VQVAE, VQVAEConfig
from sdvar_core.presets import TINY_WORLD_NAMES
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.text_pair import TextPair

SIDES = (1, 2, 4)
TOKENIZER = VQVAEConfig(
    image_size=16,
    channels=4,
    multipliers=(1,),
    residual_blocks=1,
    latent_channels=3,
    codes=8,
    sides=SIDES,
    norm_groups=2,
    attention=False,
    patch=4,
)


def tiny_var(seed: int, depth: int = 2) -> VAR:
    """A transformer of width 8 with weights large enough to prefer something."""
    config = VARConfig(depth=depth, width=8, heads=2, classes=10, codes=8, latent_channels=3, sides=SIDES)
    model = initialise(VAR(config), torch.Generator().manual_seed(seed))
    with torch.no_grad():
        model.head.weight.mul_(150)
    return model.eval().requires_grad_(False)


def tiny_deltanet(seed: int) -> DeltaNet:
    """A language model of width 8."""
    config = DeltaNetConfig(depth=1, width=8, key_heads=1, value_heads=2, key_dim=4, value_dim=4)
    model = initialise_deltanet(DeltaNet(config), torch.Generator().manual_seed(seed))
    return model.eval().requires_grad_(False)


def tiny_tokenizer(seed: int = 0) -> VQVAE:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VQVAE(TOKENIZER).eval().requires_grad_(False)


def tiny_classifier(seed: int = 0) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Classifier(ClassifierConfig(classes=10, width=4, levels=2)).eval().requires_grad_(False)


def save_tiny_models(folder: Path) -> list[str]:
    """Write draft, target, tokenizer and classifier; returns the arguments that name the first three."""
    models = {"draft": tiny_var(1, depth=1), "target": tiny_var(2), "tokenizer": tiny_tokenizer()}
    for name, model in {**models, "classifier": tiny_classifier()}.items():
        save_model(model, folder / name)
    return [part for name in models for part in (f"--{name}-dir", str(folder / name))]


def tiny_pair() -> Pair:
    """Draft, target and tokenizer that fit one another."""
    return Pair("tiny", TOKENIZER.schedule, 8, TINY_WORLD_NAMES, tiny_var(1, depth=1), tiny_var(2), tiny_tokenizer())


STIRRED_SIDES = (1, 2, 3, 4)


def stirred_var(seed: int, depth: int = 2, loudness: float = 0.4) -> VAR:
    """A transformer of width 16 in which every weight matters: the initial ones would leave the blocks idle."""
    config = VARConfig(depth=depth, width=16, heads=2, classes=10, codes=8, latent_channels=3, sides=STIRRED_SIDES)
    model = VAR(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.copy_(loudness * torch.randn(parameter.shape, generator=generator))
    return model


def stirred_pair(distance: float = 0.1) -> Pair:
    """A pair with weights that all matter; the draft is the target with noise of ``distance`` on its weights."""
    target, draft = stirred_var(2), stirred_var(2)
    generator = torch.Generator().manual_seed(7)
    for parameter in draft.parameters():
        parameter.add_(distance * torch.randn(parameter.shape, generator=generator))
    tokenizer = VQVAEConfig(**{**TOKENIZER.__dict__, "sides": STIRRED_SIDES})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        quantizing = VQVAE(tokenizer).eval().requires_grad_(False)
    return Pair("stirred", tokenizer.schedule, 8, TINY_WORLD_NAMES, draft, target, quantizing)


def light_pair(embedded: Pair, distance: float = 0.005) -> Pair:
    """A pair with the schedule, the codes and the tokenizer of the embedded one, and small untrained transformers: runs
    that look like its own and cost a fraction. The draft is the target with noise of ``distance`` on its weights."""
    config = replace(embedded.target.config, depth=1, width=32, heads=1)
    models = []
    for noise in (0.0, distance):
        model, generator = VAR(config).eval().requires_grad_(False), torch.Generator().manual_seed(2)
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        generator.manual_seed(7)
        for parameter in model.parameters():
            parameter.add_(noise * torch.randn(parameter.shape, generator=generator))
        models.append(model)
    return replace(embedded, target=models[0], draft=models[1])


def tiny_text_pair(distance: float = 0.2) -> TextPair:
    """Language models of two layers that speak all bytes; the draft is the target with a little noise."""
    config = DeltaNetConfig(depth=2, width=16, key_heads=2, value_heads=4, key_dim=4, value_dim=6)
    target, draft = (initialise_deltanet(DeltaNet(config), torch.Generator().manual_seed(3)) for _ in range(2))
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for model in (target, draft):
            model.head.weight.mul_(40)
        for parameter in draft.parameters():
            parameter.add_(distance * parameter.std(correction=0) * torch.randn(parameter.shape, generator=generator))
    return TextPair("tiny bytes", *(model.eval().requires_grad_(False) for model in (draft, target)), 256)
