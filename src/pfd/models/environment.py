"""In which environment the models of a family run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pfd.environments.environment import Environment
from pfd.environments.launch import HERE, EnvironmentSettings, Launch, launch_of, probe
from pfd.errors import MissingError, TaskFailed, error_of
from pfd.models.family import Family, ModelCard
from pfd.plugins import install_command, missing_modules, require_modules

CARD_SECONDS = 600.0
"""Longest time that reading a card may take."""
OWN_MODULES = ("ase", "numpy", "pydantic")
"""Some of what pfd itself needs there."""
NONE_TOLD: Mapping[str, EnvironmentSettings] = {}


def environment_of(family: Family) -> Environment:
    """The environment that ``pfd env create`` builds for a family, built or not."""
    return Environment(family.name, family.packages)


def launch_for(family: Family, told: Mapping[str, EnvironmentSettings] = NONE_TOLD, where: str = "") -> Launch:
    """How tasks of a family are started.

    Args:
        family: the family.
        told: the input's ``environments``.
        where: how messages name what asked for the family.

    Raises:
        MissingError: if its packages are nowhere, with the command that mends it.
    """
    launch = launch_of(family.name, family.packages, family.modules, told.get(family.name))
    if launch is None:
        lacking = ", ".join(missing_modules(family.modules))
        what = f"the family {family.name!r} needs {lacking}, not installed in this environment"
        raise MissingError(what, where=where, hint=install_hint(family))
    return launch


def require_there(launch: Launch, family: Family, where: str = "") -> None:
    """Start an interpreter and refuse it if it lacks what the family needs.

    Raises:
        MissingError: naming what it lacks, or why it does not start.
    """
    missing = probe(launch, (*family.modules, *OWN_MODULES), where)["missing"]
    if missing:
        what = f"{launch.what} lacks {', '.join(missing)}, which the family {family.name!r} needs"
        raise MissingError(what, where=where, hint="install it there, or name another interpreter")


def torch_sees_cuda(launch: Launch) -> bool:
    """Whether the torch of another interpreter sees a CUDA device."""
    return bool(probe(launch, ("torch",), cuda=True).get("cuda", False))


def install_hint(family: Family) -> str:
    """The command that makes the family's packages available."""
    own = f"pfd env create {family.name}"
    if family.extra:
        return install_command(family.extra) + (f", or in an environment of its own: {own}" if family.packages else "")
    return own if family.packages else "install it"


def require_family(family: Family) -> None:
    """Refuse to go on if the family's packages are not installed in this very environment.

    Raises:
        MissingError: naming them, and the command that installs them or the interpreter that has them.
    """
    hint, environment = install_hint(family), environment_of(family)
    if family.packages and environment.state() == "built":
        hint = f"it is installed in an environment of its own: use {environment.python}"
    require_modules(family.modules, what=f"the family {family.name!r}", install=hint)


def card_elsewhere(
    launch: Launch, family: Family, source: str, head: str | None, trust_file: bool, folder: Path | None = None
) -> ModelCard:
    """What a model says of itself, read by another interpreter.

    Args:
        launch: how that interpreter is started.
        family: the model's.
        source: shipped weights, or the path of a checkpoint.
        head: of a multi-head model.
        trust_file: see ``Family.adopt``.
        folder: an existing empty folder that the model is adopted into; None leaves nothing.

    Raises:
        PFDError: what the other interpreter raised: ModelError if it cannot be adopted.
        TaskFailed: if the interpreter fails.
    """
    asked = json.dumps(
        {
            "family": family.name,
            "source": source,
            "head": head,
            "trust_file": trust_file,
            "folder": None if folder is None else str(folder.resolve()),
        }
    )
    command = launch.command("-P", "-m", "pfd.models.card", asked)
    try:
        done = subprocess.run(
            command, env=launch.environ(), capture_output=True, text=True, timeout=CARD_SECONDS, check=False
        )
        answer = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        what = f"the model is not read after {CARD_SECONDS:g} s"
        raise TaskFailed(what, where=launch.what, hint=f"pfd doctor {family.name}") from None
    except (IndexError, json.JSONDecodeError):
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise TaskFailed(
            f"cannot read the model: {last}", where=launch.what, hint=f"pfd doctor {family.name}"
        ) from None
    if "error" in answer:
        raise error_of(answer["error"])
    return ModelCard.model_validate(answer["card"])


def read_card(
    family: Family, source: str, head: str | None, trust_file: bool = False, launch: Launch = HERE
) -> ModelCard:
    """What a model that is not adopted yet says of itself.

    Raises:
        ModelError: if it cannot be adopted.
    """
    if launch != HERE:
        return card_elsewhere(launch, family, source, head, trust_file)
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="pfd-") as folder:
        return family.adopt(source, head, Path(folder), trust_file)
