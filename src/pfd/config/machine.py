"""What an input asks of this machine: cores, GPUs, and processes of the labeler's command."""

from __future__ import annotations

from pfd.config.environment import models_of_steps
from pfd.config.reading import ResolvedInput
from pfd.config.resources import STEPS, ResourceSettings
from pfd.errors import SettingError
from pfd.gpus import visible_gpus
from pfd.label.labeler import Labeler
from pfd.wording import counted


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
        if resources.of(step).engine == "local" and wanted > there and wanted != usual.of(step).cores:
            whose = "resources.cores allows" if resources.cores is not None else "this process may use"
            raise SettingError(
                f"{counted(wanted, 'core')} for a task, and {whose} {there}",
                where=resolved.place(f"resources.{step}.cores"),
                hint=f"write at most {there}, or run on a larger machine; resources: {{cores: {wanted}}} shares the "
                "cores there are among so many threads",
            )


def check_gpus(resolved: ResolvedInput) -> None:
    """Refuse GPUs that are not there, and such as nothing in the step would use.

    The machine is asked only if the input names some.

    Raises:
        SettingError: naming the step.
    """
    resources = resolved.input.resources
    wanted = {step: resources.of(step).gpus for step in STEPS if resources.of(step).gpus}
    here = [step for step in wanted if resources.of(step).engine == "local"]
    visible = len(visible_gpus()) if here or resources.gpus is not None else 0
    if resources.gpus is not None and resources.gpus > visible:
        raise SettingError(
            f"{counted(resources.gpus, 'GPU')} to use, and this process sees {visible}",
            where=resolved.place("resources.gpus"),
            hint="CUDA_VISIBLE_DEVICES says which, else `nvidia-smi -L`; leave it out to use all",
        )
    there = visible if resources.gpus is None else resources.gpus
    models = {step: [family for at, family in models_of_steps(resolved) if at == step] for step in wanted}
    for step, count in wanted.items():
        place = resolved.place(f"resources.{step}.gpus")
        families = models[step]
        if step in {"select", "other"} or (families and not any("cuda" in family.devices for family in families)):
            names = ", ".join(sorted({repr(family.name) for family in families}))
            whose = f"models of {names} cannot use one" if families else "nothing in this step uses one"
            raise SettingError(f"{counted(count, 'GPU')} for a task, and {whose}", where=place, hint="leave it out")
        if step in here and count > there:
            whose = "resources.gpus allows" if resources.gpus is not None else "this process sees"
            raise SettingError(
                f"{counted(count, 'GPU')} for a task, and {whose} {there}",
                where=place,
                hint=f"write at most {there}, or run where there are more" if there else "leave it out",
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
