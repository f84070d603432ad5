"""How desert, snow mountain and canyon are painted; conventions of shape as in `painting`."""

import numpy as np

from sdvar_core.training.painting import Canvas, Field, mix, palettes, ramp

# Sky at the top and horizon, sun, dune lit, dune dark, far dune, stone.
DESERT = palettes(
    "3f86c8 fbe3b4 fffbe0 f0c27c b5783f f4d6a2 d99a58",
    "5a4a9a ffab6e fff0b0 ee9254 8e4436 f2a878 c26a44",
    "8a4a8c ff9a5c ffe69a e57a48 7a3238 ea926a b4563e",
    "58a8c8 fff0cc fffdf0 f8d59a c08a54 fae6c2 e0ae74",
    "d8905a ffe2a0 fff8d8 f2b466 a85e34 f6cc8e cc8448",
)
# Cactus lit and dark.
CACTUS = palettes("5f9a58 1f4c38", "7a9c4c 2c4c2c")
# Sky at the top and horizon, cloud, snow lit and dark, rock lit and dark, haze, fir, ground.
SNOW = palettes(
    "2f7fd6 cfeaff ffffff ffffff a8c0ea 8c92a8 525c80 c4dcf0 1d4450 eef6ff",
    "6a6ac0 ffd0c0 ffeae0 fff0e6 b49cd0 a8879c 6a5480 eec8cc 2c2f54 f4dce4",
    "4fa4dc eaf6f4 ffffff fffffa a4c4d8 98a0a0 566878 d8e8ea 1c4a48 f0f8f8",
    "3f4f9c ffb48c ffd8bc ffe2c4 a088c4 b07a78 5a4470 eab09c 241f44 e8c4cc",
)
# Sky at the top and horizon, sun, stone light, stone deep, shadow, haze, ground, river.
CANYON = palettes(
    "3c94dc e4f2ec fffdf0 f0a868 b4482c 5c2034 ecccb0 d88c54 2c9cb4",
    "5c5ca8 ffc490 fff4c8 f09058 a43434 481c3c f0a888 c86c48 6c8cd0",
    "58b4d0 fff2cc fffff0 f4c084 c46838 703028 f4dcb4 e4a868 34b0a8",
    "8870b8 ffd8b4 fffae0 ec9c78 a84048 50204c ecbca8 d08468 60a8d4",
)


def paint_desert(canvas: Canvas) -> None:
    """Paint dunes lit from the sun's side, with a pyramid or a cactus."""
    high, low, sun, lit, dark, far, stone = canvas.colours(DESERT)
    horizon = canvas.uniform(0.5, 0.6)
    canvas.pixels[:] = canvas.gradient([high, low], [0.0, horizon])
    side = canvas.side()
    canvas.orb(
        (0.5 + side * canvas.uniform(0.1, 0.34), canvas.uniform(0.16, 0.36)), canvas.uniform(0.06, 0.1), sun, sun
    )
    pyramid = canvas.chance(0.5)
    line = horizon + 0.02 * canvas.noise(canvas.x, 2.5)
    paint_pyramid(canvas, horizon + 0.04, side, mix(stone, sun, 0.3), mix(dark, stone, 0.35), pyramid)
    canvas.layer(canvas.below(line), line, far, lit, 0.16)
    turn = canvas.side()
    for step, base in enumerate((0.64, 0.76, 0.9)):
        near = (step + 1) / 3
        peak = 0.5 + turn * (-1) ** step * canvas.uniform(0.05, 0.38)
        paint_dune(canvas, (peak, base), side, mix(far, lit, near), mix(lit, dark, 0.45 + 0.5 * near))
    paint_cactus(canvas, canvas.uniform(0.12, 0.88), (1 - pyramid) * canvas.uniform(0.24, 0.34))


def paint_pyramid(canvas: Canvas, base: Field, side: Field, lit: np.ndarray, dark: np.ndarray, present: Field) -> None:
    """Paint a pyramid on height `base` with its lit face towards the sun's `side`."""
    across, tall = 0.5 - side * canvas.uniform(0.1, 0.3), canvas.uniform(0.17, 0.28)
    wide = tall * canvas.uniform(0.9, 1.1)
    apex, left, right = (across, base - tall), (across - wide, base), (across + wide, base)
    whole = canvas.cover(canvas.polygon(apex, right, left)) * present
    edge = canvas.half_plane((across - side * wide * 0.4, base), apex) * side
    canvas.paint(whole, mix(lit, dark, canvas.cover(-edge)))


