"""The fixed test set of a loop: its frames, chosen once, and the conditions that they must stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pfd.errors import TaskFailed
from pfd.evaluate.error_report import condition_text
from pfd.frames import read_frames
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec, numbered
from pfd.workflow.bindings import Binding
from pfd.workflow.budget import Budget
from pfd.workflow.exploration import Exploration
from pfd.workflow.run_folder import RunFolder
from pfd.workflow.turn import Dataset, content_of, trajectory_record


class Sampling:
    """Chooses frames from trajectories evenly in time, for test sets; what trains is selected instead.

    Args:
        run: where tasks are performed.
        binding: whose loop.
        explorer: its trajectories.
        budget: caps on labels.
    """

    def __init__(self, run: RunFolder, binding: Binding, explorer: Exploration, budget: Budget) -> None:
        self._run, self._binding, self._explorer, self._budget = run, binding, explorer, budget

    def choose(self, explored: list[TaskFolder]) -> TaskFolder:
        """Choose the test frames from the trajectories that were run for them."""
        wanted = [count for folder, count in zip(explored, self._explorer.test_counts(), strict=True) if folder.done()]
        trajectories = [folder.output("trajectory.extxyz") for folder in explored if folder.done()]
        return self.sample(f"{self._binding.name}/test/select", trajectories, wanted)

    def sample(self, place: str, trajectories: list[Artifact], counts: list[int], reserve: int = 0) -> TaskFolder:
        """So many frames from each trajectory, within the budget but a reserve."""
        cap = self._budget.cap(reserve)
        gate = self._binding.settings.select.gate.model_dump(mode="json")
        parameters: dict[str, Any] = {"per_trajectory": counts, "gate": gate}
        parameters |= {"limit": cap} if cap is not None else {}
        return self._run.one(place, TaskSpec("sample", parameters, numbered("trajectory", trajectories)))

    def require_conditions(self, test: Artifact, what: str, explored: Sequence[TaskFolder] = ()) -> None:
        """Refuse to pay for labels if a temperature or pressure that was asked for could never be judged.

        Raises:
            TaskFailed: naming the condition, and why trajectories ended early.
        """
        frames = read_frames(test.path)
        for key, asked in self._explorer.conditions(None).items():
            there = {frame.info.get(key) for frame in frames}
            for value in asked:
                if value not in there:
                    reports = [trajectory_record(folder) for folder in explored]
                    stops = [each["stop_reason"] for each in reports if each.get(key) == value and each["stop_reason"]]
                    why = f" ({stops[0].splitlines()[0]})" if stops else ""
                    if self._budget.reached():
                        raise TaskFailed(
                            f"no label is left for a test frame at {key}={condition_text(value)}",
                            where=f"{self._binding.name}.label",
                            hint="raise finetune.label.max_total or finetune.label.max_core_hours: labels of "
                            "earlier inputs in this run folder count too",
                        )
                    raise TaskFailed(
                        f"{what} no test frame at {key}={condition_text(value)}{why}",
                        where=f"{self._binding.name}/test",
                        hint="give the trajectories more steps or a shorter timestep_fs, perturb the starting "
                        "structures less, loosen explore.stop, or leave the condition out",
                    )

    def fix(self, chosen: dict[str, TaskFolder], labels: dict[str, list[TaskFolder]], dataset: Dataset) -> Artifact:
        """Collect the test set; it is never touched again in this run.

        Args:
            chosen: place of the label tasks -> the task that chose the frames.
            labels: the same place -> the tasks that judged their labels.
            dataset: what was trained on already, which is kept out of it.

        Raises:
            TaskFailed: if no frame is left, or a condition that was asked for has none.
        """
        place = f"{self._binding.name}/test"
        inputs = numbered("label", [folder.output("label") for folder in labels[f"{place}/label"]])
        inputs["selected"] = chosen[f"{place}/label"].output("selected.extxyz")
        inputs |= numbered("seen", list(dataset.inputs().values()))
        collected = self._run.one(f"{place}/collect", TaskSpec("collect", {"valid_fraction": 0.0}, inputs))
        counts = content_of(collected, "counts.json")
        if counts["in_training"]:
            self._run.journal.write("leakage", left_out_of_test=counts["in_training"])
        if not counts["new"]:
            hint = "raise explore steps or loosen the stops"
            if counts["in_training"]:
                hint = (
                    "data: holds the frames that were to be tested on; explore other files than those, or leave it out"
                )
            raise TaskFailed("no test frame was accepted", where=place, hint=hint)
        test = collected.output("new.extxyz")
        self.require_conditions(test, "the labeler accepted")
        return test
