"""Settings of exploration, and the plan made from them."""

from __future__ import annotations

from typing import Any

import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pfd.errors import SettingError
from pfd.explore import GroupSettings, MDSettings, PoolSettings, TrajectoryPlan, plan_trajectories

GROUP: TypeAdapter[Any] = TypeAdapter(GroupSettings)


def md(**changes: Any) -> MDSettings:
    group = GROUP.validate_python({"method": "md", "temperatures_K": [300], "steps": 100} | changes)
    assert isinstance(group, MDSettings)
    return group


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"steps": 0}, "greater than or equal to 1"),
        ({"steps": -5}, "greater than or equal to 1"),
        ({"every": 0}, "greater than or equal to 1"),
        ({"temperatures_K": []}, "at least 1 item"),
        ({"temperatures_K": [-10]}, "greater than 0"),
        ({"replicas": 0}, "greater than or equal to 1"),
        ({"timestep_fs": 0.002}, "greater than or equal to 0.01"),  # in ps
        ({"temperatures_K": [60000]}, "less than or equal to 20000"),
        ({"ensemble": "npt", "pressures_GPa": [10000]}, "less than or equal to 1000"),  # in bar
        ({"structures": [-1]}, "greater than or equal to 0"),
        ({"structures": []}, "at least 1 item"),
        ({"ensemble": "nph"}, "nve"),
        ({"with": "teacher"}, "student"),
        ({"temperature_K": 300}, "Extra inputs"),
        ({"pressures_GPa": [1.0]}, "act in npt only"),
        ({"cell": "full"}, "npt only"),
        ({"ensemble": "npt", "thermostat": "bussi"}, "nvt only"),
        ({"every": 80}, "no frame is kept"),
        ({"equilibrate_steps": 95}, "no frame is kept"),
        ({"method": "magic"}, "'rattle', 'relax'"),
    ],
)
def test_mistakes_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        md(**changes)


@pytest.mark.parametrize(
    "group",
    [
        md(),
        md(ensemble="npt", pressures_GPa=[0, 5], cell="isotropic"),
        md(**{"with": "student"}),
        md(thermostat="bussi", structures=[0, 2]),
        PoolSettings(file="pool.xyz", labels={"energy": "e"}),
    ],
)
def test_a_written_group_reads_back_the_same(group: MDSettings | PoolSettings) -> None:
    for by_alias in (True, False):
        assert GROUP.validate_python(group.model_dump(mode="json", by_alias=by_alias)) == group


def test_the_time_step_is_halved_with_hydrogen() -> None:
    assert md().timestep_of(Atoms("Si")) == 1.0
    assert md().timestep_of(Atoms("OH")) == 0.5
    assert md(timestep_fs=2).timestep_of(Atoms("OH")) == 2.0


def test_a_quarter_is_equilibration() -> None:
    assert md().equilibration == 25
    assert md(equilibrate_steps=0).equilibration == 0


def test_the_plan_is_a_grid_in_order() -> None:
    stage = [
        md(temperatures_K=[300, 600], structures=[1]),
        PoolSettings(file="pool.xyz"),
        md(ensemble="npt", pressures_GPa=[0, 2], replicas=2),
    ]
    plan = plan_trajectories(stage, 2)
    assert [entry.name for entry in plan[:4]] == ["g0-x1-300K-r0", "g0-x1-600K-r0", "g1-r0", "g2-x0-300K-0GPa-r0"]
    assert len(plan) == 2 + 1 + 2 * 2 * 2
    assert len({entry.name for entry in plan}) == len(plan)
    assert plan[0].pressure_GPa is None
    assert [TrajectoryPlan.model_validate_json(entry.model_dump_json()) for entry in plan] == plan


def test_a_structure_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingError, match="there is no structure 3: there are 2"):
        plan_trajectories([md(structures=[0, 3])], 2)
    with pytest.raises(SettingError, match="no structure to start from"):
        plan_trajectories([md()], 0)


@given(
    temperatures=st.lists(st.floats(1, 5000), min_size=1, max_size=3, unique=True),
    replicas=st.integers(1, 3),
    structures=st.integers(1, 4),
)
def test_every_point_of_the_grid_once(temperatures: list[float], replicas: int, structures: int) -> None:
    plan = plan_trajectories([md(temperatures_K=temperatures, replicas=replicas)], structures)
    points = {(entry.structure, entry.temperature_K, entry.replica) for entry in plan}
    assert len(points) == len(plan) == len(temperatures) * replicas * structures
