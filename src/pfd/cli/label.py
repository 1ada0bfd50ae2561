"""``pfd label``: label a file of frames, with progress, and say what was accepted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pfd.api import EXIT_CODES
from pfd.cli.detach import in_background
from pfd.cli.hints import hints
from pfd.cli.labels_option import HINTS
from pfd.cli.out_file import require_extended_xyz, require_new, require_writable
from pfd.cli.progress import Follower, display_for
from pfd.cli.run_argument import LABELS_SUFFIX
from pfd.config.label_check import check_labels, labels_by_method, labels_of_input
from pfd.errors import SettingError
from pfd.frames import read_frames
from pfd.frames.outside import read_outside
from pfd.frames.sane import require_sane
from pfd.report.rejections import by_kind
from pfd.wording import counted
from pfd.workflow.driver_lock import driver_lock
from pfd.workflow.label_file import FileLabels, Order, label_file
from pfd.workflow.run_folder import NAME_FILE, take_folder

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.engines.engine import Progress


@dataclass(frozen=True)
class LabelOptions:
    """The options of ``pfd label``.

    Attributes:
        input_file, method: one of them says how to label.
        out: file for the labelled frames.
        file_format: of the frames, where the name does not tell it.
        overrides: keys to set.
        as_json: print JSON.
    """

    input_file: Path | None
    method: str | None
    out: Path
    file_format: str | None = None
    overrides: Sequence[str] = ()
    as_json: bool = False


def label_and_show(frames: Path, options: LabelOptions) -> int:
    """Label the frames; returns the exit code: 0 all labelled, 3 some were not, 4 labels by hand are missing.

    Raises:
        InputError, MissingError: before anything is started.
        RunError: if the folder beside the output is in use, or something else.
        TaskFailed: if no label could be made.
    """
    folder = options.out.with_suffix(LABELS_SUFFIX)
    if folder == options.out:
        hint = "name a file, such as labelled.extxyz"
        raise SettingError(
            f"a name that ends in {LABELS_SUFFIX} is that of the folder beside it", where="--out", hint=hint
        )
    if (folder / NAME_FILE).is_file():
        require_writable(options.out, [frames], "--out")
    else:
        require_new(options.out, "--out")
        require_extended_xyz(options.out, "--out")
    with hints(HINTS):
        found = read_outside(frames, options.file_format, needs_labels=False)
    require_sane(found.frames, str(frames))
    _require_same_frames(options.out, found.frames)
    order = _order(frames, options)
    check_labels(order.resolved, found.frames)
    take_folder(folder, options.out.stem)
    display = display_for(Console(stderr=True))
    follower = Follower(display)

    def watch(_place: str, _progress: Progress) -> None:
        follower.tick()

    with driver_lock(folder), display:
        in_background(folder.resolve())
        follower.follow(folder)
        try:
            labels = label_file(order, folder.resolve(), options.out, watch)
        finally:
            follower.tick(now=True)
    _show(labels, folder, options)
    return EXIT_CODES[labels.status]


def _require_same_frames(out: Path, frames: Sequence[Atoms]) -> None:
    """Refuse to write over labels of other frames.

    Raises:
        SettingError
    """
    there = {frame.info["id"] for frame in read_frames(out)} if out.is_file() else set()
    if others := there - {frame.info["id"] for frame in frames}:
        what = f"it holds labels of {counted(len(others), 'frame')} that are not to be labelled now"
        raise SettingError(what, where=f"--out {out}", hint="name another file, or remove it")


def _order(frames: Path, options: LabelOptions) -> Order:
    if (options.input_file is None) == (options.method is None):
        what = "two ways to label are named" if options.method else "nothing says how to label"
        raise SettingError(what, where="--input", hint="name an input, --input FILE, or a labeler, --method tblite")
    if options.input_file is not None:
        resolved, file = labels_of_input(options.input_file, options.overrides), options.input_file
    else:
        assert options.method is not None
        resolved, file = labels_by_method(options.method, frames, options.overrides), frames
    return Order(resolved, file, frames, options.file_format)


def _show(labels: FileLabels, folder: Path, options: LabelOptions) -> None:
    rejected = labels.rejected or {}
    if options.as_json:
        content = {
            "status": {"converged": "done", "not_converged": "some rejected"}.get(labels.status, labels.status),
            "message": labels.message,
            "frames": labels.frames,
            "accepted": labels.accepted,
            "rejected": rejected,
            "left_out": list(labels.left_out),
            "out": str(options.out) if labels.rejected_file is not None else None,
            "folder": str(folder),
        }
        print(json.dumps(content, indent=1))
        return
    if labels.message:
        print(f"waiting (exit code 4): {labels.message}")
        return
    twice = f" ({counted(labels.twice, 'frame')} stood there twice)" if labels.twice else ""
    print(f"{options.out}: {labels.accepted} of {counted(labels.frames, 'frame')} labelled{twice}")
    for like in by_kind(rejected.values()).values():
        such = ", such as this one" if len(like) > 1 else ""
        print(f"  {len(like)} rejected{such}: " + like[0].replace("\n", "\n  "))
    for reason in labels.left_out:
        print(f"  left out: {reason}")
    if rejected:
        print(f"  those frames: {labels.rejected_file} (exit code 3)")
    print(f"tasks and logs: {folder}; the same command goes on where it was")
