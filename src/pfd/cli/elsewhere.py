"""A command on a model whose family lives in an environment of its own is run again there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pfd.config.environment import told_by_run
from pfd.environments.launch import HERE
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
    launch = launch_for(family, told_by_run(run) if run is not None else {})
    if launch == HERE:
        return
    there = {THERE_VARIABLE: family.name}
    command = launch.command("-P", "-m", "pfd", *sys.argv[1:], **there)
    done = subprocess.run(command, env=launch.environ(**there), check=False)
    sys.exit(done.returncode)
