"""MACE's own training (``mace_run_train``), for experts who bring its native file; its model comes back as ours."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import DataError, TaskFailed
from pfd.frames import labels_of, require_labels, trainable_stress
from pfd.models.family import EpochRecord, Progress, TrainingReport, require_elements
from pfd.models.mace_adoption import adopt_checkpoint
from pfd.models.mace_checkpoint import Checkpoint
from pfd.models.mace_heads import NEW_HEAD, single_head
from pfd.models.mace_module import write_module
from pfd.models.mace_settings import SHARED_KEYS, MACEFineTuneSettings

if TYPE_CHECKING:
    from ase import Atoms

NAME, HEAD = "tuned", "Default"
"""The run's name, and the head that the package gives to the data of a run that names none."""
REPLAYED_HEAD = "pt_head"
"""The package's name of the head that keeps to the data of the pre-training."""


def train_natively(
    checkpoint: Checkpoint,
    train: Sequence[Atoms],
    valid: Sequence[Atoms],
    settings: MACEFineTuneSettings,
    seed: int,
    progress: Progress,
    device: str,
) -> tuple[Checkpoint, TrainingReport]:
    """Run the package's training in a scratch folder, by this interpreter, and read its model and its results.

    Labels are given less the energies of the free atoms, which are zero in the run: in the package's single precision
    large totals would lose digits.

    Raises:
        DataError: if labels or validation frames are lacking, or there are fewer frames than a batch holds.
        ModelError: if there is an element that the model does not know.
        TaskFailed: if the training ends without a model; the hint holds its last words.
    """
    require_labels([*train, *valid], where="training set")
    require_elements([*train, *valid], checkpoint.elements, "training set")
    if not valid:
        raise DataError(
            "MACE's own training needs validation frames", where="training set", hint="raise valid_fraction"
        )
    with tempfile.TemporaryDirectory(prefix="mace-") as name:
        scratch = Path(name)
        keys = _prepare(scratch, checkpoint, train, valid, settings, seed, device)
        if keys["batch_size"] > len(train):
            what = (
                f"batch_size {keys['batch_size']} is more than the {len(train)} training frames: nothing would be done"
            )
            raise DataError(what, where="settings_file", hint="lower batch_size in the file")
        _run(scratch, int(keys["max_num_epochs"]), progress)
        curve = dict(_curve(_records(scratch)))
        kept = curve.get(_kept_epoch(scratch))
        report = TrainingReport(curve=tuple(curve.values()), best_step=0 if kept is None else kept.step)
        found = adopt_checkpoint(_model_file(scratch), trust_file=True)
    return _with_energies(found, checkpoint), report


def _prepare(
    scratch: Path,
    checkpoint: Checkpoint,
    train: Sequence[Atoms],
    valid: Sequence[Atoms],
    settings: MACEFineTuneSettings,
    seed: int,
    device: str,
) -> dict[str, Any]:
    """Write data, model and the native file, ours laid over the user's; returns the file's content."""
    import torch
    import yaml

    assert settings.settings_file is not None
    single = single_head(checkpoint)
    replayed = "pt_train_file" in settings.settings_file
    # The energies given as E0s do not reach the model if it has as many heads as before: those of the file stay.
    energies = single.adopted_eV if replayed else torch.zeros_like(single.adopted_eV)
    write_module(replace(single, energies_eV=energies), scratch / "foundation.model")
    for frames, file in ((train, "train.xyz"), (valid, "valid.xyz")):
        _write(scratch / file, frames, single)
    numbers: list[int] = checkpoint.config["atomic_numbers"]
    shared = {key: getattr(settings, name) for name, key in SHARED_KEYS.items()}
    ours = {
        "name": NAME,
        "seed": seed,
        "device": device,
        "default_dtype": str(checkpoint.weights["scale_shift.scale"].dtype).removeprefix("torch."),
        "model": "ScaleShiftMACE",
        "train_file": "train.xyz",
        "valid_file": "valid.xyz",
        "energy_key": "REF_energy",
        "forces_key": "REF_forces",
        "stress_key": "REF_stress",
        "E0s": repr(dict.fromkeys(numbers, 0.0)),
        "foundation_model": "foundation.model",
        "foundation_model_elements": True,
        "multiheads_finetuning": replayed,
        "plot": False,
    }
    keys = shared | settings.settings_file | ours
    (scratch / "run.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")
    return keys


