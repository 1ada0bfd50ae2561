"""``python -m pfd.models.card JSON``: a checkpoint's card, or why there is none, as the last line of output."""

from __future__ import annotations

import json
import sys
from typing import Any

from pfd.errors import ModelError, PFDError, error_content
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
        answer = {"error": error_content(error)}
    except Exception as error:
        what = f"cannot be read ({type(error).__name__}: {error})"
        answer = {"error": error_content(ModelError(what, where=asked["source"], hint="is it a model of this family?"))}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
