"""What an input asks of this machine: cores, and processes of the labeler's command."""

from __future__ import annotations

from pfd.config.reading import ResolvedInput
from pfd.config.sections import STEPS, ResourceSettings
from pfd.errors import SettingError
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