def _write(path: Path, frames: Sequence[Atoms], checkpoint: Checkpoint) -> None:
    from ase.io import write

    numbers: list[int] = checkpoint.config["atomic_numbers"]
    energies = dict(zip(numbers, checkpoint.energies_eV[0].tolist(), strict=True))
    bare = []
    for frame in frames:
        labels, stress = labels_of(frame), trainable_stress(frame)
        copy = frame.__class__(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
        copy.info["REF_energy"] = float(labels.energy or 0.0) - sum(energies[number] for number in frame.numbers)
        copy.arrays["REF_forces"] = np.asarray(labels.forces)
        if stress is not None:
            copy.info["REF_stress"] = np.asarray(stress)
        bare.append(copy)
    write(path, bare, format="extxyz")


def _run(scratch: Path, epochs: int, progress: Progress) -> None:
    """Start the package's program, tell how far it is, and end it if we are ended."""
    command = [sys.executable, "-m", "mace.cli.run_train", "--config", "run.yaml"]
    log = scratch / "output.txt"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=scratch, stdout=stream, stderr=subprocess.STDOUT)
    try:
        while True:
            try:
                code = process.wait(timeout=1.0)
                break
            except subprocess.TimeoutExpired:
                done = len({record["epoch"] for record in _records(scratch) if record["mode"] == "opt"})
                progress(done / (epochs + 1), f"epoch {done} of {epochs} of MACE's own training")
    finally:
        process.kill()
    if code:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        hint = f"it said: {''.join(last)}"
        raise TaskFailed(f"MACE's own training ended with code {code}", where="settings_file", hint=hint)


def _model_file(scratch: Path) -> Path:
    """The model of the last stage."""
    for name in (f"{NAME}_stagetwo.model", f"{NAME}.model"):
        if (scratch / name).is_file():
            return scratch / name
    raise TaskFailed("MACE's own training left no model", where="settings_file", hint="report the file that you used")


def _records(scratch: Path) -> list[dict[str, Any]]:
    """The lines of its results file that are whole."""
    files = sorted(scratch.glob("results/*_train.txt"))
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines(keepends=True)]
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _kept_epoch(scratch: Path) -> int:
    """The epoch whose weights the package kept, of the last stage; it stands in the name of its checkpoint."""
    names = [path.stem for path in scratch.glob("checkpoints/*_epoch-*.pt")]
    last_stage = [name for name in names if name.endswith("_swa")] or names
    return max((int(name.removesuffix("_swa").rpartition("-")[2]) for name in last_stage), default=-1)


def _curve(records: Sequence[dict[str, Any]]) -> Iterator[tuple[int, EpochRecord]]:
    """Its results by epoch: the mean loss of the epoch's steps, and the errors on our validation frames."""
    steps = 0
    losses: list[float] = []
    for record in records:
        if record["mode"] == "opt":
            steps += 1
            losses.append(record["loss"])
        elif losses and record["head"] == HEAD:
            yield (
                record["epoch"],
                EpochRecord(
                    step=steps,
                    loss=float(np.mean(losses)),
                    valid_force_rmse_eV_per_A=record["rmse_f"],
                    valid_energy_rmse_eV_per_atom=record["rmse_e_per_atom"],
                ),
            )
            losses = []


def _with_energies(found: Checkpoint, before: Checkpoint) -> Checkpoint:
    """The trained weights with our energies of the free atoms and our names of the heads.

    A replay of the package's leaves two heads: that of the pre-training keeps the energies that it came with.
    """
    import torch

    row = before.heads.index(before.head)
    replayed = REPLAYED_HEAD in found.heads
    tuned = NEW_HEAD if replayed else before.head
    names = {HEAD: tuned, REPLAYED_HEAD: before.head}
    energies = {HEAD: before.energies_eV[row], REPLAYED_HEAD: before.adopted_eV[row]}
    return replace(
        found,
        config=found.config | {"heads": [names[head] for head in found.heads]},
        energies_eV=torch.stack([energies[head] for head in found.heads]),
        adopted_eV=torch.stack([before.adopted_eV[row]] * len(found.heads)),
        head=tuned,
        kept_head=before.head if replayed else None,
    )
