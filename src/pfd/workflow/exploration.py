"""Which trajectories a stage runs, as tasks: the same plan for exploring, for the test set and for the student's MD."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pfd.config.reading import source_path
from pfd.explore.groups import ExplorerSettings
from pfd.explore.plan import TrajectoryPlan, group_name
from pfd.explore.settings import DynamicsSettings, PoolSettings
from pfd.frames import read_frames
from pfd.tasks.folder import Artifact, TaskSpec
from pfd.workflow.bindings import Binding, resources_of
from pfd.workflow.run_folder import RunFolder

STUDENT_ONSET_FRAMES = 12
"""Frames before a failure of the student's MD that are kept for its teacher: at one per ten steps, the last 0.1 ps."""


class Exploration:
    """The stages of one loop, planned once each.

    Args:
        run: where the planning task is performed.
        binding: whose stages.
        structures: starting frames.
    """

    def __init__(self, run: RunFolder, binding: Binding, structures: Artifact) -> None:
        self._run, self._binding, self._structures = run, binding, structures
        self._plans: dict[int, list[dict[str, Any]]] = {}

    @property
    def min_success(self) -> float:
        """Part of the runs of one iteration that must end with a result."""
        return self._binding.resolved.input.resources.explore.min_success

    def plan(self, stage: int) -> list[dict[str, Any]]:
        """The stage's runs: group, structure, temperature_K, pressure_GPa, replica of each; pools apart."""
        if stage not in self._plans:
            groups = [group.model_dump(mode="json") for group in self._groups(stage)]
            spec = TaskSpec("plan", {"groups": groups}, {"structures": self._structures})
            folder = self._run.one(f"{self._binding.name}/stage-{stage}/plan", spec)
            text = (folder.path / "outputs" / "plan.json").read_text(encoding="utf-8")
            self._plans[stage] = [entry for entry in json.loads(text) if not entry["pool"]]
        return self._plans[stage]

    def specs(self, stage: int, model: Artifact, purpose: str, student: Artifact | None = None) -> list[TaskSpec]:
        """One task per run and per pool of the stage; ``purpose`` enters the identity, and with it the seed.

        Args:
            stage: its number.
            model: whose forces drive the dynamics.
            purpose: what the trajectories are for; their names begin with it.
            student: drives the groups that say ``with: student``, once there is one; where it is hotter than asked, for
                as long as its own MD, since what goes wrong there goes wrong late, and nothing else teaches it.
        """
        plan = self.plan(stage)
        specs = [self._trajectory(stage, entry, model, purpose, student) for entry in plan]
        hotter = getattr(self._binding.settings, "hotter", 1.0)
        if hotter > 1.0:
            warm = [entry for entry in plan if entry["temperature_K"] is not None]
            hot = [entry | {"temperature_K": hotter * entry["temperature_K"]} for entry in warm]
            specs += [self._trajectory(stage, entry, model, purpose, student, self._own_md_factor) for entry in hot]
        return specs + [self._pool(stage, number, "explore", purpose) for number in self._pools(stage)]

    def student_specs(self, stage: int, student: Artifact, purpose: str) -> list[TaskSpec]:
        """The stage's dynamics with the student's forces, ``own_md_factor`` times as long.

        Where one fails, the frames on the way there are kept: its teacher will label them. Pools, and methods that are
        no dynamics, say nothing about it.
        """
        moving = self._moving(stage)
        return [self._trajectory(stage, entry, student, purpose, student, self._own_md_factor) for entry in moving]

    def _moving(self, stage: int) -> list[dict[str, Any]]:
        """The runs of a stage that are dynamics."""
        return [entry for entry in self.plan(stage) if self._groups(stage)[entry["group"]].dynamics]

    @property
    def _own_md_factor(self) -> int:
        return getattr(self._binding.settings, "own_md_factor", 1)

    def test_specs(self, model: Artifact, purpose: str) -> list[TaskSpec]:
        """One trajectory for every structure and condition of every stage, of which only the test set is made."""
        specs = [self._trajectory(stage, entry, model, purpose, None) for stage, entry, _ in self._test_entries()]
        return specs + [self._pool(stage, number, "test", purpose) for stage, number in self._test_pools()]

    def test_counts(self) -> list[int]:
        """How many frames of each of the ``test_specs`` the test set asks for at most.

        The frames of a condition are shared out among the structures it is explored with, at least one each.
        """
        wanted = self._binding.resolved.input.evaluate.test_frames
        return [max(1, wanted // shared) for *_, shared in self._test_entries()] + [wanted for _ in self._test_pools()]

    def test_frames(self) -> int:
        """How many frames the test set will ask for at most."""
        return sum(self.test_counts())

    def conditions(self, stages: Sequence[int] | None = None, *, of_dynamics: bool = False) -> dict[str, list[Any]]:
        """Temperatures, pressures and groups of some stages (None: of all) that errors must be known for.

        A single group is the whole set, and is not asked for.

        Args:
            stages: see above.
            of_dynamics: leave out what ``student_specs`` leaves out.
        """
        stages = range(len(self._binding.settings.explore)) if stages is None else stages
        plan = self._moving if of_dynamics else self.plan
        entries = [(number, entry) for number in stages for entry in plan(number)]
        keys = ("temperature_K", "pressure_GPa")
        asked: dict[str, list[Any]] = {key: sorted({entry[key] for _, entry in entries} - {None}) for key in keys}
        groups = sorted({group_name(number, entry["group"]) for number, entry in entries})
        return asked | {"group": groups if len(groups) > 1 else []}

    def _test_entries(self) -> list[tuple[int, dict[str, Any], int]]:
        """Stage, entry of its plan, and how many share the condition: one trajectory per structure and condition.

        A structure stands for itself and its perturbed copies, of which the last is taken.
        """
        sources = [str(frame.info["parent"]) for frame in read_frames(self._structures.path)]
        chosen: dict[tuple[Any, ...], dict[str, tuple[int, dict[str, Any]]]] = {}
        for stage in range(len(self._binding.settings.explore)):
            for entry in self.plan(stage):
                condition = (stage, entry["group"], entry["temperature_K"], entry["pressure_GPa"])
                source = entry["formula"] or sources[entry["structure"]]
                chosen.setdefault(condition, {})[source] = (stage, entry)
        return [(*entry, len(by_source)) for by_source in chosen.values() for entry in by_source.values()]

    def _test_pools(self) -> list[tuple[int, int]]:
        stages = range(len(self._binding.settings.explore))
        return [(stage, number) for stage in stages for number in self._pools(stage)]

    def _groups(self, stage: int) -> tuple[ExplorerSettings | PoolSettings, ...]:
        return self._binding.settings.explore[stage]

    def _pools(self, stage: int) -> list[int]:
        return [number for number, group in enumerate(self._groups(stage)) if isinstance(group, PoolSettings)]

    def _trajectory(
        self,
        stage: int,
        entry: dict[str, Any],
        model: Artifact,
        purpose: str,
        student: Artifact | None,
        factor: int = 1,
    ) -> TaskSpec:
        """The task of one run, ``factor`` times as long if the student drives it."""
        group = self._groups(stage)[entry["group"]]
        assert not isinstance(group, PoolSettings)
        if group.with_ == "student" and student is not None:
            model = student
        settings = _narrowed(group.model_dump(mode="json"), entry)
        if student is not None and model is student:
            settings["stop"]["onset_frames"] = max(group.stop.onset_frames, STUDENT_ONSET_FRAMES)
            if isinstance(group, DynamicsSettings):
                settings |= {"steps": factor * group.steps, "every": factor * group.every}
        parameters = {
            "group": settings,
            "trajectory": entry,
            "stage": stage,
            "name": f"{purpose}-s{stage}-{TrajectoryPlan.model_validate(entry).name}",
        }
        inputs = {"structures": self._structures, "model": model}
        return TaskSpec("explore", parameters, inputs, resources_of(self._binding.resolved, "explore"))

    def _pool(self, stage: int, number: int, part: str, purpose: str) -> TaskSpec:
        group = self._groups(stage)[number]
        assert isinstance(group, PoolSettings)
        source = source_path(self._binding.resolved, str(group.file), f"{self._binding.name}.explore.{stage}.{number}")
        parameters = {
            "group": group.model_dump(mode="json") | {"file": group.file.name},
            "part": part,
            "number": number,
            "split_seed": self._binding.resolved.input.seed,
            "test_fraction": self._binding.resolved.input.evaluate.pool_test_fraction,
            "blocks": "drawn",  # pools were once tested on their end, then on ends of stretches: a run has one rule
            "stage": stage,
            "name": f"{purpose}-s{stage}-g{number}-pool",
        }
        resources = resources_of(self._binding.resolved, "other")
        return TaskSpec("pool", parameters, {"pool": self._run.keep_input(source)}, resources)


def _narrowed(group: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """The settings of a group without what only its other runs are made of, which is no part of this one's identity."""
    own = {"temperatures_K": entry["temperature_K"], "pressures_GPa": entry["pressure_GPa"]}
    narrow: dict[str, Any] = {key: [value] for key, value in own.items() if key in group and value is not None}
    return group | narrow | {key: value for key, value in (("structures", None), ("replicas", 1)) if key in group}
