"""Contact sheets and loss curves: what a person looks at to judge a training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def contact_sheet(
    pictures: np.ndarray, columns: int, path: Path, row_names: Sequence[str] = (), cell: int | None = None
) -> None:
    """Writes uint8 pictures (count, height, width, 3) in rows of ``columns``, names at the left, as PNG or JPEG.

    ``cell`` is the width of a picture on the sheet in pixels (None: its own).
    """
    height, width = pictures.shape[1:3]
    shown_width = width if cell is None else cell
    shown_height = round(height * shown_width / width)
    margin, gap = (96 if row_names else 0), 2
    rows = -(-len(pictures) // columns)
    size = (margin + columns * (shown_width + gap) - gap, rows * (shown_height + gap) - gap)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=12)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        image = Image.fromarray(picture)
        if cell is not None:
            image = image.resize((shown_width, shown_height), Image.Resampling.LANCZOS)
        sheet.paste(image, (margin + column * (shown_width + gap), row * (shown_height + gap)))
    for row, name in enumerate(row_names):
        middle = row * (shown_height + gap) + shown_height // 2
        draw.text((4, middle), name, fill="black", font=font, anchor="lm")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True, quality=90)


def loss_curves(history: Sequence[dict[str, float]], panels: Sequence[Sequence[str]], title: str, path: Path) -> None:
    """Draws the named numbers of a history against minutes of training, one panel a group, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(panels), figsize=(5 * len(panels), 3.2), squeeze=False)
    for axis, names in zip(axes[0], panels):
        for name in names:
            rows = [row for row in history if name in row]
            axis.plot([row["minutes"] for row in rows], [row[name] for row in rows], label=name, linewidth=1.2)
        axis.set_xlabel("minutes of training")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.suptitle(title)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
