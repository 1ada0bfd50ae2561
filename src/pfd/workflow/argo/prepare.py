"""What is done where ``pfd submit --engine argo`` is typed: refuse what no pod could do, keep all files in the run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from pfd.config.properties import command_files, properties_of, property_files
from pfd.config.reading import ResolvedInput, source_path
from pfd.config.teacher import tuning_files
from pfd.errors import SettingError
from pfd.explore.settings import PoolSettings
from pfd.json_file import write_json
from pfd.label.external import ExternalSettings
from pfd.label.family import FamilyLabelerSettings
from pfd.models.training import make_family
from pfd.workflow.argo.graph import START
from pfd.workflow.argo.parcel import ROUND_FILE, pack
from pfd.workflow.argo.pod import RUN_FILE
from pfd.workflow.argo.submitted import FOLDER
from pfd.workflow.run_folder import RunFolder


def check_for_argo(resolved: ResolvedInput) -> None:
    """Refuse an input that cannot run on Kubernetes.

    Raises:
        SettingError: naming the first key.
    """
    argo = resolved.input.argo
    if missing := argo.missing_images():
        one = (
            f", or argo.{missing[0]}.image"
            if len(missing) == 1
            else f" (or the key image in each section of argo: {', '.join(missing)})"
        )
        raise SettingError(
            f"no image for the pods of {', '.join(missing)}",
            where=resolved.place("argo.image"),
            hint=f"name one with pfd-kit, and the packages of the families and labeler, in it{one}",
        )
    if isinstance(resolved.labeler, ExternalSettings):
        what = "labels that are made by hand pause the run, and a graph on Kubernetes has nobody to wait for"
        raise SettingError(what, where=resolved.place("finetune.label.method"), hint="submit it to another engine")


def keep_named_files(run: RunFolder, resolved: ResolvedInput) -> None:
    """Copy every file that the input names into the run folder: a pod sees nothing else.

    Raises:
        SettingError: if one is not there.
    """
    for path in named_files(resolved):
        run.keep_input(path)


def named_files(resolved: ResolvedInput) -> Iterator[Path]:
    """Every file and folder that the input names."""
    tree = resolved.input
    if tree.teacher.model not in resolved.teacher.shipped:
        yield source_path(resolved, tree.teacher.model, "teacher.model")
    for index, entry in enumerate(tree.structures):
        yield source_path(resolved, entry.file, f"structures.{index}.file")
        if entry.interface is not None:
            yield source_path(resolved, entry.interface.file, f"structures.{index}.interface.file")
    for index, brought in enumerate(tree.data):
        yield source_path(resolved, brought.file, f"data.{index}.file")
    if tree.evaluate.test_file is not None:
        yield source_path(resolved, tree.evaluate.test_file, "evaluate.test_file")
    yield from _measured_files(resolved)
    for name, loop in (("finetune", tree.finetune), ("distill", tree.distill)):
        for stage in loop.explore if loop is not None else ():
            for group in stage:
                if isinstance(group, PoolSettings):
                    yield source_path(resolved, group.file, f"{name}.explore")
    yield from _label_files(resolved)
    yield from tuning_files(resolved).values()
    yield from resolved.native_files


def _measured_files(resolved: ResolvedInput) -> Iterator[Path]:
    for key, settings in properties_of(resolved):
        yield from property_files(resolved, key, settings).values()
        yield from command_files(resolved, key, settings)


def _label_files(resolved: ResolvedInput) -> Iterator[Path]:
    labeler = resolved.labeler
    for file in getattr(labeler, "files", ()):
        yield source_path(resolved, file, "finetune.label.files")
    yield from getattr(labeler, "input_files", ())
    if isinstance(labeler, FamilyLabelerSettings) and labeler.family is not None and labeler.model is not None:
        shipped = labeler.model in make_family(labeler.family).shipped
        yield from () if shipped else (source_path(resolved, labeler.model, "finetune.label.model"),)


def pack_start(run: Path, to: Path) -> None:
    """Write what the graph starts from: ``run.tar``, and ``done`` as if a round of no tasks had come back.

    Args:
        run: the run folder; what is done in it is not done again.
        to: folder for both; emptied first.
    """
    shutil.rmtree(to, ignore_errors=True)
    (to / "done").mkdir(parents=True)
    write_json(to / "done" / ROUND_FILE, {"round": START})
    left_here = {FOLDER, "lock", "report.html"}
    pack(to / RUN_FILE, run, [path.name for path in run.iterdir() if path.name not in left_here])
