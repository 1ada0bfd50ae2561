"""What ``pfd submit`` was asked for: one run or many, driven from here, in the background, or on Kubernetes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pfd.api import Begin
from pfd.cli.engine import refuse_for_argo, require_engine
from pfd.cli.many import ManyOptions, are_many, submit_many
from pfd.cli.submit import submit_and_show
from pfd.cli.words import paths_and_overrides


@dataclass(frozen=True)
class SubmitOptions(ManyOptions):
    """All options of ``pfd submit``.

    Attributes:
        detach: leave the driver in the background.
        engine: ``local`` or ``argo``.
    """

    detach: bool = False
    engine: str = "local"


def submit_as_asked(words: Sequence[Path], options: SubmitOptions) -> int:
    """Submit, and return the exit code.

    Args:
        words: input files, a run folder, and keys to set.
        options: how.

    Raises:
        SettingError: if an option has no effect on what is asked for.
        PFDError: as ``submit_and_show`` and ``submit_many``.
    """
    inputs, overrides = paths_and_overrides(words)
    options = replace(options, overrides=tuple(overrides))
    run = inputs[1] if len(inputs) > 1 else None
    if require_engine(options.engine) == "argo":
        from pfd.cli.argo import submit_to_argo

        _refuse_for_argo(inputs, options)
        submit_to_argo(inputs[0], run, overrides)
        return 0
    many = are_many(inputs, options)
    if not many:
        options.refuse_idle(many=False)
    if options.detach:
        from pfd.cli.detach import leave_in_background

        return leave_in_background(many=many, as_json=options.as_json)
    if many:
        return submit_many(inputs, options)
    begin = Begin(take_over=options.take_over)
    return submit_and_show(inputs[0], run, options.until, begin, overrides, as_json=options.as_json)


def _refuse_for_argo(inputs: Sequence[Path], options: SubmitOptions) -> None:
    refuse_for_argo(
        until=options.until,
        detach=options.detach,
        take_over=options.take_over,
        jobs=options.jobs or len(inputs) > 2,
        structures=options.structures,
        cores=options.cores,
        memory_GB=options.memory_GB,
        json=options.as_json,
    )
