"""The reference of the commands in Markdown: what ``--help`` says of each, its arguments, options and example."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import typer

_BEGIN = """# Commands

What `pfd COMMAND --help` says, of each. This page is what `pfd schema --commands` prints: do not edit it. How runs are
started, watched and ended, with all exit codes: [running.md](running.md).
"""
_TYPES = {"Path": "FILE", "int": "N", "float": "NUMBER"}
"""Types of options -> what stands for their values; text if none of these."""


def command_reference() -> str:
    """The reference as one Markdown text, panel by panel of the help."""
    from pfd.cli.main import app

    program: Any = typer.main.get_command(app)
    lines = [_BEGIN]
    for panel in dict.fromkeys(command.rich_help_panel for command in program.commands.values()):
        lines.append(f"## {panel}\n")
        for name, command in program.commands.items():
            if command.rich_help_panel == panel:
                lines += _commands(f"pfd {name}", command)
    return "\n".join(lines).rstrip("\n") + "\n"


def _commands(path: str, command: Any) -> Iterator[str]:
    """The sections of a command, or of those of a group; what stands for a hidden one is the group itself."""
    below = getattr(command, "commands", {})
    for name, each in below.items():
        yield from _section(path if each.hidden else f"{path} {name}", each)
    if not below:
        yield from _section(path, command)


def _section(path: str, command: Any) -> Iterator[str]:
    told, _, example = (command.help or "").partition("Example: ")
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join([path, *(["[OPTIONS]"] if options else []), *(_word(each) for each in arguments)])
    yield f"### `{path}`\n\n{told.strip()}\n"
    yield f"```text\n{usage}\n```\n"
    if example:
        yield "Example:\n"
        yield from (f"    {line}" for line in example.strip().split("; "))
        yield ""
    yield from (f"- `{_bare(each)}`: {_meaning(each)}" for each in arguments)
    types = get_type_hints(command.callback)
    yield from (f"- {_names(each, types.get(each.name))}: {_meaning(each)}" for each in options)
    yield ""


def _bare(argument: Any) -> str:
    """An argument's name, or the words that stand for it."""
    return str(argument.metavar or argument.name.upper())


def _word(argument: Any) -> str:
    """An argument in the line of usage; metavars that hold brackets or dots say it all themselves."""
    bare = _bare(argument)
    if re.search(r"[\[.]", bare):
        return bare
    more = f"{bare}..." if argument.nargs == -1 else bare
    return more if argument.required else f"[{more}]"


def _names(option: Any, kind: Any) -> str:
    """How an option is written, with what it takes.

    Args:
        option: as typer made it.
        kind: the annotation of its parameter.
    """
    takes = "" if bool in {kind, *get_args(kind)} else f" {option.metavar or _value(kind)}"
    return ", ".join(f"`{name}{takes}`" for name in option.opts)


def _value(kind: Any) -> str:
    """What stands for an option's value: of a list or an optional one, that of what is in it."""
    inside = [each for each in get_args(kind) if each is not type(None)]
    if get_origin(kind) is tuple:
        return " ".join(_value(each) for each in inside)
    return _value(inside[0]) if inside else _TYPES.get(getattr(kind, "__name__", ""), "TEXT")


def _meaning(parameter: Any) -> str:
    told = str(parameter.help or "").strip()
    if parameter.required and parameter.param_type_name == "option":
        return f"{told.removesuffix('.')} (required)."
    default = parameter.default
    plain = isinstance(default, str | int | float) and not isinstance(default, bool)
    if parameter.required or not (plain or hasattr(default, "parts")) or str(default) in told:
        return told
    return f"{told.removesuffix('.')} (default `{default}`)."
