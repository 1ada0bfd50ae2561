"""``pfd env``: the commands for environments of families and labelers (``environment`` does their work)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pfd.cli.completion import complete_environments
from pfd.cli.options import AsJson

environments = typer.Typer(
    no_args_is_help=True, help="Environments of model families that exclude each other, and of labelers."
)
FamilyName = Annotated[
    str,
    typer.Argument(
        help="Registered name of a family (pfd models lists them).",
        metavar="FAMILY",
        autocompletion=complete_environments,
    ),
]
IndexUrl = Annotated[
    str | None, typer.Option(help="An index besides pip's own, e.g. https://download.pytorch.org/whl/cpu.")
]


@environments.command("list")
def list_environments(as_json: AsJson = False) -> None:
    """Which families and labelers have an environment of their own, and what would be in it.

    Example: pfd env list
    """
    from pfd.cli.environment import show_environments

    show_environments(as_json)


@environments.command("create")
def create_environment(
    family: FamilyName,
    wheelhouse: Annotated[Path | None, typer.Option(help="Folder of wheels to take all packages from.")] = None,
    index_url: IndexUrl = None,
    anew: Annotated[bool, typer.Option("--anew", help="Remove it first if it is there.")] = False,
) -> None:
    """Build the environment of a family or labeler, which then runs there. An interrupted build goes on where it was.

    Example: pfd env create mace
    """
    from pfd.cli.environment import create_environment as create

    create(family, wheelhouse, index_url, anew)


@environments.command("wheels")
def fill_wheelhouse(
    family: FamilyName,
    folder: Annotated[Path, typer.Argument(help="Folder for the wheels.", metavar="DIR")],
    index_url: IndexUrl = None,
) -> None:
    """Download what create --wheelhouse needs on a machine without a network.

    Example: pfd env wheels mace wheels
    """
    from pfd.cli.environment import fill_wheelhouse as fill

    fill(family, folder, index_url)


@environments.command("remove")
def remove_environment(family: FamilyName) -> None:
    """Remove the environment of a family or labeler.

    Example: pfd env remove mace
    """
    from pfd.cli.environment import remove_environment as remove

    remove(family)


@environments.command("path")
def show_path(family: FamilyName) -> None:
    """Print the folder of the environment of a family or labeler.

    Example: $(pfd env path mace)/bin/python -c "import mace"
    """
    from pfd.cli.environment import show_path as show

    show(family)
