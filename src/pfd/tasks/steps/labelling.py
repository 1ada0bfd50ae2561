"""Steps of labelling: label one frame, accept labels by the rules, and collect them into the data."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.frames import labels_of, read_frames, with_labels, write_frames
from pfd.tasks.context import TaskContext

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.label.labeler import AcceptanceRules, Labeler
    from pfd.label.record import LabelRecord


def label(task: TaskContext) -> dict[str, Any]:
    """Parameters settings, level (and what else makes it another label); inputs frame, model or stored0... if needed.

    Output: label, a folder of labelled.extxyz (one frame, or none without a sound label) and label.json, a
    ``LabelRecord``. Acceptance rules play no part here: see ``accept``. What the labeler leaves in its folder stays in
    the attempt, under ``evidence``. Measured: label_seconds.
    """
    from pfd.label.evidence import remove_private
    from pfd.label.judge import record_label

    frame = without_beside(read_frames(task.input("frame"))[0])
    labeler = _labeler(task)
    for left in task.left_beside("evidence"):
        remove_private(left, labeler.private)
    began = time.perf_counter()
    evidence = task.beside("evidence")
    evidence.mkdir()
    try:
        record, labels = record_label(labeler, frame, evidence)
    finally:
        if not any(evidence.iterdir()):
            evidence.rmdir()
    seconds = time.perf_counter() - began
    folder = task.out("label")
    folder.mkdir()
    write_frames(folder / "labelled.extxyz", [with_labels(frame, labels)] if labels is not None else [])
    _write_json(folder / "label.json", record.model_dump(mode="json"))
    return {"label_seconds": seconds, "scf_steps": record.scf_steps}


def accept(task: TaskContext) -> None:
    """Parameters accept (the rules); inputs label0..., as ``label`` leaves them.

    A task of its own, so that rules which let the same labels pass change nothing that comes after: its output is the
    same. Outputs: label, a folder of labelled.extxyz (the accepted ones) and rejected.json (frame id -> what is wrong);
    reasons.json, the same with what to try; flagged.json, accepted frames -> what is doubtful about them.
    """
    from pfd.label.labeler import AcceptanceRules
    from pfd.label.magnetic_state import magnetic_problem

    rules = AcceptanceRules.model_validate(task.parameters["accept"])
    accepted: list[Atoms] = []
    reasons: dict[str, str] = {}
    flagged: dict[str, str] = {}
    for path in task.inputs("label"):
        record = read_record(path)
        reason = verdict(record, rules)
        if reason:
            reasons[record.id] = reason
            continue
        doubt = "" if record.measures is None else magnetic_problem(record.measures)
        if doubt:
            flagged[record.id] = doubt
        for frame in read_frames(path / "labelled.extxyz"):
            if record.notes:
                frame.info["label_notes"] = ", ".join(f"{key} {value}" for key, value in sorted(record.notes.items()))
            if doubt:
                frame.info["label_magnetic_state"] = doubt
            for key, value in record.extra.items():
                if isinstance(value, list):
                    frame.set_array(f"label_{key}", np.array(value))
                else:
                    frame.info[f"label_{key}"] = value
            accepted.append(frame)
    folder = task.out("label")
    folder.mkdir()
    write_frames(folder / "labelled.extxyz", accepted)
    _write_json(folder / "rejected.json", {name: reason.splitlines()[0] for name, reason in reasons.items()})
    task.write("reasons.json", reasons)
    task.write("flagged.json", flagged)


def read_record(folder: Path) -> LabelRecord:
    """The record in the output folder of a ``label`` task."""
    from pfd.label.record import LabelRecord

    return LabelRecord.model_validate_json((folder / "label.json").read_text(encoding="utf-8"))


def verdict(record: LabelRecord, rules: AcceptanceRules) -> str:
    """Why a label is not accepted; nothing if it is."""
    from pfd.errors import LabelRejected
    from pfd.label.judge import require_accepted

    if record.measures is None:
        return record.reason
    try:
        require_accepted(record.measures, rules, f"frame {record.id}")
    except LabelRejected as rejected:
        return str(rejected)
    return ""


def level_of_model(folder: Path) -> str:
    """The level of theory of labels that a model gives."""
    from pfd.models.family import model_digest

    return f"model:{model_digest(folder)[:12]}"


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def _labeler(task: TaskContext) -> Labeler:
    from pfd.label.labeler import make_labeler

    labeler = make_labeler(task.parameters["settings"])
    if task.has("model"):
        from pfd.models.device import device_for
        from pfd.models.family import read_model
        from pfd.models.training import make_family

        folder = task.input("model")
        family = make_family(read_model(folder).card.family)
        labeler.use_model(family.calculator(folder, device_for(family, task.device)), level_of_model(folder))
    if stored := task.inputs("stored"):
        labeler.use_files(stored)
    return labeler


def collect(task: TaskContext) -> None:
    """Parameters valid_fraction, seed; inputs selected, label0... (of ``accept``), the earlier train, valid, extra0....

    Further inputs: test, the fixed test set, and held0..., those of other loops, whose frames (and near twins) are kept
    out of train and valid; seen0..., data that has been trained on, whose frames are kept out of new: that is how a
    test set is made; beside0..., data that is trained on beside this, whose frames (and near twins) validate nothing.

    Outputs: new.extxyz (accepted), train.extxyz, valid.extxyz (earlier and new), rejected.extxyz, counts.json.
    A frame keeps its side for ever, and so does its trajectory: later frames of it (of a pool, or of labels that an
    earlier input left) follow. One that came alone was cut in two, and keeps its cut.
    """
    selected = read_frames(task.input("selected")) if task.has("selected") else []
    new, rejected = _accepted_and_not(task, selected)
    train = read_frames(task.input("train")) if task.has("train") else []
    valid = read_frames(task.input("valid")) if task.has("valid") else []
    new, in_training = _without(new, [frame for path in task.inputs("seen") for frame in read_frames(path)])
    brought = [frame for path in task.inputs("extra") for frame in read_frames(path)]
    test = read_frames(task.input("test")) if task.has("test") else []
    test += [frame for path in task.inputs("held") for frame in read_frames(path)]
    beside = [frame for path in task.inputs("beside") for frame in read_frames(path)]
    held: list[str] = []
    for frames in (brought, new):
        apart, twins = _without(frames, test)
        held += twins
        free, learnt = _without(apart, beside)
        bound = [frame for frame in apart if frame.info["id"] in set(learnt)]
        train = train + _split(bound, train, valid, 0.0, task.seed)[0]
        more_train, more_valid = _split(free, train, valid, task.parameters["valid_fraction"], task.seed)
        train, valid = train + more_train, valid + more_valid
    write_frames(task.out("new.extxyz"), new)
    write_frames(task.out("train.extxyz"), train)
    write_frames(task.out("valid.extxyz"), valid)
    write_frames(task.out("rejected.extxyz"), rejected)
    task.write(
        "counts.json",
        {
            "asked": len(selected),
            "accepted": len(new) + len(in_training),
            "new": len(new),
            "rejected": len(rejected),
            "train": len(train),
            "valid": len(valid),
            "reasons": {frame.info["id"]: frame.info["rejected"] for frame in rejected},
            "held_for_test": sorted(set(held)),
            "in_training": in_training,
        },
    )


def origins(task: TaskContext) -> None:
    """Inputs label (of ``accept``), selected0... (where its frames were chosen), test0... (what may be tested on).

    Output: selected.extxyz, the accepted frames with the origin that they were chosen with; those whose origin is not
    known, or whose trajectory may be tested on, are left out.
    """
    from pfd.frames.split import trajectory_of

    accepted = {frame.info["id"] for frame in read_frames(task.input("label") / "labelled.extxyz")}
    tested = {trajectory_of(frame) for path in task.inputs("test") for frame in read_frames(path)} - {""}
    found = {
        frame.info["id"]: frame
        for path in task.inputs("selected")
        for frame in read_frames(path)
        if frame.info["id"] in accepted and trajectory_of(frame) not in tested
    }
    write_frames(task.out("selected.extxyz"), [found[name] for name in sorted(found)])


def overlap(task: TaskContext) -> None:
    """Inputs frames, and seen0... (data that was trained on).

    Outputs: apart.extxyz, the frames that are not in the data, nor nearly so; overlap.json, the ids of the others.
    """
    frames = read_frames(task.input("frames"))
    apart, twins = _without(frames, [frame for path in task.inputs("seen") for frame in read_frames(path)])
    write_frames(task.out("apart.extxyz"), apart)
    task.write("overlap.json", {"frames": len(frames), "in_training": twins})


def _accepted_and_not(task: TaskContext, selected: list[Atoms]) -> tuple[list[Atoms], list[Atoms]]:
    """The selected frames with their labels, and those without a label, with the reason in their info."""
    labelled: dict[str, Atoms] = {}
    reasons: dict[str, str] = {}
    for path in task.inputs("label"):
        labelled |= {frame.info["id"]: frame for frame in read_frames(path / "labelled.extxyz")}
        reasons |= json.loads((path / "rejected.json").read_text(encoding="utf-8"))
    accepted, rejected = [], []
    for frame in selected:
        name = frame.info["id"]
        if name in labelled:
            accepted.append(with_labels(without_beside(frame), labels_of(labelled[name])))
            _keep_beside(labelled[name], accepted[-1])
        else:
            frame.info["rejected"] = reasons.get(name, "not labelled: its task did not finish, or the budget was spent")
            rejected.append(frame)
    return accepted, rejected


def without_beside(frame: Atoms) -> Atoms:
    """A copy without what stands beside labels that it brought along: that is of another calculation."""
    copy = frame.copy()
    copy.info = {key: value for key, value in frame.info.items() if not key.startswith("label_")}
    for key in [key for key in copy.arrays if key.startswith("label_")]:
        del copy.arrays[key]
    return copy


def _keep_beside(labelled: Atoms, frame: Atoms) -> None:
    """Copy what stands beside the labels under ``label_...``: notes, and what else the engine said."""
    frame.info |= {key: value for key, value in labelled.info.items() if key.startswith("label_")}
    frame.arrays |= {key: value for key, value in labelled.arrays.items() if key.startswith("label_")}


def _without(frames: list[Atoms], known: list[Atoms]) -> tuple[list[Atoms], list[str]]:
    """The frames that are not among the known ones, by id or geometry, and the ids of those that are."""
    from pfd.frames.fingerprint import overlap as twins_in

    twins = {twin.frame for twin in twins_in(known, frames)} if known else set()
    return [frame for frame in frames if frame.info["id"] not in twins], sorted(twins)


def _split(
    frames: list[Atoms], train: list[Atoms], valid: list[Atoms], fraction: float, seed: int
) -> tuple[list[Atoms], list[Atoms]]:
    """Training and validation part of the new frames; those that are there already, or stand twice, are left out."""
    from pfd.frames.split import follow_trajectories, split_for_validation

    known = {frame.info["id"] for frame in [*train, *valid]}
    fresh = list({frame.info["id"]: frame for frame in frames if frame.info["id"] not in known}.values())
    if fraction <= 0.0:
        return fresh, []
    to_train, to_valid, unknown = follow_trajectories(fresh, train, valid)
    if len(unknown) < 2:
        if valid or len(fresh) < 2:
            return [*to_train, *unknown], to_valid
        to_train, unknown = [], fresh  # there is no validation yet: this is what it can be made of
    more_train, more_valid = split_for_validation(unknown, fraction, seed, learnt=[*train, *to_train])
    return to_train + more_train, to_valid + more_valid