def paint_dune(canvas: Canvas, place: tuple[Field, float], side: Field, lit: np.ndarray, dark: np.ndarray) -> None:
    """Paint one dune: a crest winds from its peak at `place` to the viewer, lit towards the sun's `side`."""
    peak, base = place
    offset = canvas.x - peak
    tall = canvas.uniform(0.07, 0.12)
    line = base + canvas.uniform(-0.02, 0.02) - tall * np.exp(-((offset / 0.3) ** 2) * 1.2 - np.abs(offset) * 1.2)
    line = line + 0.025 * canvas.noise(canvas.x, 2, 1) + tall * 0.4
    depth = np.maximum(canvas.y - line, 0)
    bend = canvas.uniform(0.4, 1.3) * depth + 0.04 * np.sin(depth * canvas.uniform(9, 14)) * (depth / 0.1).clip(0, 1)
    crest = (offset + side * bend) * side
    shade = canvas.cover(-crest * 0.8) * np.exp(np.minimum(crest, 0) * 2.2)
    colour = mix(mix(lit, dark, 0.25 * np.clip(depth * 4, 0, 1)), dark, shade)
    canvas.paint(canvas.cover(canvas.below(line)), colour)


def paint_cactus(canvas: Canvas, across: Field, tall: Field) -> None:
    """Paint a cactus `tall` high with two raised arms; none where `tall` is 0."""
    foot, thick = canvas.uniform(0.88, 0.94), 0.11 * tall
    body = canvas.capsule((across, foot + 0.001), (across, foot - tall), thick)
    for side, level in ((-1, canvas.uniform(0.35, 0.5)), (1, canvas.uniform(0.45, 0.65))):
        reach, bend = across + side * tall * 0.3, foot - tall * level
        body = np.maximum(body, canvas.capsule((across, bend), (reach, bend + 1e-4), thick * 0.75))
        body = np.maximum(body, canvas.capsule((reach, bend), (reach, bend - tall * 0.28 - 1e-4), thick * 0.75))
    green = canvas.colours(CACTUS)
    present = tall > 0
    canvas.paint(canvas.cover(body) * present, mix(green[0], green[1], ramp(-0.6, 0.6, (canvas.x - across) / 0.05)))


def paint_snow_mountain(canvas: Canvas) -> None:
    """Paint snowy peaks with lit and dark faces behind a row of firs."""
    high, low, cloud, *faces, haze, fir, ground = canvas.colours(SNOW)
    canvas.pixels[:] = canvas.gradient([high, low], [0.0, 0.7])
    for _ in range(2):
        away = canvas.radius(canvas.uniform(0, 1), canvas.uniform(0.1, 0.35), 6) / canvas.uniform(0.18, 0.35)
        canvas.paint(0.6 * ramp(1, 0.3, away), cloud)
    main, side = canvas.uniform(0.34, 0.66), canvas.side()
    for step in (-1, 1):
        faded = [mix(face, haze, 0.42) for face in faces]
        paint_peak(canvas, main + step * canvas.uniform(0.28, 0.42), canvas.uniform(0.34, 0.46), side, faded, haze)
    paint_peak(canvas, main, canvas.uniform(0.14, 0.26), side, faces, haze)
    line = canvas.uniform(0.74, 0.78) + 0.03 * canvas.noise(canvas.x, 2)
    canvas.paint(canvas.cover(canvas.firs(line, 13, 0.11, 2)), mix(fir, haze, 0.45))
    line = canvas.uniform(0.88, 0.92) + 0.02 * canvas.noise(canvas.x, 1.5)
    canvas.paint(canvas.cover(canvas.firs(line, 7, 0.2, 3)), fir)
    line = line + 0.03
    canvas.layer(canvas.below(line), line, ground, mix(ground, faces[1], 0.5), 0.12)


def paint_peak(
    canvas: Canvas, across: Field, top: Field, side: Field, faces: list[np.ndarray], haze: np.ndarray
) -> None:
    """Paint a peak, lit from `side`; faces are snow lit, snow dark, rock lit and rock dark."""
    offset = canvas.x - across
    spread = np.abs(offset)
    line = (
        top
        + spread * canvas.uniform(0.9, 1.25)
        + 0.07 * canvas.noise(canvas.x, 7, 2, smooth=False) * ramp(0, 0.15, spread)
    )
    depth = np.maximum(canvas.y - top, 0)
    wander = canvas.noise(canvas.y, 6, 1, smooth=False) * 0.16 * depth.clip(0, 0.5)
    ridge = (offset - wander * 2) * side
    spur = (offset * side + canvas.uniform(0.25, 0.4) * depth + wander) * -1
    dark = np.maximum(canvas.cover(-ridge * 0.8) * (1 - 0.55 * canvas.cover(spur * 0.7)), 0)
    snow_line = top + canvas.uniform(0.2, 0.3) + 0.12 * canvas.noise(canvas.x, 8, 1, smooth=False)
    snow = canvas.cover((snow_line - canvas.y) * 0.6)
    lit = mix(faces[2], faces[0], snow)
    colour = mix(lit, mix(faces[3], faces[1], snow), dark)
    canvas.paint(canvas.cover(canvas.below(line)), mix(colour, haze, ramp(0.3, 0.62, depth) * 0.85))


