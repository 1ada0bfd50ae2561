"""``python -m pfd.models.card JSON``: a checkpoint's card, or why there is none, as the last line of output.

The model itself is left in a folder, if one is named.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pfd.errors import ModelError, PFDError, error_content
from pfd.models.environment import read_card
from pfd.models.training import adopt_model, make_family


def main(argument: str) -> int:
    """Read the card of ``{"family", "source", "head", "trust_file"}``, and adopt the model into ``folder`` if given."""
    asked = json.loads(argument)
    answer: dict[str, Any]
    try:
        family, source = make_family(asked["family"]), asked["source"]
        if asked.get("folder"):
            card = adopt_model(family, source, asked["head"], Path(asked["folder"]), asked["trust_file"]).card
        else:
            card = read_card(family, source, asked["head"], asked["trust_file"])
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
