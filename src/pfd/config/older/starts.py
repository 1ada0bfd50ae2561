"""What an older run starts from: structure files, frames to label first, and labelled sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pfd.config.older.old_section import OldSection
from pfd.errors import PFDError

FORMATS = {
    "vasp/poscar": "vasp",
    "poscar": "vasp",
    "vasp/contcar": "vasp",
    "vasp/outcar": "vasp-out",
    "vasp/xml": "vasp-xml",
    "lammps/lmp": "lammps-data",
    "lmp": "lammps-data",
    "abacus/stru": "abacus",
    "stru": "abacus",
}
"""Names of formats as dpdata has them -> as ASE has them."""


@dataclass(frozen=True)
class Starts:
    """What is started from.

    Attributes:
        structures: the section ``structures``.
        frames: of each file of ``init_confs``, the numbers of its frames among all starting frames.
        data: the section ``data``.
        initial: ``label`` or ``explore``, of the fine-tuning.
    """

    structures: list[dict[str, Any]]
    frames: list[range]
    data: list[dict[str, Any]]
    initial: str


def translate_starts(whole: OldSection, folder: Path, *, distils: bool) -> Starts:
    """Structures and labelled sets.

    Args:
        whole: the older input.
        folder: that of the file, where relative paths start.
        distils: whether it is a distillation.
    """
    inputs, task = whole.section("inputs"), whole.section("task")
    structures = _files(inputs.section("init_confs"), folder)
    frames, total = [], 0
    for entry in structures:
        count = _count(folder, entry)
        frames.append(range(total, total + count))
        total += count
    labelled_first, first = bool(task.flag("init_fp")), inputs.section("init_fp_confs")
    initial = "explore"
    if distils:
        task.ignore("the teacher labels what was explored", "init_fp")
        first.ignore("the teacher labels what was explored", "prefix", "confs_paths", "files", "fmt")
    elif labelled_first:
        initial = "label"
        structures += [entry for entry in _files(first, folder) if entry not in structures]
        task.say("finetune.initial", "init_fp; all structures are labelled, those of init_confs too")
    else:
        first.ignore("init_fp is false", "confs_paths", "files")
        first.seen("prefix", "fmt")
    return Starts(structures, frames, _data(inputs, task, distils=distils), initial)


def _files(confs: OldSection, folder: Path) -> list[dict[str, Any]]:
    """Entries of ``structures`` for a list of files, in which patterns are written out."""
    prefix, kind = confs.text("prefix") or "", confs.text("fmt")
    if kind is not None and kind.startswith("deepmd"):
        confs.refuse("fmt", f"structures of {kind!r} are not read here: convert them to extended XYZ")
    form = {} if kind is None else {"format": FORMATS.get(kind, kind)}
    paths = [_joined(prefix, path) for path in confs.listed(str, "confs_paths", "files")]
    confs.ignore("download the files, and name them in confs_paths", "confs_uri")
    return [{"file": path, **form} for pattern in paths for path in _matching(folder, pattern)]


def _joined(prefix: str, path: str) -> str:
    try:
        return (Path(prefix) / path).as_posix()
    except ValueError:
        return path


def _matching(folder: Path, pattern: str) -> list[str]:
    """The files that a pattern names, relative to the folder; the pattern itself if it is none, or matches nothing."""
    if not any(sign in pattern for sign in "*?[") or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        return [pattern]
    try:
        found = sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_file())
    except (ValueError, NotImplementedError, OSError):
        return [pattern]
    return found or [pattern]


def _count(folder: Path, entry: dict[str, Any]) -> int:
    """How many frames a structure file holds; 1 if it cannot be read, of which the check of the input tells."""
    from pfd.frames.structures import read_starting

    try:
        return len(read_starting(folder / entry["file"], entry.get("format")))
    except (PFDError, OSError, ValueError):
        return 1


def _data(inputs: OldSection, task: OldSection, *, distils: bool) -> list[dict[str, Any]]:
    """Labelled sets, which fine-tuning trains on before it explores."""
    prefix = inputs.text("init_data_prefix") or ""
    files = [_joined(prefix, path) for path in inputs.listed(str, "init_data_sys")]
    first = task.flag("init_train")
    inputs.ignore("download the sets, and name them in init_data_sys", "init_data_uri")
    if distils and files:
        inputs.record.ignored.append(
            f"{inputs.named('init_data_sys')}: a student is fitted to the teacher's labels alone"
        )
        return []
    if files and not first:
        inputs.say("data", "init_data_sys; they are trained on before exploring, whatever init_train says")
    elif files:
        inputs.say("data", "init_data_sys, and init_train")
    elif first:
        task.ignore("there is nothing labelled to train on before exploring", "init_train")
    return [{"file": file} for file in files]
