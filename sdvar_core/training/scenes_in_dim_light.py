"""How volcano, forest, city, aurora and lake are painted; conventions of shape as in `painting`."""

import numpy as np

from sdvar_core.training.painting import Canvas, Field, mix, palettes, ramp

# Sky at the top, middle and horizon, far ridge, cone lit, cone dark, foreground, smoke.
VOLCANO = palettes(
    "1b1436 7a2a5c f2774a 6a2a50 7c4650 2c1628 120a18 4a3550",
    "16233f 5f5a8c f6a67a 66527c 6a5466 28243a 0f1020 5b5a78",
    "0c0716 5a1030 e2402a 4a1028 5a2630 1c0a18 0a0510 3a1a2a",
    "2a1a4a b04a6c ffb36b 8a4468 84505c 34203c 160e22 6a4a68",
)
# Mist at the top, mist at the horizon, sun, far hill, far firs, middle firs, near firs.
FOREST = palettes(
    "a8c8c4 e8f2e4 ffffff b4d0c8 84aca0 44786c 0f3530",
    "e0b878 fff0c8 fffbe4 ecd29c b8a868 6c7440 26351c",
    "8cacc8 e4eef4 ffffff aec4d4 7c9cb0 40647c 0f2838",
    "e8b0a0 fff0dc fff8ec eccab4 b0948c 66625c 202c30",
    "94c09c eef8d8 ffffff b8d8ac 80b080 407c54 0c3a28",
)
# Sky at the top, middle and horizon, far blocks, near blocks dark and light, window, moon.
CITY = palettes(
    "0a0f2c 27306a 8a5a9c 2c2f66 0b0e26 171c40 ffd27a fff6dc",
    "140a2c 4a1f66 e0648c 48235e 12081f 241238 ffc46a fff0d8",
    "06182c 123f64 3c98a8 174562 051220 0c2236 ffe08c f4fbff",
    "1a0c1e 5a2440 f08a5c 56283e 140a14 2a1424 ffcf70 fff0d0",
)
# Sky at the top and horizon, curtain low, middle and high, far hill, near hill, snow, star.
AURORA = palettes(
    "060a20 123a54 5cffa0 18dca0 7a48f0 12304a 071222 7ab4b4 e8f4ff",
    "0a0824 1c2c5c 6cffd0 20c4f0 b83ce0 1a2850 0a0e24 7c9cc0 f0ecff",
    "040e18 0f4040 a8ff60 30e878 1ca0d0 0e363c 05141a 80b8a0 ecfff4",
    "0c0620 2c1f58 60ffb0 30d8c8 f04cb8 261f50 0e0a24 9090c0 fff0fc",
)
# Sky at the top and horizon, moon, far hill, near hill, reed, light on the water.
LAKE = palettes(
    "080f30 3a5a94 fff8e0 22386e 101c44 050a1c dce8ff",
    "120a34 5c4a98 fff0dc 362c6c 1c1444 0a061c f0e0ff",
    "041a30 2c7894 f6fff4 184c68 0a2a44 03101c d4fff4",
    "0e1430 5a6c8c fffaf0 34466c 18243f 080e1c f0f0ff",
)


