"""The stages: gr.HTML components that draw everything that moves, from frames, on canvas."""

from app.stage.component import build_stage, build_tree_stage

__all__ = ["build_stage", "build_tree_stage"]
