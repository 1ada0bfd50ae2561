"""A command on a model whose family lives in an environment of its own is run again there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pfd.environments.launch import HERE, EnvironmentSettings
from pfd.models.environment import launch_for
from pfd.models.family import read_model
from pfd.models.training import make_family

THERE_VARIABLE = "PFD_IN_ENVIRONMENT_OF"
"""Set to the family's name in the process that is started there."""


def run_where_it_lives(folder: Path, run: Path | None = None) -> None:
    """Run the present command line in the environment of a model's family, and end as it ends.

    Returns if that is this environment.

    Args:
        folder: the model.
        run: the run folder whose input may say where its families live.

    Raises:
        MissingError: if the family's packages are nowhere.
    """
    family = make_family(read_model(folder).card.family)
    if os.environ.get(THERE_VARIABLE) == family.name:
        return
    launch = launch_for(family, _told(run) if run is not None else {})
    if launch == HERE:
        return
    command = [*launch.command, "-P", "-m", "pfd.cli.main", *sys.argv[1:]]
    done = subprocess.run(command, env=launch.environ() | {THERE_VARIABLE: family.name}, check=False)
    sys.exit(done.returncode)


def _told(run: Path) -> dict[str, EnvironmentSettings]:
    """The section ``environments`` of a run's last input."""
    import yaml

    inputs = sorted(run.glob("resolved-*.yaml"))
    content = yaml.safe_load(inputs[-1].read_text(encoding="utf-8")) if inputs else {}
    return {name: EnvironmentSettings.model_validate(each) for name, each in content.get("environments", {}).items()}
