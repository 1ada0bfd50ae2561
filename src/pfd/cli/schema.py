"""``pfd schema``: every key of the input file, and every command, for editors and for people."""

from __future__ import annotations

import json

from pfd.errors import SettingError


def show_schema(markdown: bool, commands: bool) -> None:
    """Print the JSON schema, or a reference that people read.

    Raises:
        SettingError: if both references are asked for.
    """
    if markdown and commands:
        raise SettingError("two pages are asked for", where="--commands", hint="leave out --markdown or --commands")
    if commands:
        from pfd.cli.reference import command_reference

        print(command_reference(), end="")
        return
    if markdown:
        from pfd.config.reference import input_reference

        print(input_reference(), end="")
        return
    from pfd.config.schema import input_schema

    print(json.dumps(input_schema(), indent=1, ensure_ascii=False))
