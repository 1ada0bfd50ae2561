"""``python -m pfd.environments.probe MODULE ...``: what an interpreter has, as a line of JSON; nothing is imported."""

from __future__ import annotations

import importlib.util
import json
import platform
import socket
import sys


def main(arguments: list[str]) -> int:
    """Print which of the modules are missing; with ``--cuda``, whether torch sees a CUDA device (torch is imported)."""
    modules = [name for name in arguments if not name.startswith("-")]
    found: dict[str, object] = {
        "missing": [name for name in modules if importlib.util.find_spec(name) is None],
        "python": platform.python_version(),
        "host": socket.gethostname(),
    }
    if "--cuda" in arguments and not found["missing"]:
        import torch

        found["cuda"] = bool(torch.cuda.is_available())
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
