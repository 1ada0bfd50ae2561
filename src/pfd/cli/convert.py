"""``pfd convert``: an input of PFD-kit 0.10 as one of today's; and what is told where one is submitted as it is."""

from __future__ import annotations

from pathlib import Path

import typer

from pfd.cli.out_file import require_new
from pfd.config.reading import ResolvedInput
from pfd.wording import shell_word


def convert_file(old: Path, out: Path | None) -> None:
    """Write the converted input, or print it; what has no effect is told on standard error.

    Args:
        old: the older input.
        out: a new file; its relative paths start at its own folder.

    Raises:
        SettingError: if the file is no older input, or cannot be converted, or the other one is there already.
    """
    from pfd.config.commented import commented_yaml
    from pfd.config.older.convert import convert, head_of, moved
    from pfd.config.older.recognise import is_older
    from pfd.config.yaml_file import parse
    from pfd.errors import SettingError

    if out is not None:
        require_new(out, "--out")
    content = parse(old)
    if not is_older(content):
        hint = "pfd check tells whether it is an input of today's"
        raise SettingError("this is no input of PFD-kit 0.10", where=str(old), hint=hint)
    converted = convert(content, old.resolve().parent, str(old))
    for note in converted.notes:
        typer.echo(note, err=True)
    target = old.resolve().parent if out is None else out.resolve().parent
    written = moved(converted.content, old.resolve().parent, target)
    text = commented_yaml(written, converted.comments, head_of(old.name, converted))
    if out is None:
        typer.echo(text, nl=False)
        return
    with out.open("x", encoding="utf-8") as stream:
        stream.write(text)
    typer.echo(f"{out} is written: pfd check {shell_word(out)}", err=True)


def say_older(resolved: ResolvedInput) -> None:
    """Tell that an input was converted, and what of it has no effect."""
    if not resolved.older:
        return
    typer.echo(f"{resolved.file}: an input of PFD-kit 0.10; pfd convert shows what it became", err=True)
    for note in resolved.notes:
        typer.echo(f"  {note}", err=True)
