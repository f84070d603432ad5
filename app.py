"""Start the page: ``python app.py``. A Hugging Face Space runs this file too."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import sys
import threading

from app.page import build_page, launch_options
from sdvar_core import SDVARError, load_pair

PAIR = "tiny-worlds"


def main() -> None:
    """Build the page, warm the models in the background, and serve."""
    try:
        page = build_page(lambda: load_pair(PAIR))
    except SDVARError as error:
        sys.exit(f"SDVAR cannot start: {error}")
    threading.Thread(target=page.visits.warm_up, daemon=True).start()
    page.launch(**launch_options(PAIR))


if __name__ == "__main__":
    main()
