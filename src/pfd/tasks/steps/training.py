"""Steps that need a model's own packages: adopt, train, predict, time."""

from __future__ import annotations

from typing import Any

from pfd.errors import TaskFailed
from pfd.frames import read_frames, write_frames
from pfd.frames.split import part_of
from pfd.models.device import device_for
from pfd.models.environment import require_family
from pfd.models.family import read_model
from pfd.models.training import adopt_model, fine_tune_model, fit_model, make_family, predict_frames
from pfd.plugins import missing_modules
from pfd.tasks.context import TaskContext

MEMBER_SHARE = 0.8
"""Part of the frames that a member of a committee is trained on: a linear student has no other source of doubt."""


def adopt(task: TaskContext) -> dict[str, Any]:
    """Parameters family, source, head; optional input checkpoint. Output: model."""
    family = make_family(task.parameters["family"])
    require_family(family)
    source = str(task.input("checkpoint")) if task.has("checkpoint") else task.parameters["source"]
    folder = task.out("model")
    folder.mkdir()
    model = adopt_model(family, source, task.parameters["head"], folder, task.parameters.get("trust_file", False))
    return {"card": model.card.model_dump(mode="json")}


def train(task: TaskContext) -> dict[str, Any]:
    """Parameters family, mode (fine_tune | fit), settings, seed, member (of a committee); inputs model, train, valid.

    Outputs: model, training.json. A member of a committee is trained on a part of the frames. Input labels, parameter
    label_times: further frames to train on, each of which counts so many times.
    """
    family = make_family(task.parameters["family"])
    train_frames, valid_frames = read_frames(task.input("train")), read_frames(task.input("valid"))
    labels = read_frames(task.input("labels")) if task.has("labels") else []
    if "member" in task.parameters:
        kept = set(map(id, part_of([*train_frames, *labels], MEMBER_SHARE, task.seed)))
        train_frames, labels = ([frame for frame in part if id(frame) in kept] for part in (train_frames, labels))
    train_frames += task.parameters["label_times"] * labels if labels else []
    device = device_for(family, task.device)
    folder = task.out("model")
    folder.mkdir()
    if task.parameters["mode"] == "fine_tune":
        assert family.FineTuneSettings is not None
        named = {name: str(task.input(name)) for name in task.parameters["settings"] if task.has(name)}
        settings = family.FineTuneSettings.model_validate(task.parameters["settings"] | named)
        report = fine_tune_model(
            task.input("model"), train_frames, valid_frames, settings, task.seed, folder, task.progress, device
        )
    else:
        assert family.FitSettings is not None
        settings = family.FitSettings.model_validate(task.parameters["settings"])
        report = fit_model(family, train_frames, valid_frames, settings, task.seed, folder, task.progress, device)
    task.write("training.json", report.model_dump(mode="json"))
    return {"device": device}


def predict(task: TaskContext) -> dict[str, Any]:
    """Inputs model, frames. Output: predictions.extxyz, the same frames with the model's labels."""
    frames, folder = read_frames(task.input("frames")), task.input("model")
    device = device_for(make_family(read_model(folder).card.family), task.device)
    write_frames(task.out("predictions.extxyz"), predict_frames(folder, frames, task.progress, device))
    return {"device": device}


def time_steps(task: TaskContext) -> dict[str, Any]:
    """Inputs model, frames (the first is repeated); parameters atoms. Measured: us_per_atom_step and the anchor's.

    A model that cannot be timed is no reason to lose what a run has found: us_per_atom_step is None, failed says why.
    """
    from pfd.models.speed import anchor_speed_us, calculator_speed_us, lammps_speed_us

    folder = task.input("model")
    family = make_family(read_model(folder).card.family)
    frame = read_frames(task.input("frames"))[0]
    atoms = task.parameters["atoms"]
    potential = family.lammps_potential(folder)
    measured: dict[str, Any] = {}
    try:
        if potential is not None:
            speed = lammps_speed_us(potential, frame, atoms=atoms)
        else:
            speed = calculator_speed_us(family.calculator(folder), frame, atoms=atoms)
        measured["us_per_atom_step"] = speed
    except TaskFailed as error:
        measured |= {"us_per_atom_step": None, "failed": str(error)}
    if not missing_modules(("lammps",)):
        measured["anchor_us_per_atom_step"] = anchor_speed_us(atoms=atoms)
    return measured
