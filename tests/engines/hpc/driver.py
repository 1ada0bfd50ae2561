"""A driver in a process of its own, to be killed: ``python driver.py RUN`` runs all of its label tasks on Slurm."""

from __future__ import annotations

import sys
from pathlib import Path

from pfd.engines.hpc.cluster import Cluster
from pfd.engines.hpc.engine import HpcEngine
from pfd.engines.hpc.shared_files import SharedFiles
from pfd.environments.launch import HERE
from pfd.schedulers.settings import ClusterSettings
from pfd.workflow.run_folder import task_folders

run = Path(sys.argv[1])
engine = HpcEngine(run, Cluster(ClusterSettings(scheduler="slurm"), run), SharedFiles(), 3, lambda _: HERE)
try:
    sys.exit(len(engine.run(list(task_folders(run)), lambda progress: None)))
except KeyboardInterrupt:
    sys.exit(130)
