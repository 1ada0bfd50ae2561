"""What an input asks of this machine: cores, processes of the labeler's command, and a GPU where one is named."""

from __future__ import annotations

from collections.abc import Iterator

from pfd.config.reading import ResolvedInput, at
from pfd.config.sections import ResourceSettings
from pfd.errors import MissingError, SettingError
from pfd.label.family import FamilyLabelerSettings
from pfd.label.labeler import Labeler
from pfd.models.device import cuda_is_there
from pfd.models.family import Family
from pfd.plugins import FAMILIES, load_plugin
from pfd.wording import counted

STEPS = ("explore", "label", "train", "predict", "select")


def check_cores(resolved: ResolvedInput) -> None:
    """Refuse a step that asks for more cores than tasks may use at once; its task would be given fewer.

    A default is no request: it is cut to what is there.

    Raises:
        SettingError: naming the step.
    """
    resources, usual = resolved.input.resources, ResourceSettings()
    there = resources.machine_cores()
    for step in STEPS:
        wanted = resources.of(step).cores
        if wanted > there and wanted != usual.of(step).cores:
            whose = "resources.cores allows" if resources.cores is not None else "this process may use"
            raise SettingError(
                f"{counted(wanted, 'core')} for a task, and {whose} {there}",
                where=resolved.place(f"resources.{step}.cores"),
                hint=f"write at most {there}, or run on a larger machine; resources: {{cores: {wanted}}} shares the "
                "cores there are among so many threads",
            )


def check_ranks(resolved: ResolvedInput, labeler: Labeler) -> None:
    """Refuse a command that starts other than what the engine counts: cores would be oversubscribed, or lie idle.

    Raises:
        SettingError: naming the setting that says how many processes are started.
    """
    started, cores = labeler.cores(), resolved.input.resources.label.cores
    if started is not None and cores % started[0]:
        ranks, setting = started
        raise SettingError(
            f"the command starts {counted(ranks, 'process', 'processes')}, and resources.label.cores is {cores}",
            where=resolved.place(f"finetune.label.{setting}"),
            hint=f"write resources: {{label: {{cores: {ranks}}}}}, or a multiple for more threads in each process",
        )


def check_devices(resolved: ResolvedInput) -> None:
    """Refuse cuda by name where torch sees none: the step would fail, after labels were paid for.

    Torch is imported only if it is named.

    Raises:
        MissingError: naming the step and the family.
    """
    for step, family in _models_of_steps(resolved):
        if resolved.input.resources.of(step).device == "cuda" and "cuda" in family.devices and not cuda_is_there():
            with at(resolved, f"resources.{step}.device"):
                raise MissingError(
                    f"cuda is asked for, models of {family.name!r} could use it, and torch sees no such device",
                    hint="install a CUDA build of torch and its driver, or write device: auto",
                )


def _models_of_steps(resolved: ResolvedInput) -> Iterator[tuple[str, Family]]:
    """Each step that runs a model, with the families that it runs."""
    yield "explore", resolved.teacher
    if resolved.input.finetune is not None:
        yield "train", resolved.teacher
    yield "predict", resolved.teacher
    for step in ("explore", "train", "predict") if resolved.student is not None else ():
        assert resolved.student is not None
        yield step, resolved.student
    if isinstance(resolved.labeler, FamilyLabelerSettings) and resolved.labeler.family is not None:
        with at(resolved, "finetune.label.family"):
            yield "label", load_plugin(FAMILIES, resolved.labeler.family)()
