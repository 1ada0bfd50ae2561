"""``pfd schema``: every key of the input file, for editors and for people."""

from __future__ import annotations

import json


def show_schema(markdown: bool) -> None:
    """Print the JSON schema, or the reference that people read."""
    if markdown:
        from pfd.config.reference import input_reference

        print(input_reference(), end="")
        return
    from pfd.config.schema import input_schema

    print(json.dumps(input_schema(), indent=1, ensure_ascii=False))
