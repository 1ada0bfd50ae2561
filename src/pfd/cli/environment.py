"""``pfd env``: the environments of model families, labelers and engines, listed, built and removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pfd.cli.wide_table import show_table
from pfd.environments.build import Source, create, download, remove
from pfd.environments.environment import Environment, environments_home, outdated
from pfd.errors import MissingError, SettingError
from pfd.models.training import make_family
from pfd.plugins import FAMILIES, LABELERS, load_plugin, missing_modules, plugin_names, unknown_name
from pfd.wording import shell_word
from pfd.workflow.argo import client as argo


@dataclass(frozen=True)
class Tenant:
    """A family, labeler or engine, as far as environments go.

    Attributes:
        kind: ``family``, ``labeler`` or ``engine``.
        name: its registered name.
        packages: its pip requirements; none if it needs no environment of its own.
        modules: importable names that tell whether they are there.
    """

    kind: str
    name: str
    packages: tuple[str, ...]
    modules: tuple[str, ...]

    @property
    def environment(self) -> Environment:
        """Its environment, built or not."""
        return Environment(self.name, self.packages)


def tenants() -> list[Tenant]:
    """All families, and the labelers and engines that have packages."""
    families = [make_family(name) for name in plugin_names(FAMILIES)]
    labelers = [load_plugin(LABELERS, name) for name in plugin_names(LABELERS)]
    return [
        *(Tenant("family", family.name, family.packages, family.modules) for family in families),
        *(
            Tenant("labeler", labeler.name, labeler.packages, labeler.modules)
            for labeler in labelers
            if labeler.packages
        ),
        Tenant("engine", argo.NAME, argo.PACKAGES, argo.MODULES),
    ]


def show_environments(as_json: bool) -> None:
    """Print which families and labelers have an environment of their own, and which families need none."""
    rows = [_row(tenant) for tenant in tenants()]
    old = [str(path) for path in outdated([tenant.environment for tenant in tenants()])]
    if as_json:
        of_kind = {plural: [row for row in rows if kind in row] for kind, plural in _PLURALS.items()}
        print(json.dumps({"home": str(environments_home()), **of_kind, "outdated": old}, indent=1))
        return
    table = Table(title=f"Environments in {environments_home()}")
    for column in ("family, labeler or engine", "own environment", "installed here", "packages"):
        table.add_column(column)
    for row in rows:
        name = next(row[kind] for kind in _PLURALS if kind in row)
        shown = (name, row["state"], row["here"], row["packages"])
        table.add_row(*(cell.replace("[", "\\[") for cell in shown))
    show_table(table)
    for path in old:
        removes = f"pfd env remove {shell_word(Path(path).name)}"
        print(f"of another pfd, Python or plug-in: {path}  (if nothing uses it: {removes})")


_PLURALS = {"family": "families", "labeler": "labelers", "engine": "engines"}


def _row(tenant: Tenant) -> dict[str, str]:
    return {
        tenant.kind: tenant.name,
        "state": tenant.environment.state() if tenant.packages else "needs none",
        "here": "no" if missing_modules(tenant.modules) else "yes",
        "packages": " ".join(tenant.packages),
        "path": str(tenant.environment.path),
    }


def create_environment(name: str, wheelhouse: Path | None, index_url: str | None, anew: bool) -> None:
    """Build the environment of a family or labeler, or go on with a build that was interrupted.

    Raises:
        SettingError: if there is none of that name, or it needs no packages.
        TaskFailed: if pip fails.
    """
    tenant = _tenant(name)
    environment = tenant.environment
    if environment.state() == "built" and not anew:
        print(f"{environment.path} is there already; pfd doctor {name} tests it, --anew builds it again")
        return
    with _told(f"environment of {name}") as say:
        create(environment, tenant.modules, Source(wheelhouse, index_url), say, anew=anew)
    print(f"{environment.path}: built, {_size(environment.path)}; {name} runs there from now on")


def fill_wheelhouse(name: str, folder: Path, index_url: str | None) -> None:
    """Download the wheels of an environment, for ``create --wheelhouse`` elsewhere."""
    environment = _tenant(name).environment
    folder.mkdir(parents=True, exist_ok=True)
    with _told(f"wheels of {name}") as say:
        download(environment, folder, Source(None, index_url), say)
    print(f"{folder}: {len(list(folder.iterdir()))} files, {_size(folder)}")


def remove_environment(name: str) -> None:
    """Remove the environment of a family or labeler, or a folder that ``pfd env list`` says is of another pfd.

    Raises:
        MissingError: if there is none.
    """
    old = {path.name: path for path in outdated([tenant.environment for tenant in tenants()])}
    path = old[name] if name in old else _tenant(name).environment.path
    if not path.exists():
        raise MissingError(f"{name!r} has no environment of its own", hint="pfd env list shows those there are")
    size = _size(path)
    remove(path)
    print(f"{path}: removed, {size}")


def show_path(name: str) -> None:
    """Print the folder of an environment, for scripts.

    Raises:
        MissingError: if it has not been built.
    """
    environment = _tenant(name).environment
    if environment.state() != "built":
        what = f"the environment of {name!r} is {environment.state()}"
        raise MissingError(what, hint=f"pfd env create {name}")
    print(environment.path)


def _tenant(name: str) -> Tenant:
    known = {tenant.name: tenant for tenant in reversed(tenants())}  # a family goes before a labeler of its name
    if name not in known:
        if name not in plugin_names(LABELERS):
            having = [each.name for each in known.values() if each.packages]
            raise unknown_name(name, "families, labelers and engines that have an environment", having)
        raise SettingError(f"the labeler {name!r} needs no packages, and so no environment of its own")
    if not known[name].packages:
        raise SettingError(f"the family {name!r} needs no packages, and so no environment of its own")
    return known[name]


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
