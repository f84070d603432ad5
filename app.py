"""Start the page: ``python app.py``. A Hugging Face Space runs this file too."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import argparse
import sys
import threading
from pathlib import Path

from app.page import build_page, launch_options
from sdvar_core import PAIRS, Pair, SDVARError, load_pair, needs

PAIR = "tiny-worlds"
PARTS = ("draft", "target", "tokenizer")
OTHERS = 0 if "SPACE_ID" in os.environ else 1  # strangers shall not fill the disk and the memory of a Space


def main() -> None:
    """Build the page, warm the models in the background, and serve."""
    options = _parse()
    parts = {part: getattr(options, part) for part in PARTS}

    def load(name: str, device: str, precision: str = "auto") -> Pair:
        return load_pair(name, device, precision, **(parts if name == options.pair else {}))

    try:
        if not any(parts.values()) and needs(options.pair).still_to_write:
            sys.exit(f"{options.pair} is not here yet: python -m sdvar_core.fetch {options.pair}")
        page = build_page(lambda: load(options.pair, options.device), places=options.others, load=load)
    except SDVARError as error:
        sys.exit(f"SDVAR cannot start: {error}")
    threading.Thread(target=page.visits.warm_up, daemon=True).start()
    page.launch(**launch_options())


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The page. Visitors may choose other pairs of models under Models.")
    parser.add_argument("--pair", choices=sorted(PAIRS), default=PAIR, help="what the page opens with")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--others", type=int, default=OTHERS, metavar="N",
        help="so many other pairs stay in memory at once; 0: visitors keep to the first (the default on a Space)",
    )  # fmt: skip
    for part in PARTS:
        parser.add_argument(f"--{part}", type=Path, help=f"folder or official file, instead of the pair's {part}")
    options = parser.parse_args()
    if options.others < 0:
        parser.error(f"--others must be at least 0, found {options.others}.")
    return options


if __name__ == "__main__":
    main()
