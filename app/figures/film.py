"""A run as a short film: the picture growing, the token maps beside it, and the narration beneath. GIF by Pillow."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from app.figures.palette import COLOURS, LEGEND, VERDICTS, letters, plain, rgb, settings_line, verdict_map
from app.figures.progress import CORRECTED, Moment, Scale, moments
from app.narration import sentence
from sdvar_core import Trace

WIDTH, HEIGHT, MARGIN, TOP = 640, 400, 16, 44
PICTURE = 272  # side of the large picture
MAPS = (MARGIN + PICTURE + 20, 108)  # left and upper limit of the token maps
GAP, TITLE = 6, 14
LONGEST_LINE = 66  # characters
LARGEST = 1_000_000  # bytes; a film that is larger is made again with the next of these:
EFFORTS = ((64, 224), (64, 96), (48, 48), (32, 24))  # frames at most, and colours besides the page's own
PAUSE, FIRST_PAUSE, LAST_PAUSE = 450, 900, 3000  # milliseconds


def film(trace: Trace, pictures: Mapping[int, np.ndarray], label: str) -> bytes:
    """The GIF of a run with at least one event. pictures: uint8 (height, width, 3) by the number of their event."""
    run = list(moments(trace))
    for most_frames, colours in EFFORTS:
        frames = [_frame(trace, moment, pictures, label) for moment in chosen(run, most_frames)]
        data = _gif([_few_colours(frame, colours) for frame in frames])
        if len(data) <= LARGEST:
            break
    return data


def chosen(run: Sequence[Moment], most: int) -> list[Moment]:
    """At most ``most`` moments, evenly taken, the first and the last among them."""
    places = np.linspace(0, len(run) - 1, min(len(run), most)).round().astype(int)
    return [run[place] for place in places]


def _gif(images: list[Image.Image]) -> bytes:
    pauses = [FIRST_PAUSE, *[PAUSE] * (len(images) - 2), LAST_PAUSE][-len(images) :]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=pauses, loop=0, optimize=False)
    return buffer.getvalue()


def _few_colours(frame: Image.Image, colours: int) -> Image.Image:
    """A frame with a palette of its own: the page's colours exactly, the rest for the large picture."""
    own = [part for colour in dict.fromkeys(COLOURS.values()) for part in rgb(colour)]
    crop = frame.crop((MARGIN, TOP, MARGIN + PICTURE, TOP + PICTURE))
    found = crop.quantize(colours, method=Image.Quantize.MEDIANCUT).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette((own + found)[: 3 * 256])
    return frame.quantize(palette=palette, dither=Image.Dither.NONE)


def _frame(trace: Trace, moment: Moment, pictures: Mapping[int, np.ndarray], label: str) -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), COLOURS["card"])
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN, 14), plain(settings_line(trace, label), LONGEST_LINE), COLOURS["muted"], letters(13))
    draw.text((WIDTH - MARGIN, 14), "SDVAR", COLOURS["ink"], letters(13, bold=True), anchor="ra")
    _picture(image, draw, moment, pictures)
    _counter(draw, moment, trace)
    _maps(image, draw, moment, trace.schedule.sides)
    _legend(draw, moment)
    told = sentence(trace.events[: moment.index + 1], trace.request, trace.schedule)
    _narration(draw, plain(told, 240))
    return image


def _picture(image: Image.Image, draw: ImageDraw.ImageDraw, moment: Moment, pictures: Mapping) -> None:
    box = (MARGIN, TOP, MARGIN + PICTURE - 1, TOP + PICTURE - 1)
    draw.rectangle(box, COLOURS["well"])
    picture = pictures.get(moment.picture)
    if picture is not None:
        image.paste(Image.fromarray(picture).resize((PICTURE, PICTURE), Image.Resampling.BICUBIC), box[:2])


def _counter(draw: ImageDraw.ImageDraw, moment: Moment, trace: Trace) -> None:
    left, base = MAPS[0], TOP + 42
    draw.text((left, base), str(moment.calls), COLOURS["ink"], letters(44, bold=True), anchor="ls")
    after = left + draw.textlength(str(moment.calls), letters(44, bold=True)) + 10
    told = f"target calls; the target alone needs {trace.baseline_calls}"
    draw.text((after, base), told, COLOURS["muted"], letters(12), anchor="ls")


def _maps(image: Image.Image, draw: ImageDraw.ImageDraw, moment: Moment, sides: Sequence[int]) -> None:
    left, top = MAPS
    columns = max(5, -(-len(sides) // 3))
    rows = -(-len(sides) // columns)
    tall = (TOP + PICTURE - top) // rows
    room = min((WIDTH - MARGIN - left - GAP * (columns - 1)) // columns, tall - TITLE - GAP)
    tall = room + TITLE + GAP
    top = TOP + PICTURE - rows * tall + GAP
    for number, (scale, side) in enumerate(zip(moment.scales, sides, strict=True)):
        x, y = left + (number % columns) * (room + GAP), top + (number // columns) * tall
        here = number == moment.current
        draw.text((x, y), str(number + 1), COLOURS["ink" if here else "muted"], letters(10, bold=here))
        _map(image, draw, (x, y + TITLE), room, scale, side)
        if here:
            draw.rectangle((x - 2, y + TITLE - 2, x + room + 1, y + TITLE + room + 1), outline=COLOURS["ink"])


def _map(image: Image.Image, draw: ImageDraw.ImageDraw, at: tuple, room: int, scale: Scale | None, side: int) -> None:
    cells = Image.fromarray(verdict_map(scale, side)).resize((room, room), Image.Resampling.NEAREST)
    image.paste(cells, at)
    if side > room // 3:
        return
    edges = [round(number * room / side) for number in range(side + 1)]
    for edge in edges[1:-1]:
        draw.line((at[0] + edge, at[1], at[0] + edge, at[1] + room - 1), COLOURS["card"])
        draw.line((at[0], at[1] + edge, at[0] + room - 1, at[1] + edge), COLOURS["card"])
    for place in [] if scale is None else np.flatnonzero(scale.verdicts == CORRECTED):
        row, column = divmod(int(place), side)
        x, y, right, low = edges[column], edges[row], edges[column + 1], edges[row + 1]
        draw.line((at[0] + x, at[1] + low, at[0] + right, at[1] + y), COLOURS["card"])


def _legend(draw: ImageDraw.ImageDraw, moment: Moment) -> None:
    present = {int(code) for scale in moment.scales if scale is not None for code in np.unique(scale.verdicts)}
    x, y = MARGIN, TOP + PICTURE + 14
    for code in [code for code in LEGEND if code in present]:
        draw.rectangle((x, y, x + 9, y + 9), rgb(COLOURS[VERDICTS[code]]))
        draw.text((x + 15, y + 5), LEGEND[code], COLOURS["muted"], letters(10), anchor="lm")
        x += 15 + round(draw.textlength(LEGEND[code], letters(10))) + 14


def _narration(draw: ImageDraw.ImageDraw, text: str) -> None:
    font, lines = letters(13), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if draw.textlength(longer, font) <= WIDTH - 2 * MARGIN:
            lines[-1] = longer
        else:
            lines.append(word)
    for number, line in enumerate(lines[:2]):
        draw.text((MARGIN, TOP + PICTURE + 36 + 18 * number), line, COLOURS["ink"], font)
