"""Analytic anti-aliased painting of a batch of pictures: shapes are signed distances, positive inside.

Every array is (batch, channels, rows, columns) or broadcasts to it: parameters are (batch, 1, 1, 1), colours
(batch, 3, 1, 1), height lines (batch, 1, 1, size). Places and lengths are fractions of the picture's side, with
the origin at the top left; colours are sRGB in 0..1. The same code therefore paints at any size.
"""

from itertools import pairwise

import numpy as np

Field = np.ndarray | float

LINEAR_TO_CONE = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=np.float32,
)
CONE_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=np.float32,
)
CONE_TO_LINEAR = np.linalg.inv(LINEAR_TO_CONE)
OKLAB_TO_CONE = np.linalg.inv(CONE_TO_OKLAB)


def to_oklab(colours: np.ndarray) -> np.ndarray:
    """Convert sRGB in 0..1, (..., 3), to OKLab, (..., 3) (Ottosson 2020, "A perceptual color space")."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ LINEAR_TO_CONE.T) @ CONE_TO_OKLAB.T


def to_srgb(oklab: np.ndarray) -> np.ndarray:
    """Convert OKLab, (..., 3), to sRGB clipped to 0..1, (..., 3)."""
    linear = np.clip((oklab @ OKLAB_TO_CONE.T) ** 3 @ CONE_TO_LINEAR.T, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def palettes(*rows: str) -> np.ndarray:
    """Read palettes, each a line of six-digit hexadecimal sRGB colours, as OKLab (palette, colour, 3)."""
    numbers = [[list(bytes.fromhex(colour)) for colour in row.split()] for row in rows]
    return to_oklab(np.array(numbers, dtype=np.float32) / 255)


def mix(first: Field, second: Field, share: Field) -> Field:
    """Interpolate from `first` (share 0) to `second` (share 1); all three broadcast."""
    return first + share * (second - first)


def ramp(low: Field, high: Field, value: Field) -> Field:
    """Rise smoothly from 0 where `value` is `low` to 1 where it is `high`."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


