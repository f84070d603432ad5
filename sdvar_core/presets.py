"""Named, frozen configurations: which files make a pair of picture models or of language models."""

import json
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path

ASSETS = Path(__file__).resolve().parent.parent / "assets"

TINY_WORLD_NAMES = (
    "volcano",
    "desert",
    "ocean",
    "forest",
    "city at night",
    "aurora",
    "snow mountain",
    "meadow",
    "canyon",
    "moonlit lake",
)
IMAGENET_NAMES: tuple[str, ...] = tuple(
    json.loads((Path(__file__).parent / "imagenet_classes.json").read_text(encoding="utf-8"))["names"]
)


@dataclass(frozen=True)
class HubFile:
    """One published weights file: its repository on the Hugging Face hub, its name there, and the depth it is for."""

    repository: str
    filename: str
    depth: int


Source = Path | HubFile
"""Where a model is: one of our folders, an official file on this machine, or one on the hub."""


@dataclass(frozen=True)
class PairPreset:
    """A pair of models by where its parts are. Equal sources are one model, loaded once."""

    name: str
    sentence: str
    draft: Source
    target: Source
    tokenizer: Source
    class_names: tuple[str, ...]


OFFICIAL, CODE = "FoundationVision/var", "Zigeng/VAR_CoDe"
TOKENIZER_FILE = "vae_ch160v4096z32.pth"


def _transformer(depth: int) -> HubFile:
    return HubFile(OFFICIAL, f"var_d{depth}.pth", depth)


def _imagenet(name: str, sentence: str, draft: HubFile, target: HubFile) -> PairPreset:
    tokenizer = HubFile(OFFICIAL, TOKENIZER_FILE, target.depth)
    return PairPreset(name, f"ImageNet, {sentence}", draft, target, tokenizer, IMAGENET_NAMES)


def _mixed_depth(draft: int, target: int) -> PairPreset:
    sentence = f"256 × 256 pixels, 680 tokens: VAR of depth {draft} drafts for depth {target}."
    return _imagenet(f"var-d{draft}-d{target}", sentence, _transformer(draft), _transformer(target))


def _collaborative(steps: int) -> PairPreset:
    """CoDe calls the large model, which makes the first ``steps`` scales, the drafter; here it is the target."""
    sentence = f"256 × 256 pixels: CoDe's pair for {steps} scales by depth 30 and the rest by depth 16."
    draft, target = HubFile(CODE, f"refiner_{steps}.pth", 16), HubFile(CODE, f"drafter_{steps}.pth", 30)
    return _imagenet(f"code-{steps}", sentence, draft, target)


PAIRS: dict[str, PairPreset] = {
    preset.name: preset
    for preset in (
        PairPreset(
            name="tiny-worlds",
            sentence="Ten painted worlds, 128 × 128 pixels, 680 tokens; ships with this repository.",
            draft=ASSETS / "tiny-worlds" / "draft",
            target=ASSETS / "tiny-worlds" / "target",
            tokenizer=ASSETS / "tiny-worlds" / "tokenizer",
            class_names=TINY_WORLD_NAMES,
        ),
        *starmap(_mixed_depth, ((16, 30), (20, 30), (24, 30), (16, 24), (20, 24), (16, 20))),
        _imagenet(
            name="var-d36",
            sentence="512 × 512 pixels, 2240 tokens: depth 36 alone, as nothing smaller is published.",
            draft=_transformer(36),
            target=_transformer(36),
        ),
        *map(_collaborative, (6, 7, 8, 9)),
    )
}


@dataclass(frozen=True)
class TextPairPreset:
    """A pair of language models by the folders of its parts. ``recipe``: the command that makes them."""

    name: str
    sentence: str
    draft: Path
    target: Path
    recipe: str


TEXT_PAIRS: dict[str, TextPairPreset] = {
    preset.name: preset
    for preset in (
        TextPairPreset(
            name="python-bytes",
            sentence="Two Gated DeltaNets that write Python byte by byte; trained on the standard library's source.",
            draft=ASSETS / "python-bytes" / "draft",
            target=ASSETS / "python-bytes" / "target",
            recipe="python -m sdvar_core.training.deltanet",
        ),
    )
}
