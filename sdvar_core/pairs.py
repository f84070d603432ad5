"""Pairs by name: found or downloaded, checked, put on a device, and kept within a limit of memory."""

import hashlib
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from sdvar_core import placement
from sdvar_core.checkpoints import CONFIG, WEIGHTS, check_fit, load_model, read_config, save_model
from sdvar_core.errors import CheckpointError
from sdvar_core.models.var import VAR
from sdvar_core.models.vqvae import VQVAE
from sdvar_core.nn.packed_linear import packing_available
from sdvar_core.official import hub
from sdvar_core.official.files import Config, read_weights
from sdvar_core.official.hub import Progress
from sdvar_core.official.layout import var_config, vqvae_config
from sdvar_core.placement import Placement
from sdvar_core.presets import PAIRS, TEXT_PAIRS, HubFile, PairPreset, Source, TextPairPreset
from sdvar_core.scales import OFFICIAL_256
from sdvar_core.speculative.pair import Outline, Pair
from sdvar_core.speculative.text_pair import TextPair

PARTS = {"draft": "var", "target": "var", "tokenizer": "vqvae"}
NETWORKS = {"var": VAR, "vqvae": VQVAE}


def preset_named(name: str) -> PairPreset:
    """The preset of that name; CheckpointError for an unknown one."""
    if name not in PAIRS:
        raise CheckpointError(f"Unknown pair {name!r}: choose one of {', '.join([*PAIRS, *TEXT_PAIRS])}.")
    return PAIRS[name]


def load_pair(
    name: str,
    device: str = "cpu",
    precision: str = "auto",
    *,
    progress: Progress | None = None,
    packed: bool | None = None,
    compiled: bool = False,
    **parts: str | Path | None,
) -> Pair | TextPair:
    """The pair of that name, ready to decode; official files are downloaded and converted the first time.

    device, precision: see ``placement.choose``; "auto" takes what the machine has. progress: hears of downloads.
    draft, target, tokenizer: a folder of ours or an official file on this machine, instead of the pair's own part.
    packed: see PackedLinear; None packs official models in float32 on a CPU, and leaves embedded ones as their runs
    were recorded. compiled: let torch.compile fuse what stands around attention (slow the first time, not with packed
    weights). Raises CheckpointError if the name is unknown or a part is damaged, absent or does not fit, and
    RequestError for a device or a precision that this machine lacks.
    """
    if name in TEXT_PAIRS:
        return load_text_pair(TEXT_PAIRS[name])
    given = {part: Path(where) for part, where in parts.items() if where is not None}
    return load_preset(replace(preset_named(name), **given), device, precision, progress, packed, compiled)


def outline(name: str) -> Outline:
    """What is known of a pair without loading it; CheckpointError for an unknown one, or a damaged folder of ours."""
    preset = preset_named(name)
    config = config_of(preset.tokenizer, "vqvae")
    return Outline(preset.name, config.schedule, config.codes, preset.class_names)


def load_text_pair(preset: TextPairPreset) -> TextPair:
    """The pair of language models of a preset. CheckpointError if it is not there, damaged, or does not fit."""
    for role, folder in (("draft", preset.draft), ("target", preset.target)):
        if not folder.is_dir():
            missing = "/".join(folder.parts[-2:])
            raise CheckpointError(
                f"The pair {preset.name!r} has no {role}: {missing} is missing. Train it with {preset.recipe}."
            )
    draft, target = load_model(preset.draft, "deltanet"), load_model(preset.target, "deltanet")
    if draft.vocabulary != target.vocabulary or target.vocabulary > 256:
        raise CheckpointError(
            f"The draft speaks {draft.vocabulary} tokens and the target {target.vocabulary}; expected the same bytes."
        )
    return TextPair(preset.name, draft, target, target.vocabulary)


def load_preset(
    preset: PairPreset,
    device: str = "cpu",
    precision: str = "auto",
    progress: Progress | None = None,
    packed: bool | None = None,
    compiled: bool = False,
) -> Pair:
    """The pair that a preset describes; see ``load_pair``."""
    place = placement.choose(device, precision)
    sources = {part: getattr(preset, part) for part in PARTS}
    target = load_part(sources["target"], "var", progress)
    same = sources["draft"] == sources["target"]
    draft = target if same else load_part(sources["draft"], "var", progress)
    tokenizer = load_part(sources["tokenizer"], "vqvae", progress, target.config.sides)
    check_fit(draft, target, tokenizer, len(preset.class_names))
    for model, source in {draft: sources["draft"], target: sources["target"]}.items():
        wanted = packed if packed is not None else not compiled and not _is_ours(source)
        model.to(place.device).prepare(place.dtype, wanted and _can_pack(place))
        if compiled:
            model.compile_blocks()
    tokenizer.to(place.device)
    schedule, codes = tokenizer.config.schedule, tokenizer.config.codes
    return Pair(preset.name, schedule, codes, preset.class_names, draft, target, tokenizer, place.precision)


