"""Which run a command is about: the folder, the input file that it was made from, or what lies where one stands."""

from __future__ import annotations

from pathlib import Path

from pfd.api import run_folder_of
from pfd.config.given import name_given
from pfd.errors import RunError
from pfd.json_file import read_json
from pfd.wording import shell_word
from pfd.workflow.argo.submitted import workflow_of
from pfd.workflow.run_folder import NAME_FILE

LABELS_SUFFIX = ".labels"
"""Ends the name of the folder of ``pfd label``, which is a run, but seldom the one that is meant."""


def find_run(given: Path | None, identifier: str | None = None) -> Path:
    """The run folder to look at.

    Args:
        given: a run folder, an input file (its run is where submit would put it), or None: the current folder if it is
            a run, else the only run in it.
        identifier: which run, where an input has several: its folder, or the name of its workflow on Kubernetes.

    Raises:
        RunError: if there is no run, or more than one to choose from.
        SettingError: if the input file cannot be read.
    """
    if identifier is not None:
        assert given is not None
        return _identified(given, identifier)
    if given is None:
        return _run_here(Path())
    found = _run_of(given) if given.is_file() else given
    if not holds_run(found):
        hint = "give the folder that pfd submit made" if found == given else f"pfd submit {shell_word(given)} makes it"
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


def unknown_workflow(given: Path, identifier: str) -> bool:
    """Whether an input is given, and something that may be the name of a workflow that no run folder here knows."""
    if not given.is_file() or "/" in identifier or holds_run(Path(identifier)):
        return False
    return all(identifier not in _names_of(run) for run in _runs_of(given))


def _identified(given: Path, identifier: str) -> Path:
    """The run of an input, or the run folder itself, that goes by a name.

    Raises:
        RunError: if none does.
    """
    runs = _runs_of(given) if given.is_file() else [find_run(given)]
    named = Path(identifier)
    if holds_run(named) and not any(run.resolve() == named.resolve() for run in runs):
        if not given.is_file():
            raise RunError(f"another run than {given}", where=identifier, hint="name one of them")
        name = name_given(given)
        held = read_json(named / NAME_FILE)
        if not isinstance(held, dict) or held.get("name") != name:
            raise RunError(
                f"it holds no run of the input, which is named {name!r}", where=identifier, hint="name its run"
            )
        return named
    found = [run for run in runs if identifier in _names_of(run) or run.resolve() == named.resolve()]
    if found:
        return found[0]
    known = ", ".join(" or ".join(_names_of(run)) for run in runs)
    hint = f"there is {known}" if known else "give the run folder, or the name of its workflow on Kubernetes"
    raise RunError(f"no run {identifier!r} of {given}", where=str(Path.cwd()), hint=hint)


def _runs_of(input_file: Path) -> list[Path]:
    """The run folders of an input that are here: where submit would put it, and others of its name beside."""
    name = name_given(input_file)
    usual = [run_folder_of(input_file, name)] if isinstance(name, str) and name else []
    here = [child for child in sorted(Path().iterdir()) if child.is_dir()]
    held = {run: read_json(run / NAME_FILE) for run in (*usual, *here) if holds_run(run)}
    return [run for run, content in held.items() if isinstance(content, dict) and content.get("name") == name]


def _names_of(run: Path) -> list[str]:
    """What a run goes by: the name of its folder, and that of its workflow."""
    workflow = workflow_of(run)
    return [run.resolve().name, *([str(workflow["workflow"])] if workflow is not None else [])]


def _run_here(here: Path) -> Path:
    if holds_run(here):
        return here
    found = sorted(child for child in here.iterdir() if child.is_dir() and holds_run(child))
    runs = [child for child in found if child.suffix != LABELS_SUFFIX] or found
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
