"""Steps of labelling: label one frame, and collect labels into training, validation and rejected frames."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pfd.errors import LabelRejected
from pfd.frames import labels_of, read_frames, with_labels, write_frames
from pfd.tasks.context import TaskContext

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.label.labeler import Labeler


def label(task: TaskContext) -> None:
    """Parameters settings; inputs frame, and model or stored0... where the labeler needs it.

    Output: label, a folder of labelled.extxyz (one frame, or none if rejected) and label.json.
    """
    from pfd.label.judge import label_frame

    frame = read_frames(task.input("frame"))[0]
    labeler = _labeler(task)
    note = {"id": frame.info["id"], "accepted": True, "reason": "", "level": labeler.level_of_theory()}
    folder = task.out("label")
    folder.mkdir()
    try:
        labelled = [with_labels(frame, label_frame(labeler, frame, task.scratch))]
    except LabelRejected as rejected:
        labelled = []
        note |= {"accepted": False, "reason": str(rejected)}
    write_frames(folder / "labelled.extxyz", labelled)
    (folder / "label.json").write_text(json.dumps(note, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _labeler(task: TaskContext) -> Labeler:
    from pfd.label.labeler import make_labeler

    labeler = make_labeler(task.parameters["settings"])
    if task.has("model"):
        from pfd.models.device import device_for
        from pfd.models.family import model_digest, read_model
        from pfd.models.training import make_family

        folder = task.input("model")
        family = make_family(read_model(folder).card.family)
        labeler.use_model(
            family.calculator(folder, device_for(family, task.device)), f"model:{model_digest(folder)[:12]}"
        )
    if stored := task.inputs("stored"):
        labeler.use_files(stored)
    return labeler


def collect(task: TaskContext) -> None:
    """Parameters valid_fraction, seed; inputs selected, label0..., and the earlier train, valid, extra0....

    Outputs: new.extxyz (accepted), train.extxyz, valid.extxyz (earlier and new), rejected.extxyz, counts.json.
    A frame keeps its side for ever, and whole trajectories go to one side.
    """
    accepted: dict[str, Atoms] = {}
    for path in task.inputs("label"):
        for frame in read_frames(path / "labelled.extxyz"):
            accepted[frame.info["id"]] = frame
    selected = read_frames(task.input("selected")) if task.has("selected") else []
    new, rejected = [], []
    reasons = _reasons(task)
    for frame in selected:
        name = frame.info["id"]
        if name in accepted:
            new.append(with_labels(frame, labels_of(accepted[name])))
        else:
            frame.info["rejected"] = reasons.get(name, "the task that labels it did not finish").splitlines()[0]
            rejected.append(frame)
    train = read_frames(task.input("train")) if task.has("train") else []
    valid = read_frames(task.input("valid")) if task.has("valid") else []
    brought = [frame for path in task.inputs("extra") for frame in read_frames(path)]
    for frames in (brought, new):
        more_train, more_valid = _split(frames, train, valid, task.parameters["valid_fraction"], task.seed)
        train, valid = train + more_train, valid + more_valid
    write_frames(task.out("new.extxyz"), new)
    write_frames(task.out("train.extxyz"), train)
    write_frames(task.out("valid.extxyz"), valid)
    write_frames(task.out("rejected.extxyz"), rejected)
    task.write(
        "counts.json",
        {
            "asked": len(selected),
            "accepted": len(new),
            "rejected": len(rejected),
            "train": len(train),
            "valid": len(valid),
            "reasons": {frame.info["id"]: frame.info["rejected"] for frame in rejected},
        },
    )


def _reasons(task: TaskContext) -> dict[str, str]:
    notes = [json.loads((path / "label.json").read_text(encoding="utf-8")) for path in task.inputs("label")]
    return {note["id"]: note["reason"] for note in notes if not note["accepted"]}


def _split(
    frames: list[Atoms], train: list[Atoms], valid: list[Atoms], fraction: float, seed: int
) -> tuple[list[Atoms], list[Atoms]]:
    """Training and validation part of the new frames; those that are there already, or stand twice, are left out."""
    from pfd.frames.split import split_by_trajectory

    known = {frame.info["id"] for frame in [*train, *valid]}
    fresh = list({frame.info["id"]: frame for frame in frames if frame.info["id"] not in known}.values())
    if fraction <= 0.0 or len(fresh) < 2:
        return fresh, []
    return split_by_trajectory(fresh, fraction, seed, gap=0.0)  # a gap would throw paid labels away
