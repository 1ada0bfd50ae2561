"""``python -m pfd.models.deepmd.command``: deepmd-kit's own commands, one after another, in a process of their own."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence


def run(commands: Sequence[Sequence[str]]) -> None:
    """Run ``dp`` with the arguments of each command."""
    if any("--pt" in arguments for arguments in commands):
        from pfd.models.deepmd.package import load_backend

        load_backend("cpu" if _cpu() else "cuda")
    from deepmd.main import main

    for arguments in commands:
        main(list(arguments))


def _cpu() -> bool:
    import os

    return os.environ.get("DEVICE") == "cpu"


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
