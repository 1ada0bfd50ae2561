"""Which run a command is about: the folder, the input file that it was made from, or what lies where one stands."""

from __future__ import annotations

from pathlib import Path

from pfd.api import run_folder_of
from pfd.config.given import name_given
from pfd.errors import RunError
from pfd.workflow.run_folder import NAME_FILE


def find_run(given: Path | None) -> Path:
    """The run folder to look at.

    Args:
        given: a run folder, an input file (its run is where submit would put it), or None: the current folder if it is
            a run, else the only run in it.

    Raises:
        RunError: if there is no run, or more than one to choose from.
        SettingError: if the input file cannot be read.
    """
    if given is None:
        return _run_here(Path())
    found = _run_of(given) if given.is_file() else given
    if not holds_run(found):
        hint = "give the folder that pfd submit made" if found == given else f"pfd submit {given} makes it"
        raise RunError("no run in this folder", where=str(found), hint=hint)
    return found


def input_and_run(given: Path, run: Path | None) -> tuple[Path, Path | None]:
    """The input file and the run folder that ``pfd submit`` is to use.

    Args:
        given: an input file, or the folder of a run that is to be gone on with.
        run: the run folder, if one was named.

    Raises:
        RunError: if a folder was given that holds no run.
    """
    if not given.is_dir():
        return given, run
    kept = given / "input.yaml"
    if not holds_run(given) or not kept.is_file():
        raise RunError("no run in this folder", where=str(given), hint="give an input file, or the folder of a run")
    return kept, run or given


def holds_run(folder: Path) -> bool:
    """Whether a folder is a run."""
    return (folder / NAME_FILE).is_file()


def _run_here(here: Path) -> Path:
    if holds_run(here):
        return here
    runs = sorted(child for child in here.iterdir() if child.is_dir() and holds_run(child))
    if len(runs) == 1:
        return runs[0]
    where = str(here.resolve())
    if not runs:
        raise RunError("no run here", where=where, hint="name the folder that pfd submit made")
    raise RunError(f"{len(runs)} runs here: {', '.join(map(str, runs))}", where=where, hint="name one of them")


def _run_of(input_file: Path) -> Path:
    """Where submit would put the run of an input file: beside it if that folder is a run, else ./NAME."""
    name = name_given(input_file)
    if not isinstance(name, str) or not name:
        raise RunError("this input has no name, and so no run", where=str(input_file), hint="name the run folder")
    return run_folder_of(input_file, name)