class Canvas:
    """A batch of pictures being painted: `pixels` (batch, 3, size, size) in 0..1, and the coordinates of pixels."""

    def __init__(self, batch: int, size: int, rng: np.random.Generator):
        self.batch, self.size, self.rng = batch, size, rng
        centres = (np.arange(size, dtype=np.float32) + 0.5) / size
        self.x = centres.reshape(1, 1, 1, size)
        self.y = centres.reshape(1, 1, size, 1)
        self.pixels = np.zeros((batch, 3, size, size), dtype=np.float32)

    def uniform(self, low: Field, high: Field) -> np.ndarray:
        """Draw one number in low..high for each picture, (batch, 1, 1, 1)."""
        return low + (high - low) * self.rng.random((self.batch, 1, 1, 1), dtype=np.float32)

    def chance(self, share: float) -> np.ndarray:
        """Draw 1 with probability `share` and else 0 for each picture, (batch, 1, 1, 1)."""
        return (self.uniform(0, 1) < share).astype(np.float32)

    def side(self) -> np.ndarray:
        """Draw -1 or 1 for each picture, (batch, 1, 1, 1)."""
        return 2 * self.chance(0.5) - 1

    def colours(self, table: np.ndarray, blend: float = 0.4) -> np.ndarray:
        """Draw one palette a picture, blended up to `blend` with another: (colour, batch, 3, 1, 1) sRGB."""
        chosen = self.rng.integers(len(table), size=(2, self.batch))
        share = blend * self.rng.random((self.batch, 1, 1), dtype=np.float32) ** 2
        oklab = mix(table[chosen[0]], table[chosen[1]], share)  # (batch, colour, 3)
        angle = self.rng.uniform(-0.13, 0.13, (self.batch, 1)).astype(np.float32)
        lightness = oklab[..., 0] + self.rng.uniform(-0.025, 0.025, (self.batch, 1)).astype(np.float32)
        red = oklab[..., 1] * np.cos(angle) - oklab[..., 2] * np.sin(angle)
        yellow = oklab[..., 1] * np.sin(angle) + oklab[..., 2] * np.cos(angle)
        srgb = to_srgb(np.stack([lightness, red, yellow], axis=-1))
        return srgb.transpose(1, 0, 2)[..., None, None].astype(np.float32)

    def gradient(self, colours: list[np.ndarray], stops: list[Field]) -> np.ndarray:
        """Blend colours down the picture in OKLab, colour k at height stops[k]: (batch, 3, size, 1) sRGB."""
        oklab = [to_oklab(np.moveaxis(colour, 1, -1)) for colour in colours]  # each (batch, 1, 1, 3)
        blended = oklab[0]
        for colour, start, end in zip(oklab[1:], stops, stops[1:]):
            share = np.clip((self.y - start) / (end - start), 0, 1)  # (batch or 1, 1, size, 1)
            blended = mix(blended, colour, np.moveaxis(share, 1, -1))
        return np.moveaxis(to_srgb(blended), -1, 1).astype(np.float32)

    def noise(self, place: np.ndarray, frequency: float, octaves: int = 2, smooth: bool = True) -> np.ndarray:
        """Sum octaves of one-dimensional value noise at `place` (1, 1, rows, columns): about -1..1 a picture."""
        total = np.zeros((self.batch, place.size), dtype=np.float32)
        for octave in range(octaves):
            scaled = place.reshape(1, -1) * frequency * 2**octave + self.rng.random((self.batch, 1), dtype=np.float32)
            index = np.floor(scaled).astype(np.int64)
            knots = 2 * self.rng.random((self.batch, index.max() + 2), dtype=np.float32) - 1
            share = scaled - index
            share = share * share * (3 - 2 * share) if smooth else share
            left, right = (np.take_along_axis(knots, index + step, axis=1) for step in (0, 1))
            total += mix(left, right, share) * 0.5**octave
        return total.reshape(self.batch, *place.shape[1:])

    def paint(self, alpha: Field, colour: Field) -> None:
        """Lay `colour` over the pictures with opacity `alpha` in 0..1."""
        change = colour - self.pixels
        change *= alpha
        self.pixels += change

    def light(self, alpha: Field, colour: Field) -> None:
        """Add light of `colour` and strength `alpha` in 0..1, never above white (the "screen" blend)."""
        change = 1 - self.pixels
        change *= alpha
        change *= colour
        self.pixels += change

    def cover(self, distance: np.ndarray) -> np.ndarray:
        """Turn a signed distance into the covered share of each pixel, 0..1."""
        return np.clip(distance * self.size + 0.5, 0, 1)

    def radius(self, across: Field, down: Field, flatness: Field = 1) -> np.ndarray:
        """Distance of every pixel from a point, heights counted `flatness` times."""
        return np.sqrt((self.x - across) ** 2 + ((self.y - down) * flatness) ** 2)

    def disc(self, across: Field, down: Field, radius: Field) -> np.ndarray:
        """Signed distance to a disc."""
        return radius - self.radius(across, down)

    def capsule(self, start: tuple[Field, Field], end: tuple[Field, Field], radius: Field) -> np.ndarray:
        """Signed distance to a segment with round ends, `radius` thick to each side."""
        across, down = end[0] - start[0], end[1] - start[1]
        share = (self.x - start[0]) * across + (self.y - start[1]) * down
        share = np.clip(share / (across * across + down * down), 0, 1)
        return radius - np.sqrt((self.x - start[0] - share * across) ** 2 + (self.y - start[1] - share * down) ** 2)

    def half_plane(self, start: tuple[Field, Field], end: tuple[Field, Field]) -> np.ndarray:
        """Signed distance to the half-plane on the right of the way from `start` to `end`."""
        across, down = end[0] - start[0], end[1] - start[1]
        length = np.sqrt(across * across + down * down)
        return ((self.y - start[1]) * across - (self.x - start[0]) * down) / length

    def polygon(self, *corners: tuple[Field, Field]) -> np.ndarray:
        """Signed distance to a convex polygon, corners (across, down) in clockwise order."""
        inside = self.half_plane(corners[-1], corners[0])
        for start, end in pairwise(corners):
            inside = np.minimum(inside, self.half_plane(start, end))
        return inside

    def below(self, line: np.ndarray) -> np.ndarray:
        """Signed distance to the ground under a height line (batch, 1, 1, size), normalised by its slope."""
        slope = np.gradient(line, 1 / self.size, axis=-1).astype(np.float32)
        return (self.y - line) / np.sqrt(1 + slope * slope)

    def firs(self, ground: Field, count: int, height: Field, tiers: int) -> np.ndarray:
        """Signed distance to a row of `count` firs about `height` tall on `ground`, filled below it."""
        jitter, tall, wide = self.rng.random((3, self.batch, count + 2), dtype=np.float32)
        cell = np.floor(self.x.ravel() * count).astype(np.int64)
        inside = np.broadcast_to(self.y - ground + height * 0.2, (self.batch, 1, self.size, self.size))
        for index in (cell, cell + 1, cell + 2):
            centre = (index - 0.5 + 0.5 * (jitter[:, index] - 0.5)) / count
            trunk = np.abs(self.x - centre[:, None, None].astype(np.float32))
            full = height * (0.65 + 0.6 * tall[:, None, None, index])
            spread = (0.6 + 0.25 * wide[:, None, None, index]) / count
            depth = self.y - (ground - full)
            phase = depth * (tiers / full)
            phase -= np.floor(phase)
            saw = np.minimum(phase, (1 - phase) * 3.5) * (0.75 / tiers)
            branch = spread * (0.6 * depth / full + saw) - trunk
            inside = np.maximum(inside, np.minimum(branch, depth))
        return inside

    def stars(self, lowest: float, colour: np.ndarray) -> None:
        """Light at most fifteen soft stars, five across and three down, above height `lowest`."""
        rows, columns = 3, 5
        across = np.minimum(self.x.ravel() * columns, columns - 1).astype(np.int64)
        down = np.minimum(self.y.ravel() / lowest * rows, rows - 1).astype(np.int64)
        cell = down[:, None] * columns + across
        jitter = 0.15 + 0.7 * self.rng.random((2, self.batch, rows * columns), dtype=np.float32)
        strength = np.maximum(1.4 * self.rng.random((self.batch, rows * columns), dtype=np.float32) - 0.4, 0)
        offset = (self.x * columns - across - jitter[0][:, cell][:, None]) / columns
        rise = (self.y / lowest * rows - down[:, None] - jitter[1][:, cell][:, None]) * lowest / rows
        self.light(np.exp((offset * offset + rise * rise) * -17000) * strength[:, cell][:, None], colour)

    def orb(self, place: tuple[Field, Field], radius: Field, colour: np.ndarray, halo: np.ndarray) -> None:
        """Paint a sun or moon of `radius` at `place` (across, down) with a soft glow of colour `halo`."""
        away = self.radius(*place)
        self.light(0.45 * np.exp(np.minimum(radius - away, 0) / (radius * 0.9)), halo)
        self.light(0.35 * np.exp(away * -3.5), halo)
        self.paint(self.cover(radius - away), colour)

    def layer(self, inside: np.ndarray, line: Field, colour: np.ndarray, haze: np.ndarray, depth: float) -> None:
        """Paint a layer of land, from `colour` at the height `line` to `haze` a length `depth` below it."""
        self.paint(self.cover(inside), mix(colour, haze, np.clip((self.y - line) / depth, 0, 1)))

    def strokes(self, centre: Field, top: Field, count: int, width: Field, strength: Field, colour: np.ndarray) -> None:
        """Light `count` wide soft horizontal strokes on water under `top`, growing towards the viewer."""
        total = np.zeros((self.batch, 1, self.size, self.size), dtype=np.float32)
        for step in range(count):
            near = (step + 0.5 + 0.25 * self.uniform(-1, 1)) / count
            down = top + (1 - top) * near**1.35
            tall = 0.006 + 0.009 * near
            wide = width * (0.5 + 0.9 * near) * self.uniform(0.6, 1.3)
            across = centre + width * near * self.uniform(-0.5, 0.5)
            fall = np.exp(-(((self.y - down) / tall) ** 2)) * np.exp(-(((self.x - across) / wide) ** 4))
            total = np.maximum(total, fall)
        self.light(total * strength, colour)
