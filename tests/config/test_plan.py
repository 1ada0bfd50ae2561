"""The plan of an input counts as the workflow does."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import yaml
from ase.build import bulk
from tests.config.test_bad_input import GOOD

from pfd.config.exploration_check import starting_frames
from pfd.config.plan import plan_input
from pfd.config.reading import read_input
from pfd.explore.md import run_md
from pfd.explore.plan import plan_trajectories
from pfd.explore.random_search import RandomSettings
from pfd.explore.rattle import RattleSettings
from pfd.explore.relax import RelaxSettings
from pfd.explore.settings import MDSettings
from pfd.frames import write_frames
from pfd.tasks.folder import Artifact
from pfd.testing.toy_family import ToyFamily
from pfd.workflow.exploration import Exploration

MD = {"method": "md", "temperatures_K": [300, 600], "timestep_fs": 2.0, "steps": 60, "every": 10}


@pytest.fixture
def planned(tmp_path):
    """Write and read an input with some edits; its plan, and its resolved tree."""

    def plan(pools=None, **sections):
        tree = copy.deepcopy(GOOD)
        for name, values in sections.items():
            tree[name] = tree.get(name, {}) | values if isinstance(values, dict) else values
        write_frames(tmp_path / "Cu.extxyz", [bulk("Cu", cubic=True), bulk("Cu", cubic=True, a=3.7)])
        path = tmp_path / "input.yaml"
        path.write_text(yaml.safe_dump(tree))
        resolved = read_input(path)
        frames = starting_frames(resolved)
        write_frames(tmp_path / "frames.extxyz", frames)
        return plan_input(resolved, [frame.info["parent"] for frame in frames], pools or {}), resolved

    return plan


def asked_by_the_workflow(resolved, loop, structures):
    """How many test frames the workflow asks of each trajectory."""
    settings = getattr(resolved.input, loop)
    explorer = Exploration(None, SimpleNamespace(settings=settings, resolved=resolved), Artifact.of(structures))
    count = len(starting_frames(resolved))
    for stage, groups in enumerate(settings.explore):
        entries = [entry.model_dump(mode="json") for entry in plan_trajectories(groups, count)]
        explorer._plans[stage] = [entry for entry in entries if not entry["pool"]]
    return explorer


@pytest.mark.parametrize("wanted", [1, 2, 3, 4, 5])
def test_as_many_test_frames_are_asked_for_as_the_workflow_asks(planned, tmp_path, wanted):
    random = {"method": "random", "formulas": ["Cu4", "Cu6", "Cu8"], "replicas": 2}
    stages = [[MD, random], [MD | {"structures": [0, 1]}, {"method": "pool", "file": "pool.extxyz"}]]
    structures = [{"file": "Cu.extxyz", "supercell": [2, 2, 2], "perturb": {"count": 2}}]
    plans, resolved = planned(
        structures=structures, finetune={"explore": stages}, evaluate={"test_frames": wanted, "speed_atoms": 0}
    )
    explorer = asked_by_the_workflow(resolved, "finetune", tmp_path / "frames.extxyz")
    assert plans[0].asked == explorer.test_frames()
    runs = [sum(group.runs for group in stage if group.starts) for stage in plans[0].stages]
    assert runs == [len(explorer.plan(0)), len(explorer.plan(1))]


def test_a_condition_has_no_more_test_frames_than_its_runs_give(planned):
    plans, _ = planned(finetune={"explore": MD}, evaluate={"test_frames": 40})
    (group,) = plans[0].stages[0]
    assert (group.sources, group.asked, group.frames, group.possible) == (2, 40, 5, 10)
    assert (plans[0].asked, plans[0].test_frames) == (80, 20)


def test_labels_are_those_of_all_iterations_and_stages_and_the_test_set(planned):
    finetune = {"explore": [[MD], [MD]], "select": {"max_frames": 8}, "max_iterations": 2, "initial": "label"}
    plans, _ = planned(finetune=finetune, evaluate={"test_frames": 2})
    assert plans[0].initial == 2
    assert plans[0].labels == 2 + 2 * 2 * 2 + 2 * 2 * 8
    plans, _ = planned(finetune=finetune | {"label": {"method": "toy", "max_total": 30}}, evaluate={"test_frames": 2})
    assert (plans[0].labels, plans[0].wanted) == (30, 42)
    assert plans[1].max_total is None


def test_no_more_is_chosen_than_is_explored(planned):
    finetune = {"explore": MD, "select": {"max_frames": 100}, "max_iterations": 1}
    plans, _ = planned(finetune=finetune)
    assert plans[0].per_iteration(0) == 2 * 2 * 5
    assert plans[1].per_iteration(0) == 120  # the default of distillation: fine-tuning's trajectories too


def test_pools_are_counted_as_they_are_divided(planned):
    pools = {"finetune.explore.file": (8, 2)}
    plans, _ = planned(
        pools, finetune={"explore": {"method": "pool", "file": "pool.extxyz"}}, evaluate={"test_frames": 4}
    )
    assert (plans[0].asked, plans[0].test_frames, plans[0].per_iteration(0)) == (4, 2, 4)
    plans, _ = planned(
        pools,
        finetune={"explore": {"method": "pool", "file": "pool.extxyz"}, "select": {"max_frames": 30}},
    )
    assert plans[0].per_iteration(0) == 8


def test_runs_of_the_wider_grid_are_for_training_only(planned):
    plans, _ = planned(distill={"explore": MD, "hotter": 1.5})
    assert plans[1].stages[0][0].warmer == 4
    plans, _ = planned(distill={"explore": MD, "hotter": 1.0})
    assert plans[1].stages[0][0].warmer == 0


@pytest.mark.parametrize(("steps", "every", "equilibrate"), [(60, 10, None), (50, 10, 0), (33, 7, 10), (20, 10, 9)])
def test_a_run_of_md_gives_as_many_frames_as_are_counted(tmp_path, steps, every, equilibrate):
    ToyFamily().adopt("soft-copper", None, tmp_path)
    settings = MDSettings(
        temperatures_K=(300,), steps=steps, every=every, equilibrate_steps=equilibrate, timestep_fs=2.0
    )
    frame = bulk("Cu", cubic=True).repeat(2)
    calculator = ToyFamily().calculator(tmp_path)
    trajectory = run_md(frame, calculator, settings, temperature_K=300.0, pressure_GPa=None, seed=1, name="x")
    assert len(trajectory.frames) == settings.most_frames


def test_other_methods_give_what_their_settings_say():
    assert RattleSettings(temperatures_K=(300,), frames=7).most_frames == 7
    assert [RelaxSettings(steps=steps, every=10).most_frames for steps in (0, 20, 25)] == [1, 2, 3]
    assert [RandomSettings(formulas=("Cu4",), steps=steps, every=10).most_frames for steps in (0, 60)] == [1, 7]
