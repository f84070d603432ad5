"""Named, frozen configurations: which folders make a pair of picture models or of language models."""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class PairPreset:
    """A pair of models by the folders of its parts."""

    name: str
    sentence: str
    draft: Path
    target: Path
    tokenizer: Path
    class_names: tuple[str, ...]


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