def paint_volcano(canvas: Canvas) -> None:
    """Paint a glowing cone with lava and smoke in front of a dusk sky."""
    high, middle, low, far, lit, dark, front, smoke = canvas.colours(VOLCANO)
    canvas.pixels[:] = canvas.gradient([high, middle, low], [0.0, canvas.uniform(0.35, 0.5), 0.88])
    line = canvas.uniform(0.74, 0.82) + 0.06 * canvas.noise(canvas.x, 2.5)
    canvas.layer(canvas.below(line), line, far, mix(far, low, 0.6), 0.2)
    across, top = canvas.uniform(0.36, 0.64), canvas.uniform(0.28, 0.42)
    mouth = canvas.uniform(0.05, 0.075)
    fire, flame = (np.array(rgb, dtype=np.float32).reshape(1, 3, 1, 1) for rgb in ((1, 0.35, 0.1), (1, 0.8, 0.35)))
    paint_smoke(canvas, across, top, smoke, mix(smoke, fire, 0.55))
    away = canvas.radius(across, top)
    canvas.light(0.9 * np.exp(away * -7), fire)
    depth = np.maximum(canvas.y - top, 0)
    wide = mouth + depth * canvas.uniform(0.4, 0.6) + depth * depth * canvas.uniform(0.5, 0.9)
    offset = canvas.x - across
    rim = top + 0.018 * (1 - (offset / mouth) ** 2).clip(-0.4, 1)
    inside = np.minimum((wide - np.abs(offset)) * 0.75, canvas.y - rim)
    lane = offset / wide
    shade = ramp(-0.5, 0.5, lane * canvas.side() + 0.2 * np.sin(lane * 8 + canvas.uniform(0, 6)))
    canvas.paint(canvas.cover(inside), mix(lit, dark, shade))
    hot = np.exp(away * -canvas.uniform(9, 13))
    canvas.light(hot * canvas.cover(inside) * 0.8, fire)
    paint_lava(canvas, across, wide, depth, inside, fire, flame)
    canvas.light(np.exp(-((offset / mouth) ** 4) - ((canvas.y - top - 0.004) / 0.018) ** 2), flame)
    line = canvas.uniform(0.88, 0.92) + 0.035 * canvas.noise(canvas.x, 3)
    canvas.paint(canvas.cover(canvas.below(line)), front)


def paint_smoke(canvas: Canvas, across: Field, top: Field, smoke: np.ndarray, warm: np.ndarray) -> None:
    """Paint seven puffs rising from the crater at (across, top), lit warm from below."""
    drift, strength = canvas.uniform(-0.3, 0.3), canvas.uniform(0.55, 0.9)
    for step in range(7):
        rise = (step + 0.4) / 7
        centre = across + drift * rise**1.4 + 0.025 * canvas.uniform(-1, 1)
        radius = (0.035 + 0.11 * rise) * canvas.uniform(0.8, 1.15)
        puff = ramp(0, radius * 0.7, canvas.disc(centre, top - 0.02 - rise * top, radius))
        canvas.paint(puff * strength * (1 - 0.45 * rise), mix(warm, smoke, min(1, rise * 1.8)))


def paint_lava(
    canvas: Canvas, across: Field, wide: Field, depth: Field, cone: Field, fire: np.ndarray, flame: np.ndarray
) -> None:
    """Paint three streams of lava that run down the cone and thin out."""
    for lane in (-0.45, 0.0, 0.45):
        length = canvas.uniform(0.14, 0.5)
        share = np.clip(depth / length, 0, 1)
        centre = across + (lane + canvas.uniform(-0.15, 0.15)) * wide + 0.022 * canvas.noise(canvas.y, 5)
        stream = canvas.uniform(0.013, 0.022) * (1 - share**1.5) - np.abs(canvas.x - centre)
        stream = np.where(share < 1, stream, -1)
        canvas.light(np.exp(np.minimum(stream, 0) * 45) * (1 - share) * 0.55 * canvas.cover(cone), fire)
        canvas.paint(canvas.cover(np.minimum(stream, cone)), mix(flame, fire, share))


def paint_forest(canvas: Canvas) -> None:
    """Paint three rows of firs that fade into mist."""
    high, low, sun, hill, far, middle, near = canvas.colours(FOREST)
    canvas.pixels[:] = canvas.gradient([high, low], [0.0, 0.62])
    canvas.orb(
        (canvas.uniform(0.2, 0.8), canvas.uniform(0.14, 0.3)), canvas.uniform(0.05, 0.085), sun, mix(sun, low, 0.4)
    )
    line = canvas.uniform(0.4, 0.5) + 0.09 * canvas.noise(canvas.x, 2)
    canvas.layer(canvas.below(line), line, hill, low, 0.24)
    rows = ((0.62, 12, 0.2, 2, far, 0.22), (0.8, 8, 0.3, 3, middle, 0.3), (1.16, 5, 0.64, 5, near, 0.8))
    for ground, count, height, tiers, colour, depth in rows:
        level = canvas.uniform(-0.03, 0.03) + ground + 0.03 * canvas.noise(canvas.x, 1.5, 1)
        firs = canvas.firs(level.astype(np.float32), count, canvas.uniform(0.9, 1.15) * height, tiers)
        canvas.layer(firs, level - height * 0.5, colour, mix(colour, low, 0.75), depth)


