"""Start the page: ``python app.py``. A Hugging Face Space runs this file too."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import argparse
import sys
import threading
from pathlib import Path

from app.page import build_page, launch_options
from sdvar_core import PAIRS, SDVARError, load_pair

PAIR = "tiny-worlds"
PARTS = ("draft", "target", "tokenizer")


def main() -> None:
    """Build the page, warm the models in the background, and serve."""
    options = _parse()
    parts = {part: getattr(options, part) for part in PARTS}
    try:
        page = build_page(lambda: load_pair(options.pair, options.device, **parts))
    except SDVARError as error:
        sys.exit(f"SDVAR cannot start: {error}")
    threading.Thread(target=page.visits.warm_up, daemon=True).start()
    page.launch(**launch_options(options.pair))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The page. For official files: python -m sdvar_core.fetch first.")
    parser.add_argument("--pair", choices=sorted(PAIRS), default=PAIR)
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda, cuda:1, mps")
    for part in PARTS:
        parser.add_argument(f"--{part}", type=Path, help=f"folder or official file, instead of the pair's {part}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
