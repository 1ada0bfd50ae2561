"""A whole run with everything on a real Slurm: as a local one to the byte, also after kills of drivers and nodes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import yaml
from tests.workflow.kill_harness import check_runs_once, finish, finished_results, outcome, start_driver, wait_for_tasks

from pfd.json_file import read_json
from pfd.workflow.run_folder import task_folders

KILLS = int(os.environ.get("PFD_KILLS", "1"))
SEED = int(os.environ.get("PFD_KILL_SEED", "20261126"))
pytestmark = [pytest.mark.slurm, pytest.mark.slow]
EXAMPLE = Path(__file__).parents[2] / "examples" / "slurm"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The example for Slurm, made small, and what a run of the same on this machine leaves behind."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copyfile(EXAMPLE / "Cu.cif", folder / "Cu.cif")
    tree = yaml.safe_load((EXAMPLE / "input.yaml").read_text(encoding="utf-8"))
    del tree["distill"]
    tree["finetune"] |= {"max_iterations": 1, "select": {"max_frames": 4}}
    tree["evaluate"]["test_frames"] = 2
    (folder / "slurm.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    del tree["resources"]
    (folder / "local.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    code = finish(folder / "local.yaml", folder / "run")
    return folder / "slurm.yaml", code, outcome(folder / "run")


def test_a_run_on_slurm_is_as_a_local_one(slurm, undisturbed, tmp_path):
    path, code, expected = undisturbed
    run = tmp_path / "run"
    assert finish(path, run) == code
    check_runs_once(run)
    assert outcome(run) == expected
    jobs = {read_json(attempt / "claim.json")["job"] for folder in task_folders(run) for attempt in folder.attempts()}
    assert len(jobs) > 4  # light tasks ran in the driver
    before = finished_results(run)
    assert finish(path, run) == code
    assert finished_results(run) == before
    assert slurm.jobs() == []


@pytest.mark.parametrize("number", range(KILLS))
def test_kills_of_drivers_and_nodes_change_nothing(slurm, undisturbed, tmp_path, number):
    path, code, expected = undisturbed
    chance = random.Random(SEED + number)
    run, before = tmp_path / "run", {}
    total = len([each for each in expected["digests"] if not each.startswith(("data", "models"))])
    for _ in range(chance.choice((1, 2))):
        driver = start_driver(path, run)
        wait_for_tasks(run, driver, chance.randint(1, total))
        time.sleep(chance.uniform(0.0, 4.0))
        whom = chance.choice(("driver", "driver", "node", "both"))
        print(f"seed {SEED + number}: kill the {whom}")
        if whom != "node":
            driver.send_signal(signal.SIGKILL)
            driver.communicate()
        if whom != "driver":
            node = chance.choice(("cpu1", "cpu2"))
            slurm.lose_node(node)
            slurm.restore_node(node)
        if whom == "node":
            driver.send_signal(signal.SIGKILL)
            driver.communicate()
        now = finished_results(run) if run.is_dir() else {}
        assert {each: now[each] for each in before} == before
        before = now
    assert finish(path, run) == code
    after = finished_results(run)
    assert {each: after[each] for each in before} == before
    check_runs_once(run)
    assert outcome(run) == expected
    assert slurm.jobs() == []
