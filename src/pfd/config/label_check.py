"""An input, or a labeler's name, of which only the labels are wanted, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.config.commented import commented_yaml
from pfd.config.environment import families_of
from pfd.config.labeler_check import check_labeler
from pfd.config.machine import check_cores, check_gpus
from pfd.config.overrides import COMMAND_LINE, with_overrides
from pfd.config.queue import check_queues
from pfd.config.reading import ResolvedInput, at, read_input, resolve
from pfd.config.resources import ResourceSettings
from pfd.errors import SettingError
from pfd.models.environment import launch_for

if TYPE_CHECKING:
    from ase import Atoms


def labels_of_input(path: Path, overrides: Sequence[str] = ()) -> ResolvedInput:
    """An input with the resources of its labels alone: those of other steps are no matter here.

    Raises:
        SettingError: if it has mistakes, or no section ``finetune.label``.
    """
    resolved = read_input(path, overrides)
    if resolved.labeler is None:
        hint = "write a section finetune with label: {method: ...}, or name the method: --method tblite"
        raise SettingError("the input labels nothing: it has no section finetune", where=str(path), hint=hint)
    return _labels_alone(resolved)


USED = ("resources", "environments")
"""Sections that matter for labels, beside their own."""


def labels_by_method(method: str, frames: Path, overrides: Sequence[str] = ()) -> ResolvedInput:
    """The least input that labels by a method.

    Args:
        method: name of the labeler.
        frames: the file that is to be labelled; a labeler that looks labels up looks there if it is told no files.
        overrides: further keys, such as ``finetune.label.hamiltonian=GFN2-xTB`` or ``resources.label.cores=4``.

    Raises:
        SettingError: if there is no such method, or a key is wrong or missing.
    """
    content = {
        "name": "labels",
        "teacher": {"family": "toy", "model": "soft-copper"},  # labels know nothing of it
        "finetune": {
            "label": {"method": method},
            "explore": {"method": "pool", "file": str(frames.resolve())},
            "converge": {"force_rmse_relative": 0.1},
        },
    }
    content, overridden = with_overrides(content, overrides)
    comments = {"teacher": "not used", "finetune.explore": "not used", "finetune.converge": "not used"}
    text = commented_yaml(content, comments, ["Written by pfd label."])
    resolved = resolve(content, Path.cwd(), f"--method {method}", overridden)
    idle = [key for key in overridden if key.split(".")[0] not in USED and not key.startswith("finetune.label")]
    if idle:
        raise SettingError("without effect on labels", where=f"{COMMAND_LINE}: {idle[0]}", hint="leave it out")
    return _labels_alone(replace(resolved, text=text))


def _labels_alone(resolved: ResolvedInput) -> ResolvedInput:
    asked, usual = resolved.input.resources, ResourceSettings()
    others = {step: getattr(usual, step) for step in ("explore", "train", "predict", "select")}
    tree = resolved.input.model_copy(update={"resources": asked.model_copy(update=others)})
    return replace(resolved, input=tree)


def check_labels(resolved: ResolvedInput, frames: Sequence[Atoms]) -> None:
    """Look at everything that would stop the labels later, and costs nothing.

    Args:
        resolved: the input.
        frames: what is to be labelled.

    Raises:
        SettingError, DataError, ModelError, MissingError: the first mistake.
    """
    check_cores(resolved)
    check_gpus(resolved)
    check_queues(resolved)
    launch = {}
    for key, family in families_of(resolved):
        if key == "finetune.label.family":
            with at(resolved, key):
                launch[family.name] = launch_for(family, resolved.input.environments)
    check_labeler(resolved, frames, launch, lambda _: True)