def _can_pack(place: Placement) -> bool:
    return packing_available() and place.device == "cpu" and place.precision == "float32"


def _is_ours(source: Source) -> bool:
    return isinstance(source, Path) and source.is_dir()


# Parts


def load_part(
    source: Source, kind: str, progress: Progress | None = None, sides: Sequence[int] = OFFICIAL_256.sides
) -> VAR | VQVAE:
    """A model in float32 on the CPU from a folder of ours, an official file, or the hub; CheckpointError if damaged.

    sides: of a tokenizer from a file on this machine, which does not tell them.
    """
    if isinstance(source, HubFile):
        config = config_of(source, kind)
        return load_model(converted(hub.fetch(source, progress), kind, config), kind)
    if source.is_file():
        return load_model(converted(source, kind, None, sides), kind)
    return load_model(source, kind)


def fetch_files(name: str, progress: Progress | None = None) -> Iterator[Path]:
    """Download and convert the published files of a pair, and load none; yields the folder of each as it is ready."""
    preset = preset_named(name)
    sources = {getattr(preset, part): kind for part, kind in PARTS.items()}
    for source, kind in sources.items():
        if isinstance(source, HubFile):
            yield converted(hub.fetch(source, progress), kind, config_of(source, kind))


def config_of(source: HubFile | Path, kind: str) -> Config:
    """What a published file must hold, or what a folder of ours says that it holds."""
    if isinstance(source, Path):
        return read_config(source, kind)
    return var_config(source.depth) if kind == "var" else vqvae_config(source.depth)


def converted(path: Path, kind: str, config: Config | None, sides: Sequence[int] = OFFICIAL_256.sides) -> Path:
    """The folder of ours that holds the same weights as an official file, made the first time it is asked for.

    The folder is named after the file, its size and its time, so that another file is never taken for it. Nothing is
    written before the file has passed every check, and the folder appears whole or not at all.
    """
    try:
        path.stat()
    except OSError as error:
        raise CheckpointError(f"Cannot read {path.name}: {error.strerror}.") from error
    folder = _folder_of(path, kind, config or tuple(sides))
    if _is_whole(folder):
        return folder
    config, weights = read_weights(path, config, kind, sides)
    hub.check_disk(f"Converting {path.name}", sum(value.nbytes for value in weights.values()), folder)
    with torch.device("meta"):
        model = NETWORKS[kind](config)
    model.load_state_dict(weights, assign=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    half_done = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        save_model(model, half_done)
        os.replace(half_done, folder)
    except OSError as error:
        if not (folder / WEIGHTS).is_file():  # another process may have been quicker
            raise CheckpointError(f"Cannot write the converted {path.name}: {error.strerror}.") from error
    finally:
        shutil.rmtree(half_done, ignore_errors=True)
    return folder


def is_converted(path: Path, kind: str, config: Config) -> bool:
    """Whether a published file, which must hold that, was converted before."""
    return _is_whole(_folder_of(path, kind, config))


def _is_whole(folder: Path) -> bool:
    return (folder / WEIGHTS).is_file() and (folder / CONFIG).is_file()


def _folder_of(path: Path, kind: str, config: Config | tuple[int, ...]) -> Path:
    there = path.resolve()
    facts = (str(there), there.stat().st_size, there.stat().st_mtime_ns, kind, config)
    return hub.converted_folder() / f"{path.stem}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


class Shelf:
    """The pairs that stay in memory: at most ``places``, the one unused for longest making room.

    leaving: hears of a pair that makes room, to let go of it as well.
    """

    def __init__(
        self, places: int, load: Callable[..., Pair] = load_pair, leaving: Callable[[Pair], None] | None = None
    ) -> None:
        self.places, self.load, self.leaving = places, load, leaving
        self.pairs: OrderedDict[tuple, Pair] = OrderedDict()

    def take(self, name: str, device: str = "cpu", precision: str = "auto", **settings: object) -> Pair:
        """The pair, loaded if it is not on the shelf; room is made before, so that two never stand where one fits."""
        key = (name, device, precision)
        if key not in self.pairs:
            while len(self.pairs) >= self.places:
                _, gone = self.pairs.popitem(last=False)
                if self.leaving is not None:
                    self.leaving(gone)
                del gone
            self.pairs[key] = self.load(name, device, precision, **settings)
        self.pairs.move_to_end(key)
        return self.pairs[key]