def paint_canyon(canvas: Canvas) -> None:
    """Paint layered cliffs and mesas on both sides of a winding river."""
    high, low, sun, light, deep, shadow, haze, ground, river = canvas.colours(CANYON)
    canvas.pixels[:] = canvas.gradient([high, low], [0.0, 0.6])
    canvas.orb(
        (canvas.uniform(0.25, 0.75), canvas.uniform(0.1, 0.25)), canvas.uniform(0.045, 0.075), sun, mix(sun, low, 0.5)
    )
    bands = 0.5 + 0.75 * canvas.noise(canvas.y, 16, 1)
    stone = mix(light, deep, ramp(0.3, 0.7, bands))  # (batch, 3, size, 1)
    side = canvas.side()
    wide = canvas.uniform(0.08, 0.16)
    paint_mesa(
        canvas,
        canvas.uniform(0.4, 0.6),
        wide,
        canvas.uniform(0.4, 0.47),
        side,
        mix(stone, haze, 0.55),
        mix(shadow, haze, 0.55),
    )
    canvas.layer(canvas.y - 0.62, 0.62, mix(ground, haze, 0.6), ground, 0.3)
    water = river_distance(canvas)
    shallow, bank = mix(river, low, 0.5), mix(ground, deep, 0.6)
    paint_river(canvas, water, river, shallow, bank)
    for step, place in ((-1, 0.12), (1, 0.88)):
        centre, wide, top = (
            place + step * canvas.uniform(-0.08, 0.06),
            canvas.uniform(0.12, 0.2),
            canvas.uniform(0.26, 0.42),
        )
        paint_mesa(canvas, centre, wide, top, side, mix(stone, haze, 0.1), mix(shadow, haze, 0.15))
    line = canvas.uniform(0.72, 0.76) + 0.025 * canvas.noise(canvas.x, 2.5)
    front = canvas.below(line)
    canvas.layer(front, line, mix(ground, light, 0.35), mix(ground, deep, 0.55), 0.3)
    paint_river(canvas, np.minimum(water, front), river, shallow, bank)


def paint_mesa(
    canvas: Canvas, across: Field, wide: Field, top: Field, side: Field, stone: np.ndarray, shadow: np.ndarray
) -> None:
    """Paint a flat-topped rock of half-width `wide` with stepped walls, its face away from `side` in shadow."""
    depth = canvas.y - top
    flare = 0.025 * canvas.noise(canvas.y, 8, 1) + 0.1 * ramp(0.0, 0.5, depth) + 0.05 * ramp(0.1, 0.13, depth)
    offset = canvas.x - across
    inside = np.minimum(wide + flare - np.abs(offset), depth - 0.012 * canvas.noise(canvas.x, 4, 1))
    edge = (offset + side * canvas.uniform(0.15, 0.5) * wide + 0.02 * canvas.noise(canvas.y, 9, 1, smooth=False)) * side
    canvas.paint(canvas.cover(inside), mix(stone, shadow, 0.6 * canvas.cover(-edge)))


def river_distance(canvas: Canvas) -> np.ndarray:
    """Signed distance to a river that winds from the plain to the viewer and widens, (batch, 1, size, size)."""
    depth = np.clip((canvas.y - 0.63) / 0.37, 0, 1)
    swing = np.sin(depth**0.7 * canvas.uniform(6, 8) + canvas.uniform(0, 6.3)) * (0.02 + 0.17 * depth)
    centre = 0.5 + canvas.uniform(-0.08, 0.08) + swing
    return np.minimum((0.012 + 0.12 * depth**1.3 - np.abs(canvas.x - centre)) * 0.75, canvas.y - 0.63)


def paint_river(canvas: Canvas, inside: np.ndarray, near: np.ndarray, far: np.ndarray, bank: np.ndarray) -> None:
    """Paint water where `inside` is positive, and its bank around it, broader towards the viewer."""
    depth = np.clip((canvas.y - 0.63) / 0.37, 0, 1)
    canvas.paint(canvas.cover(inside + 0.016 * depth) * (canvas.y > 0.63), bank)
    canvas.paint(canvas.cover(inside), mix(far, near, depth))
