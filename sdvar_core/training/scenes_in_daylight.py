"""How ocean and meadow are painted; conventions of shape as in `painting`."""

import numpy as np

from sdvar_core.training.painting import Canvas, Field, mix, palettes, ramp

# Sky at the top and horizon, sun, sea far, sea near, cloud, island.
OCEAN = palettes(
    "2a78d0 c4ecff fffbe6 3f9cd0 0a3f86 ffffff 3a6a80",
    "3c3a8e ff9e78 fff0b4 b0688c 1c2460 ffb8a0 5a3a66",
    "e0708c ffd79a fffbd8 c88a8c 2c4a7a ffe4cc 8a5870",
    "1f9cc8 e0f7e8 fffdf0 4ac0c0 086078 ffffff 3c7c70",
    "4a68b4 ffd9b0 fff6d8 7c9cc0 1a3c70 fff0e4 52668c",
)
# Sky at the top and horizon, cloud, far hill, hill, near hill lit and dark, leaf lit and dark, trunk, flower.
MEADOW = palettes(
    "3a98f0 d8f2ff ffffff 8cc4b8 7cc45c 98d850 3c9440 58b048 227040 6a4428 ff5a6c",
    "58b8f0 f4f8dc ffffff a8d4b0 a0cc58 c4dc50 6ca038 f0a840 b86428 6c4028 ffffff",
    "2c84e0 c8ecf8 ffffff 78b4c0 58b868 70cc58 1c8450 40a050 145c40 5c4030 ffd83c",
    "60a8e8 fff0dc fffaf4 a4c8b8 8cc46c a8d864 4c9450 f09ab0 b85c80 6c4834 ff8cd0",
)


def paint_ocean(canvas: Canvas) -> None:
    """Paint a sea with the sun's glitter, clouds, an island and sailing boats."""
    high, low, sun, far, near, cloud, island = canvas.colours(OCEAN)
    horizon = canvas.uniform(0.44, 0.56)
    canvas.pixels[:] = canvas.gradient([high, low], [0.0, horizon])
    across, radius = canvas.uniform(0.25, 0.75), canvas.uniform(0.06, 0.1)
    canvas.orb((across, horizon - canvas.uniform(0.02, 0.3)), radius, sun, mix(sun, low, 0.4))
    for _ in range(3):
        place = canvas.uniform(0, 1), canvas.uniform(0.08, 0.34)
        away = canvas.radius(*place, canvas.uniform(6, 9)) / canvas.uniform(0.15, 0.35)
        canvas.paint(0.7 * ramp(1, 0.45, away), cloud)
    present = canvas.chance(0.5)
    hill = canvas.radius(across + canvas.side() * canvas.uniform(0.25, 0.4), horizon, canvas.uniform(1.6, 2.6))
    canvas.paint(canvas.cover(canvas.uniform(0.14, 0.24) - hill) * present, mix(island, low, 0.15))
    sea = canvas.gradient([far, mix(far, near, 0.6), near], [horizon, horizon + 0.2, 1.0])
    canvas.paint(canvas.cover(canvas.y - horizon), sea)
    canvas.strokes(canvas.uniform(0.2, 0.8), horizon, 6, 0.4, 0.12, cloud)
    canvas.strokes(across, horizon, 9, canvas.uniform(0.09, 0.14), 0.85, sun)
    for step in range(2):
        tall = canvas.uniform(0.2, 0.34) * canvas.chance(0.75 - 0.4 * step)
        place = 0.25 + 0.5 * step + canvas.uniform(-0.15, 0.15), horizon + tall * canvas.uniform(0.2, 0.5)
        paint_boat(canvas, *place, tall, mix(cloud, 1, 0.5), mix(near, 0, 0.4))


def paint_boat(canvas: Canvas, across: Field, down: Field, tall: Field, sail: np.ndarray, hull: np.ndarray) -> None:
    """Paint a boat `tall` high whose water line is at (across, down); none where `tall` is 0."""
    present, tall = tall > 0, np.maximum(tall, 0.01)
    deck, top = down - 0.1 * tall, down - tall
    body = canvas.polygon(
        (across - 0.42 * tall, deck),
        (across + 0.45 * tall, deck),
        (across + 0.3 * tall, down),
        (across - 0.3 * tall, down),
    )
    foot = deck - 0.06 * tall
    main = canvas.polygon((across, top), (across + 0.42 * tall, foot), (across, foot))
    jib = canvas.polygon(
        (across - 0.05 * tall, top + 0.14 * tall), (across - 0.05 * tall, foot), (across - 0.4 * tall, foot)
    )
    canvas.paint(canvas.cover(main) * present, sail)
    canvas.paint(canvas.cover(jib) * present, mix(sail, hull, 0.22))
    canvas.paint(canvas.cover(body) * present, hull)


