"""Section ``resources``: what the tasks of each step may use, and where they run."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field, model_validator

from pfd.schedulers.settings import JOB_KEYS, ClusterSettings, JobRequest
from pfd.settings import Duration, Settings


class StepResources(JobRequest):
    """What one task of a step may use, and where it runs."""

    engine: Literal["local", "hpc"] = "local"
    """Who runs it: ``local``, processes on this machine; ``hpc``, jobs of the queue of ``resources.cluster``, which the
    keys from ``queue`` to ``directives`` are for."""
    cores: int = Field(default=1, ge=1)
    """Cores of one task."""
    memory_GB: float = Field(default=2.0, gt=0)
    """Memory of one task, GB: on this machine as many run at once as fit; a job asks for it."""
    gpus: int = Field(default=0, ge=0)
    """GPUs that one task has for itself. Default none: a task that may use one (``device``) shares one with others on
    this machine; a job has none."""
    walltime: Duration | None = None
    """Longest time of one attempt, such as ``2h``; default none on this machine. With ``hpc`` that of one job; default
    the queue's own limit."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where a model runs in this step. Default auto: cuda if the model's family can use it and torch sees one; cuda by
    name ends the run where there is none. Outside the task's identity: what is done stays done."""

    @model_validator(mode="after")
    def _gpus_are_used(self) -> StepResources:
        if self.gpus and self.device == "cpu":
            raise ValueError(f"{self.gpus} gpus are asked for, and device: cpu uses none; remove one of the two")
        return self

    def request(self) -> JobRequest | None:
        """What jobs of the step ask for; None if it runs on this machine."""
        return JobRequest(**{key: getattr(self, key) for key in JOB_KEYS}) if self.engine == "hpc" else None


STEPS = ("explore", "label", "train", "predict", "select", "other")
"""Steps with a section of their own in ``resources``."""


class ManyTasksResources(StepResources):
    """What one task of a step may use, where going on without some of its tasks is sound."""

    min_success: float = Field(default=0.8, gt=0.0, le=1.0)
    """Part of a group of tasks that must end with a result; the run goes on without the others, and ``pfd resubmit``
    tries them again. Default 0.8: a few lost to a broken node do not stop a run; more of them have a reason."""


class TrainResources(StepResources):
    """What one training may use."""

    cores: int = Field(default=2, ge=1)
    """Cores of one task."""
    memory_GB: float = Field(default=8.0, gt=0)
    """Memory of one task, GB: a fit of a linear student holds a matrix of all its coefficients."""


class OtherResources(StepResources):
    """What one task that is none of the other steps may use."""

    memory_GB: float = Field(default=4.0, gt=0)
    """Memory of one task, GB: it holds a pre-trained model, or a file of frames."""


class ResourceSettings(Settings):
    """Resources by step, and the caps of this machine."""

    cores: int | None = Field(default=None, ge=1)
    """Most cores in use at once; default all."""
    memory_GB: float | None = Field(default=None, gt=0)
    """Most memory in use at once; default all."""
    gpus: int | None = Field(default=None, ge=0)
    """Most GPUs of this machine in use at once; default all that CUDA_VISIBLE_DEVICES names, else that nvidia-smi
    lists."""
    max_attempts: int = Field(default=3, ge=1)
    """How often a task may end for reasons outside it before it is given up."""
    cluster: ClusterSettings | None = None
    """Where steps with ``engine: hpc`` run."""
    explore: ManyTasksResources = ManyTasksResources()
    """One run of exploration; ``min_success`` is about those of one iteration, runs that a stop check ended counting as
    run. An iteration that lost one of the runs that judge it has not converged."""
    label: StepResources = StepResources()
    """One label of ``finetune.label``."""
    train: TrainResources = TrainResources()
    """One fine-tuning, or fit of the student."""
    predict: ManyTasksResources = ManyTasksResources()
    """Prediction of one set of frames, and a label by the teacher; ``min_success`` is about the teacher's labels (those
    of first principles have ``finetune.label.min_success``; a prediction must succeed)."""
    select: StepResources = StepResources()
    """One selection."""
    other: OtherResources = OtherResources()
    """What is none of these: to adopt a pre-trained model, and to read a file of labels or a pool."""

    def machine_cores(self) -> int:
        """Cores that tasks may use at once: those named here, else all that this process may use."""
        return self.cores or len(os.sched_getaffinity(0))

    def cores_there(self) -> int:
        """Cores that work at once: of more tasks or threads than this process has cores, some wait for others."""
        return min(self.machine_cores(), len(os.sched_getaffinity(0)))

    def on_cluster(self) -> list[str]:
        """The steps that run as jobs of a queue."""
        return [step for step in STEPS if self.of(step).engine == "hpc"]

    def of(self, step: str) -> StepResources:
        """The resources of a step."""
        section: StepResources = getattr(self, step)
        return section
