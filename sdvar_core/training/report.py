"""What stands beside the weights of every checkpoint: its evaluation and the curves of its training."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdvar_core.training.loop import LoopSettings, read_history
from sdvar_core.training.sheets import loss_curves


def write_report(
    evaluation: dict[str, Any], settings: LoopSettings, panels: Sequence[Sequence[str]], title: str, output: Path
) -> dict[str, Any]:
    """Writes evaluation.json and curves.png into the folder ``output``; returns what stands in the first.

    The minutes and steps of the training of ``settings`` are added, and its curves drawn, where it left a history.
    ``panels`` are groups of names of that history, as in ``loss_curves``.
    """
    history = read_history(settings.history)
    if history:
        evaluation = evaluation | {"minutes": history[-1]["minutes"], "steps": history[-1]["step"]}
        loss_curves(history, panels, title, output / "curves.png")
    (output / "evaluation.json").write_text(json.dumps(evaluation, indent=2) + "\n", encoding="utf-8")
    return evaluation
