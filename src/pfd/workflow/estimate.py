"""How long an input takes at most, step by step, and what it leaves on the disk: from its plan and known rates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pfd.config.plan import GroupPlan, LoopPlan
from pfd.config.reading import ResolvedInput
from pfd.config.resources import StepResources
from pfd.explore.settings import DynamicsSettings, PoolSettings
from pfd.workflow.rates import LABEL_POWER, Rate, atoms_evaluated, evaluated_times

NOT_MEASURED = "not measured yet on this machine"
"""Why there is no estimate of what could have one."""
JOBS_AT_ONCE = 10
"""Jobs of a queue that count as running at once where no cap is named."""
BYTES_EXPLORED, BYTES_LABELLED = 70, 140
"""Of one atom in a frame of an extended XYZ file with 17 digits: positions, and positions with forces."""


@dataclass(frozen=True)
class StepEstimate:
    """What one kind of work takes at most.

    Attributes:
        step: what a person calls it, such as ``finetune, label``.
        tasks: how many.
        at_once: how many of them run side by side.
        seconds: until all are done; None where no rate is known, or the work cannot be told beforehand.
        source: where the rate was measured, or why there is none.
    """

    step: str
    tasks: int
    at_once: int
    seconds: float | None
    source: str


@dataclass(frozen=True)
class Estimate:
    """What an input takes at most.

    Attributes:
        steps: each kind of work.
        disk_bytes: of trajectories, labelled sets and models that can be told beforehand.
        models: whether models are in that figure.
    """

    steps: tuple[StepEstimate, ...]
    disk_bytes: float
    models: bool

    @property
    def seconds(self) -> float:
        """Sum of what is known."""
        return sum(step.seconds or 0.0 for step in self.steps)

    def left(self, done: Mapping[str, int]) -> float:
        """Sum of what is known of the tasks that are not done.

        Args:
            done: step -> tasks that are.
        """
        shares = {step.step: 1.0 - min(1.0, done.get(step.step, 0) / step.tasks) for step in self.steps if step.tasks}
        return sum((step.seconds or 0.0) * shares.get(step.step, 1.0) for step in self.steps)

    @property
    def complete(self) -> bool:
        """Whether something is known of every step."""
        return all(step.seconds is not None for step in self.steps)


def estimate(
    resolved: ResolvedInput, plans: Sequence[LoopPlan], atoms: float, rates: Mapping[str, Rate], model_bytes: int
) -> Estimate:
    """The estimate.

    Args:
        resolved: the input.
        plans: its loops.
        atoms: mean number of atoms of a frame.
        rates: kind of work -> its rate (see ``keys_of``).
        model_bytes: size of the teacher's files; 0 if it is not known.
    """
    paid = sum(plan.labels - plan.test_frames for plan in plans if plan.name == "finetune")
    steps = [step for plan in plans for step in _Loop(resolved, plan, atoms, rates, paid).steps()]
    frames = sum(_iterations(plan) * _candidates(plan) for plan in plans)
    labelled = sum(plan.wanted if plan.max_total is None else plan.labels for plan in plans)
    rewritten = sum(_iterations(plan) for plan in plans)  # the training set is written anew each time
    disk = atoms * (frames * BYTES_EXPLORED + labelled * (2 + rewritten / 2) * BYTES_LABELLED)
    models = model_bytes * (2 + sum(_iterations(plan) for plan in plans if plan.name == "finetune"))
    return Estimate(tuple(steps), disk + models, bool(model_bytes))


EXPLORE, AGAIN = "explore", "explore again"
"""Explorations; in distillation, those that a student may drive are called the second."""
_STEPS = {
    "explore": EXPLORE,
    "label": "label",
    "train": "train",
    "student-explore": "the student's own MD",
    "student-label": "label by the teacher",
}


def step_of(place: Sequence[str]) -> str:
    """Which ``StepEstimate`` a task is of, by its place in the run; empty if it is of none.

    >>> step_of(("distill", "iter-000", "label"))
    'distill, label by the teacher'
    """
    if len(place) < 3 or place[-1] not in _STEPS:
        return ""
    name = _STEPS[place[-1]]
    if place[0] == "distill":
        later = place[1] not in {"test", "iter-000"}
        name = {"label": "label by the teacher", EXPLORE: AGAIN if later else EXPLORE}.get(place[-1], name)
    return f"{place[0]}, {name}"


def size_of(path: Path) -> int:
    """Bytes of a file, or of the files in a folder; 0 if there is none."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.is_file() else 0


def _iterations(plan: LoopPlan) -> int:
    return plan.max_iterations * len(plan.stages)


def _candidates(plan: LoopPlan) -> float:
    """Mean number of frames that an iteration explores."""
    return sum(group.candidates for stage in plan.stages for group in stage) / len(plan.stages)


