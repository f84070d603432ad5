"""Tiny worlds: ten classes of landscapes, drawn in batches, on which the embedded models are trained.

The pictures are made to be coded in cells of an eighth of 128 pixels: few large shapes with clear edges, smooth
gradients, no fine texture. See design section "Tiny worlds"; conventions of shape are those of `painting`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from sdvar_core.presets import TINY_WORLD_NAMES
from sdvar_core.training.painting import Canvas
from sdvar_core.training.scenes_in_daylight import paint_meadow, paint_ocean
from sdvar_core.training.scenes_in_dim_light import paint_aurora, paint_city, paint_forest, paint_lake, paint_volcano
from sdvar_core.training.scenes_of_stone import paint_canyon, paint_desert, paint_snow_mountain

WORLDS = TINY_WORLD_NAMES  # a label is an index into this
CHUNK = 32  # pictures painted together: a field of one chunk stays in the cache
PAINTERS = (
    paint_volcano,
    paint_desert,
    paint_ocean,
    paint_forest,
    paint_city,
    paint_aurora,
    paint_snow_mountain,
    paint_meadow,
    paint_canyon,
    paint_lake,
)


def render(labels: np.ndarray, rng: np.random.Generator, size: int = 128) -> np.ndarray:
    """Draw a picture for each label (batch,), an index into `WORLDS`: uint8 (batch, size, size, 3) sRGB."""
    labels = np.asarray(labels)
    pictures = np.empty((len(labels), size, size, 3), dtype=np.uint8)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        for start in range(0, len(places), CHUNK):
            chosen = places[start : start + CHUNK]
            canvas = Canvas(len(chosen), size, rng)
            PAINTERS[label](canvas)
            painted = np.clip(canvas.pixels, 0, 1) * 255 + 0.5
            pictures[chosen] = painted.astype(np.uint8).transpose(0, 2, 3, 1)
    return pictures


def sheet(count: int, size: int, seed: int) -> np.ndarray:
    """Lay out `count` pictures of every world, a row each: uint8 (10 * (size + 4), count * (size + 4), 3)."""
    pictures = render(np.repeat(np.arange(len(WORLDS)), count), np.random.default_rng(seed), size)
    framed = np.pad(pictures, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=255)
    grid = framed.reshape(len(WORLDS), count, size + 4, size + 4, 3).transpose(0, 2, 1, 3, 4)
    return grid.reshape(len(WORLDS) * (size + 4), count * (size + 4), 3)


def thumbnails(folder: Path, seed: int, side: int = 96) -> None:
    """Write ``<label>.webp`` of every world, side × side pixels, averaged down from twice that."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = render(np.arange(len(WORLDS)), np.random.default_rng(seed), 2 * side)
    for label, picture in enumerate(pictures):
        small = Image.fromarray(picture).resize((side, side), Image.Resampling.BOX)
        small.save(folder / f"{label}.webp", quality=90, method=6)


def main() -> None:
    """Write a contact sheet or measure the speed, as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheet", type=Path, help="write a contact sheet to this path")
    parser.add_argument("--thumbnails", type=Path, help="write one small picture a world into this folder")
    parser.add_argument("--count", type=int, default=8, help="pictures a row of the sheet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=128, help="side of a picture in pixels")
    parser.add_argument("--speed", action="store_true", help="print pictures a second, for every world and together")
    options = parser.parse_args()
    if options.sheet:
        Image.fromarray(sheet(options.count, options.size, options.seed)).save(options.sheet)
    if options.thumbnails:
        thumbnails(options.thumbnails, options.seed)
    if options.speed:
        total = 0.0
        for label, world in enumerate(WORLDS):
            start = time.perf_counter()
            render(np.full(64, label), np.random.default_rng(options.seed), options.size)
            seconds = time.perf_counter() - start
            total += seconds
            print(f"{world:14} {64 / seconds:6.0f} pictures/s")
        print(f"{'all':14} {64 * len(WORLDS) / total:6.0f} pictures/s")


if __name__ == "__main__":
    main()