def paint_meadow(canvas: Canvas) -> None:
    """Paint rolling hills with clouds, round trees and flowers."""
    high, low, cloud, far, hill, lit, dark, leaf, leaf_dark, trunk, flower = canvas.colours(MEADOW, 0.2)
    canvas.pixels[:] = canvas.gradient([high, low], [0.0, 0.6])
    sun = np.array((1, 0.96, 0.75), dtype=np.float32).reshape(1, 3, 1, 1)
    canvas.orb((canvas.uniform(0.12, 0.88), canvas.uniform(0.1, 0.2)), canvas.uniform(0.05, 0.075), sun, sun)
    for step in range(2):
        paint_cloud(canvas, 0.25 + 0.5 * step + canvas.uniform(-0.2, 0.2), canvas.uniform(0.14, 0.32), cloud, high)
    line = canvas.uniform(0.48, 0.54) + 0.07 * canvas.noise(canvas.x, 2)
    canvas.layer(canvas.below(line), line, far, mix(far, low, 0.4), 0.2)
    line = canvas.uniform(0.58, 0.63) + 0.06 * canvas.noise(canvas.x, 1.4, 1)
    canvas.layer(canvas.below(line), line, mix(hill, far, 0.2), mix(hill, dark, 0.45), 0.25)
    for step in range(2):
        tall = canvas.uniform(0.2, 0.36) * canvas.chance(1 - 0.45 * step)
        paint_tree(canvas, 0.27 + 0.46 * step + canvas.uniform(-0.14, 0.14), tall, leaf, leaf_dark, trunk)
    line = canvas.uniform(0.74, 0.79) + 0.05 * canvas.noise(canvas.x, 1.2, 1)
    canvas.layer(canvas.below(line), line, lit, dark, 0.3)
    paint_flowers(canvas, flower, mix(sun, flower, 0.1))


def paint_cloud(canvas: Canvas, across: Field, down: Field, cloud: np.ndarray, shade: np.ndarray) -> None:
    """Paint a cloud of four puffs with a flat foot."""
    size = canvas.uniform(0.05, 0.085)
    inside = canvas.capsule((across - 1.7 * size, down), (across + 1.9 * size, down), 0.55 * size)
    for offset, rise, radius in ((-0.9, 0.35, 0.75), (0.1, 0.6, 1.0), (1.1, 0.3, 0.7)):
        place = across + (offset + canvas.uniform(-0.2, 0.2)) * size, down - rise * size
        inside = np.maximum(inside, canvas.disc(*place, radius * size))
    inside = np.minimum(inside, down + 0.4 * size - canvas.y)
    tint = ramp(-0.6, 0.5, (canvas.y - down) / size) * 0.3
    canvas.paint(canvas.cover(inside), mix(cloud, shade, tint))


def paint_tree(
    canvas: Canvas, across: Field, tall: Field, leaf: np.ndarray, dark: np.ndarray, trunk: np.ndarray
) -> None:
    """Paint a round tree `tall` high on the middle hill; none where `tall` is 0."""
    present, foot = tall > 0, canvas.uniform(0.7, 0.74)
    wide = 0.07 * tall + 0.001
    stem = canvas.polygon(
        (across - wide * 0.7, foot - 0.5 * tall),
        (across + wide * 0.7, foot - 0.5 * tall),
        (across + wide, foot),
        (across - wide, foot),
    )
    crown = canvas.disc(across, foot - 0.72 * tall, 0.3 * tall)
    for side in (-1, 1):
        place = across + side * canvas.uniform(0.18, 0.26) * tall, foot - canvas.uniform(0.55, 0.64) * tall
        crown = np.maximum(crown, canvas.disc(*place, 0.22 * tall))
    canvas.paint(canvas.cover(stem) * present, trunk)
    slant = (canvas.x - across + (canvas.y - foot + 0.62 * tall) * 1.4) / (tall + 0.001)
    canvas.paint(canvas.cover(crown) * present, mix(leaf, dark, ramp(-0.35, 0.5, slant)))


def paint_flowers(canvas: Canvas, petal: np.ndarray, heart: np.ndarray) -> None:
    """Paint two rows of flowers in the grass, one to a cell, larger in front."""
    for columns, down, radius in ((7, 0.86, 0.014), (5, 0.945, 0.022)):
        cell = np.floor(canvas.x.ravel() * columns).astype(np.int64)
        jitter = canvas.rng.random((3, canvas.batch, columns), dtype=np.float32)[:, :, None, None, cell]
        across = (cell + 0.25 + 0.5 * jitter[0]) / columns
        away = canvas.radius(across.astype(np.float32), down + (jitter[1] - 0.5) * 0.05)
        present = jitter[2] < 0.65
        canvas.paint(canvas.cover(radius - away) * present, petal)
        canvas.paint(canvas.cover(radius * 0.42 - away) * present, heart)
