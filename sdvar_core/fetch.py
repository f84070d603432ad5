"""Getting official models: ``python -m sdvar_core.fetch`` lists the pairs, with a name it downloads and converts one.

It goes on where an interrupted download stopped, and does nothing for what is here already.
"""

import argparse
import sys
from collections.abc import Sequence

from sdvar_core.command_line import tell
from sdvar_core.errors import SDVARError
from sdvar_core.footprint import needs
from sdvar_core.official.hub import check_disk, converted_folder, gigabytes
from sdvar_core.pairs import fetch_files
from sdvar_core.presets import PAIRS
from sdvar_core.tables import table


def listing() -> str:
    """All pairs, with what each needs."""
    rows = []
    for name, preset in PAIRS.items():
        whole, half = needs(name), needs(name, "bfloat16")
        sizes = [gigabytes(size) if size else "–" for size in (whole.download, whole.disk, whole.memory, half.memory)]
        rows.append([name, *sizes, preset.sentence])
    return table(["pair", "to download", "disk", "memory, float32", "memory, bfloat16", "what it is"], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Lists, or fetches."""
    parser = argparse.ArgumentParser(description="List the pairs of models, or download and convert one.")
    parser.add_argument("pair", nargs="?", help="a name from the list")
    options = parser.parse_args(arguments)
    if options.pair is None:
        sys.stdout.write(listing() + "\n")
        return
    try:
        wanted = needs(options.pair)
        check_disk(f"{options.pair} with its conversion", wanted.still_to_write, converted_folder())
        sizes = f"{gigabytes(wanted.download)} to download, {gigabytes(wanted.disk)} of disk in all"
        sys.stdout.write(f"{options.pair}: {sizes}.\n")
        for folder in fetch_files(options.pair, tell):
            sys.stdout.write(f"{folder}\n")
    except SDVARError as error:
        raise SystemExit(f"\n{error}") from None  # below what was told of progress
    except KeyboardInterrupt:
        raise SystemExit("\nStopped. Ask again: it goes on where it stopped.") from None


if __name__ == "__main__":
    main()
