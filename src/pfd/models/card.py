"""``python -m pfd.models.card JSON``: a checkpoint's card, or why there is none, as the last line of output."""

from __future__ import annotations

import json
import sys
from typing import Any

from pfd.errors import PFDError
from pfd.models.environment import read_card
from pfd.models.training import make_family


def main(argument: str) -> int:
    """Read the card of ``{"family", "source", "head", "trust_file"}``."""
    asked = json.loads(argument)
    answer: dict[str, Any]
    try:
        card = read_card(make_family(asked["family"]), asked["source"], asked["head"], asked["trust_file"])
        answer = {"card": card.model_dump(mode="json")}
    except PFDError as error:
        answer = {"kind": type(error).__name__, "what": error.what, "where": error.where, "hint": error.hint}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
