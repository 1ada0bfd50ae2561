"""``pfd env``: the environments of model families, listed, built and removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pfd.environments.build import Source, create, download, remove
from pfd.environments.environment import Environment, environments_home, outdated
from pfd.errors import MissingError, SettingError
from pfd.models.environment import environment_of
from pfd.models.family import Family
from pfd.models.training import make_family
from pfd.plugins import FAMILIES, missing_modules, plugin_names


def show_environments(as_json: bool) -> None:
    """Print which families have an environment of their own, and which need none."""
    rows = [_row(make_family(name)) for name in plugin_names(FAMILIES)]
    old = [str(path) for path in outdated([environment_of(make_family(row["family"])) for row in rows])]
    if as_json:
        print(json.dumps({"home": str(environments_home()), "families": rows, "outdated": old}, indent=1))
        return
    table = Table(title=f"Environments in {environments_home()}")
    for column in ("family", "own environment", "installed here", "packages"):
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(row[key]).replace("[", "\\[") for key in ("family", "state", "here", "packages")))
    Console().print(table)
    for path in old:
        print(f"of another pfd, Python or plug-in: {path}  (if nothing uses it: pfd env remove {Path(path).name})")


def _row(family: Family) -> dict[str, str]:
    environment = environment_of(family)
    return {
        "family": family.name,
        "state": environment.state() if family.packages else "needs none",
        "here": "no" if missing_modules(family.modules) else "yes",
        "packages": " ".join(family.packages),
        "path": str(environment.path),
    }


def create_environment(name: str, wheelhouse: Path | None, index_url: str | None, anew: bool) -> None:
    """Build the environment of a family, or go on with a build that was interrupted.

    Raises:
        SettingError: if there is no such family, or it needs no packages.
        TaskFailed: if pip fails.
    """
    family, environment = _environment(name)
    if environment.state() == "built" and not anew:
        print(f"{environment.path} is there already; pfd doctor {name} tests it, --anew builds it again")
        return
    with _told(f"environment of {name}") as say:
        create(environment, family.modules, Source(wheelhouse, index_url), say, anew=anew)
    print(f"{environment.path}: built, {_size(environment.path)}; tasks of {name} run there from now on")


def fill_wheelhouse(name: str, folder: Path, index_url: str | None) -> None:
    """Download the wheels of a family's environment, for ``create --wheelhouse`` elsewhere."""
    _, environment = _environment(name)
    folder.mkdir(parents=True, exist_ok=True)
    with _told(f"wheels of {name}") as say:
        download(environment, folder, Source(None, index_url), say)
    print(f"{folder}: {len(list(folder.iterdir()))} files, {_size(folder)}")


def remove_environment(name: str) -> None:
    """Remove a family's environment, or a folder that ``pfd env list`` says is of another pfd.

    Raises:
        MissingError: if there is none.
    """
    old = {path.name: path for path in outdated([environment_of(make_family(n)) for n in plugin_names(FAMILIES)])}
    path = old[name] if name in old else _environment(name)[1].path
    if not path.exists():
        raise MissingError(f"{name!r} has no environment of its own", hint="pfd env list shows those there are")
    size = _size(path)
    remove(path)
    print(f"{path}: removed, {size}")


def show_path(name: str) -> None:
    """Print the folder of a family's environment, for scripts.

    Raises:
        MissingError: if it has not been built.
    """
    _, environment = _environment(name)
    if environment.state() != "built":
        what = f"the environment of {name!r} is {environment.state()}"
        raise MissingError(what, hint=f"pfd env create {name}")
    print(environment.path)


def _environment(name: str) -> tuple[Family, Environment]:
    family = make_family(name)
    if not family.packages:
        raise SettingError(f"the family {name!r} needs no packages, and so no environment of its own")
    return family, environment_of(family)


def _size(path: Path) -> str:
    total = sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
    free = shutil.disk_usage(path.parent).free
    return f"{total / 1e9:.1f} GB ({free / 1e9:.0f} GB free)"


@contextmanager
def _told(what: str) -> Iterator[Callable[[str], None]]:
    """A line that tells what pip is at, on a terminal; elsewhere only its larger steps."""
    console = Console(stderr=True)
    if not console.is_terminal:
        said: set[str] = set()

        def say(line: str) -> None:
            word = line.partition(" ")[0]
            if word in {"Installing", "making", "looking"} and line not in said:
                said.add(line)
                console.print(f"{what}: {line[:160]}", markup=False, highlight=False)

        yield say
        return
    with console.status(what) as status:
        yield lambda line: status.update(
            f"{what}: {line[: max(20, console.width - len(what) - 8)]}".replace("[", "\\[")
        )