class _Loop:
    """The estimate of one loop.

    Args:
        resolved: the input.
        plan: of the loop.
        atoms: mean number of atoms of a frame.
        rates: kind of work -> its rate.
        paid: first-principles labels that a student is fitted to as well.
    """

    def __init__(
        self, resolved: ResolvedInput, plan: LoopPlan, atoms: float, rates: Mapping[str, Rate], paid: int
    ) -> None:
        self._resolved, self._plan, self._atoms, self._rates = resolved, plan, atoms, rates
        distill = resolved.input.distill
        times = distill.label_times if plan.name == "distill" and distill is not None else 0
        self._beside = paid * evaluated_times(resolved.fitting, times)
        self._groups = [group for stage in plan.stages for group in stage]

        self._teach = "teach" if "teach" in rates else "teacher"  # a label takes about as long as a step of MD

    def steps(self) -> list[StepEstimate]:
        """Each kind of work of the loop."""
        found: list[StepEstimate | None] = [*self._explore(), self._label(), self._train()]
        found += [self._own_md()] if self._plan.name == "distill" else []
        return [step for step in found if step is not None]

    def _explore(self) -> list[StepEstimate]:
        """The explorations; of a distillation those apart that a student may drive, as their tasks cost another time.

        The first iteration of its first stage has no student yet.
        """
        tasks = {EXPLORE: 0, AGAIN: 0}
        units: dict[str, dict[str, float]] = {step: defaultdict(float) for step in tasks}
        for group, first_stage in self._moving:
            later = self._plan.max_iterations - first_stage if self._plan.name == "distill" else 0
            first = self._plan.max_iterations - later
            driver, factor = ("student", self._own_md_factor) if self._student_drives(group) else ("teacher", 1)
            by_teacher = first * (group.runs + group.warmer) + group.runs  # and the test set
            tasks[EXPLORE] += by_teacher
            units[EXPLORE]["teacher"] += by_teacher * self._md(group)
            tasks[AGAIN] += later * (group.runs + group.warmer)
            units[AGAIN][driver] += later * (group.runs + factor * group.warmer) * self._md(group)
        groups = [group for group, _ in self._moving]
        unknown = sorted({group.group.method for group in groups if not isinstance(group.group, DynamicsSettings)})
        reason = f"{', '.join(unknown)}: ends by itself, nobody knows when" if unknown else ""
        at_once = self._at_once("explore", max((group.runs + group.warmer for group in groups), default=1))
        return [self._step(step, tasks[step], at_once, units[step], reason) for step in tasks if tasks[step]]

    @property
    def _moving(self) -> list[tuple[GroupPlan, bool]]:
        """The groups that are no pools, and whether they are of the first stage."""
        return [
            (group, number == 0)
            for number, stage in enumerate(self._plan.stages)
            for group in stage
            if not isinstance(group.group, PoolSettings)
        ]

    @staticmethod
    def _student_drives(group: GroupPlan) -> bool:
        return isinstance(group.group, DynamicsSettings) and group.group.with_ == "student"

    @property
    def _own_md_factor(self) -> int:
        settings = self._resolved.input.distill
        return settings.own_md_factor if self._plan.name == "distill" and settings is not None else 1

    def _md(self, group: GroupPlan) -> float:
        """Atoms times steps of one run."""
        return self._atoms * group.group.steps if isinstance(group.group, DynamicsSettings) else 0.0

    def _label(self) -> StepEstimate:
        if self._plan.name == "distill":
            at_once = self._at_once("predict", self._plan.per_iteration(0))
            labels = self._plan.labels
            return self._step("label by the teacher", labels, at_once, {self._teach: labels * self._atoms})
        at_once = self._at_once("label", self._plan.per_iteration(0) + self._plan.test_frames)
        units = self._plan.labels * self._atoms**LABEL_POWER
        return self._step("label", self._plan.labels, at_once, {"label": units})

    def _train(self) -> StepEstimate:
        settings = self._resolved.tuning if self._plan.name == "finetune" else self._resolved.fitting
        count = _iterations(self._plan)
        each = max(1.0, (self._plan.labels - self._plan.test_frames) / count)
        sets = [[round(self._atoms)] * max(1, round(number * each) + self._beside) for number in range(1, count + 1)]
        units = sum(atoms_evaluated(settings, atoms) for atoms in sets)
        return self._step("train", count, 1, {"finetune" if self._plan.name == "finetune" else "fit": units})

    def _own_md(self) -> StepEstimate | None:
        moving = [group for group in self._groups if isinstance(group.group, DynamicsSettings)]
        if not moving:
            return None
        runs = sum(self._plan.max_iterations * group.runs for group in moving)
        units = sum(self._plan.max_iterations * group.runs * self._own_md_factor * self._md(group) for group in moving)
        at_once = self._at_once("explore", max(group.runs for group in moving))
        return self._step("the student's own MD", runs, at_once, {"student": units})

    def _step(self, name: str, tasks: int, at_once: int, units: Mapping[str, float], unknown: str = "") -> StepEstimate:
        """What units of each kind of work take; nothing is known where one of the rates is not."""
        title = f"{self._plan.name}, {name}"
        rates = {kind: self._rates.get(kind) for kind, many in units.items() if many or len(units) == 1}
        known = {kind: rate for kind, rate in rates.items() if rate is not None}
        if unknown or len(known) < len(rates):
            return StepEstimate(title, tasks, at_once, None, unknown or NOT_MEASURED)
        seconds = sum(units[kind] * rate.seconds for kind, rate in known.items()) / at_once
        sources = dict.fromkeys(f"measured {rate.source}" for rate in known.values())
        return StepEstimate(title, tasks, at_once, seconds, "; ".join(sources))

    def _at_once(self, step: str, tasks: int) -> int:
        """How many tasks of a step run side by side."""
        resources = self._resolved.input.resources
        section: StepResources = resources.of(step)
        if (job := section.request()) is not None:
            return max(1, min(tasks, job.max_jobs or JOBS_AT_ONCE))
        return max(1, min(tasks, resources.cores_there() // section.cores))
