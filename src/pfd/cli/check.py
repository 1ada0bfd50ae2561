"""``pfd check``: the mistakes of an input, and if there are none, what it would run."""

from __future__ import annotations

from pathlib import Path


def check_and_show(input_file: Path) -> None:
    """Check an input and print what was found in the user's sets, and the plan."""
    from pfd.config.check import check_input
    from pfd.config.reading import read_input

    for brought in check_input(read_input(input_file), read_model=True):
        print("\n".join(brought.lines()))
    print(f"{input_file}: no mistake found")
