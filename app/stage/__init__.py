"""The stage: one gr.HTML component that draws everything that moves, from frames, on canvas."""

from app.stage.component import build_stage

__all__ = ["build_stage"]