def blocks(canvas: Canvas, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a skyline on a grid of 32 columns: the building's number and its height in cells, each (batch, 32)."""
    widths = canvas.rng.integers(3, 7, (canvas.batch, 12))
    starts = np.cumsum(widths, axis=1) - canvas.rng.integers(0, 3, (canvas.batch, 1))
    number = (np.arange(32)[None, :, None] >= starts[:, None]).sum(axis=-1)
    heights = canvas.rng.integers(low, high, (canvas.batch, 13))
    return number, np.take_along_axis(heights, number, axis=1)


def paint_city(canvas: Canvas) -> None:
    """Paint lit blocks on a grid of size/32 in front of a hazy night sky with a moon."""
    high, middle, low, far, dark, light, window, moon = canvas.colours(CITY)
    canvas.pixels[:] = canvas.gradient([high, middle, low], [0.0, 0.36, 0.72])
    canvas.stars(0.36, moon)
    paint_moon(canvas, mix(moon, low, 0.25), moon)
    cell = np.floor(canvas.x.ravel() * 32).astype(np.int64)
    level = 31 - cell  # the row of cells, counted from the ground
    number, height = blocks(canvas, 11, 21)
    canvas.paint((level[:, None] < height[:, None, cell])[:, None], mix(far, low, 0.1 + 0.45 * canvas.y))
    number, height = blocks(canvas, 5, 19)
    solid = (level[:, None] < height[:, None, cell])[:, None]
    tone = canvas.rng.random((canvas.batch, 13), dtype=np.float32)
    tone = np.take_along_axis(tone, number, axis=1)[:, None, None, cell]
    canvas.paint(solid, mix(mix(dark, light, tone), low, 0.12 * (1 - canvas.y)))
    share = canvas.rng.uniform(0.2, 0.75, (canvas.batch, 13))
    share = np.take_along_axis(share, number, axis=1)[:, None]
    lit = np.repeat(canvas.rng.random((canvas.batch, 32, 16)), 2, axis=2) < share
    rows = np.arange(32)[:, None]
    lit &= (rows < height[:, None] - 1) & (rows >= 1)
    inner = np.abs(canvas.x * 32 % 1 - 0.5), np.abs(canvas.y * 32 % 1 - 0.5)
    pane = canvas.cover((0.25 - inner[0]) / 32) * canvas.cover((0.25 - inner[1]) / 32)
    canvas.paint(pane * lit[:, level][:, :, cell][:, None], window)


def paint_moon(canvas: Canvas, halo: np.ndarray, moon: np.ndarray) -> None:
    """Paint a full moon or a crescent in the upper sky."""
    across, down, radius = canvas.uniform(0.2, 0.8), canvas.uniform(0.13, 0.24), canvas.uniform(0.06, 0.095)
    away = canvas.radius(across, down)
    canvas.light(0.35 * np.exp(away * -6), halo)
    bite = np.where(canvas.chance(0.5) > 0, radius * 0.95, -1)  # a radius of -1 bites nothing off
    lens = canvas.disc(across - canvas.side() * radius * 0.45, down - radius * 0.15, bite)
    canvas.paint(canvas.cover(np.minimum(radius - away, -lens)), moon)


def paint_aurora(canvas: Canvas) -> None:
    """Paint curtains of light over dark hills and snow."""
    high, low, green, teal, violet, far, near, snow, star = canvas.colours(AURORA)
    canvas.pixels[:] = canvas.gradient([high, low], [0.0, 0.8])
    canvas.stars(0.45, star)
    for step in range(3):
        paint_curtain(canvas, (0.56, 0.44, 0.33)[step], (1.0, 0.85, 0.6)[step], green, teal, violet)
    line = canvas.uniform(0.64, 0.7) + 0.09 * canvas.noise(canvas.x, 2.2, 2, smooth=False)
    canvas.layer(canvas.below(line), line, far, mix(far, teal, 0.28), 0.25)
    line = canvas.uniform(0.8, 0.84) + 0.04 * canvas.noise(canvas.x, 1.5)
    firs = canvas.firs(line, 9, 0.13, 2)
    canvas.paint(canvas.cover(firs), near)
    line = canvas.uniform(0.87, 0.91) + 0.035 * canvas.noise(canvas.x, 1.3, 1)
    canvas.layer(canvas.below(line), line, mix(snow, green, 0.15), mix(snow, far, 0.75), 0.2)


def paint_curtain(
    canvas: Canvas, base: float, strength: float, low: np.ndarray, middle: np.ndarray, high: np.ndarray
) -> None:
    """Light one curtain: a sharp winding foot near height `base`, rays that fade upwards through three colours."""
    foot = base + canvas.uniform(-0.04, 0.04) + 0.11 * canvas.noise(canvas.x, 1.8)
    rays = 0.68 + 0.32 * canvas.noise(canvas.x, 8, 1)
    tall = canvas.uniform(0.14, 0.22) * (0.7 + 0.5 * rays)
    rise = (foot - canvas.y) / tall
    glow = np.exp(-np.maximum(rise, 0) * 1.5) * ramp(-0.14, 0.04, rise)
    fade = ramp(-1, -0.1, canvas.noise(canvas.x, 1.6, 1)) * rays * strength * canvas.uniform(0.85, 1.1)
    colour = mix(mix(low, middle, ramp(0, 0.6, rise)), high, ramp(0.5, 1.6, rise))
    canvas.light(glow * fade, colour)


def paint_lake(canvas: Canvas) -> None:
    """Paint a moon and dark hills mirrored in a still lake, with reeds in front."""
    high, low, moon, far, near, reed, gleam = canvas.colours(LAKE)
    shore = canvas.uniform(0.52, 0.6)
    canvas.pixels[:] = canvas.gradient([high, low], [0.0, shore])
    canvas.stars(0.3, moon)
    across, radius = canvas.uniform(0.25, 0.75), canvas.uniform(0.085, 0.135)
    canvas.orb((across, canvas.uniform(0.17, 0.27)), radius, moon, mix(low, moon, 0.35))
    line = shore - canvas.uniform(0.1, 0.14) + 0.07 * canvas.noise(canvas.x, 2.4)
    canvas.layer(canvas.below(line), line, far, mix(far, low, 0.55), 0.16)
    line = shore - canvas.uniform(0.02, 0.04) + 0.04 * canvas.noise(canvas.x, 2)
    canvas.paint(canvas.cover(canvas.below(line)), near)
    mirror(canvas, shore, mix(high, low, 0.3))
    canvas.strokes(across, shore + 0.02, 8, canvas.uniform(0.1, 0.15), 0.7, mix(gleam, moon, 0.5))
    paint_reeds(canvas, canvas.side(), reed)


def mirror(canvas: Canvas, shore: Field, tint: np.ndarray) -> None:
    """Replace everything below height `shore` by its reflection, tinted towards `tint`."""
    source = np.clip((2 * shore - canvas.y) * canvas.size - 0.5, 0, canvas.size - 1)  # (batch, 1, size, 1) in rows
    row = np.minimum(source.astype(np.int64), canvas.size - 2)
    above, under = (np.take_along_axis(canvas.pixels, row + step, axis=2) for step in (0, 1))
    reflection = mix(above, under, source - row)
    canvas.paint(canvas.cover(canvas.y - shore), mix(reflection, tint, 0.1 + 0.3 * canvas.y))


def paint_reeds(canvas: Canvas, side: Field, reed: np.ndarray) -> None:
    """Paint a bank with seven reeds, some with heads, in the lower corner on `side`."""
    inside = canvas.disc(0.5 + side * 0.5, 1.18, 0.27)
    for step in range(7):
        foot = 0.5 + side * (0.47 - 0.055 * step + canvas.uniform(-0.015, 0.015))
        top = foot + canvas.uniform(-0.05, 0.05), 1 - canvas.uniform(0.2, 0.42) * (1 - 0.07 * step)
        inside = np.maximum(inside, canvas.capsule((foot, 1.02), top, 0.008))
        if step % 2 == 0:
            inside = np.maximum(inside, canvas.capsule(top, (top[0], top[1] + 0.06), 0.016))
    canvas.paint(canvas.cover(inside), reed)
