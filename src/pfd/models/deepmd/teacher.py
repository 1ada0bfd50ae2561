"""Pre-trained DeePMD models of the PyTorch backend: which can be used, and their fine-tuning."""

from __future__ import annotations

import copy
import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.errors import ModelError
from pfd.models.deepmd.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint
from pfd.models.deepmd.potential import EMPTY_A, DeePMDPotential
from pfd.models.deepmd.settings import DeePMDFineTuneSettings
from pfd.models.deepmd.training_data import write_data
from pfd.models.deepmd.training_input import CHECKPOINTS, INPUT, training_input
from pfd.models.deepmd.training_run import run_dp
from pfd.models.family import EpochRecord, Progress, TrainingReport
from pfd.models.torch_loss import LossSettings, prepare
from pfd.models.torch_training import evaluate

if TYPE_CHECKING:
    from ase import Atoms

SHIFTS = "atomic_model.out_bias"
"""The energy of each type, eV, of shape (1, types, 1) in float64."""
PARTS = {"descriptor": "descriptor", "fitting": "fitting_net"}
"""Sections of the ``model`` input by the names of the settings."""


def usable(checkpoint: Checkpoint, where: str) -> Checkpoint:
    """The checkpoint, if this family can use it: one network for energies that asks for nothing but positions.

    Attention layers of DPA-1 that are not smooth, in single precision, give forces that are wrong by orders of
    magnitude in some frames: padded neighbours at zero distance are normalised there, and what cancels in double
    precision does not in single. Such a descriptor is computed in double precision instead, with the same weights.

    Raises:
        ModelError: if it cannot be used.
    """
    parameters = checkpoint.parameters
    kind = (parameters.get("fitting_net") or {}).get("type", "ener")
    if kind != "ener" or "spin" in parameters or SHIFTS not in checkpoint.weights:
        what = "spin" if "spin" in parameters else f"{parameters.get('type', 'standard')}, {kind}"
        raise ModelError(
            f"a DeePMD model of this type is not supported ({what})",
            where=where,
            hint="give one with a single network for the energy",
        )
    descriptor = parameters.get("descriptor") or {}
    rough = descriptor.get("attn_layer", 2) and not descriptor.get("smooth_type_embedding", False)
    if (
        descriptor.get("type") in {"dpa1", "se_atten"}
        and rough
        and descriptor.get("precision") in {"float32", "float16"}
    ):
        parameters = parameters | {"descriptor": descriptor | {"precision": "float64"}}
        return dataclasses.replace(checkpoint, parameters=parameters)
    return checkpoint


def require_plain(module: Any, where: str) -> None:
    """Refuse a network that needs parameters of the frame or of atoms besides positions.

    Raises:
        ModelError: naming what it needs.
    """
    needs = []
    if module.get_dim_fparam() and not module.has_default_fparam():
        needs.append("frame parameters (fparam)")
    if module.get_dim_aparam():
        needs.append("atomic parameters (aparam)")
    if module.has_chg_spin_ebd() and not module.has_default_chg_spin():
        needs.append("charge and spin")
    if needs:
        raise ModelError(f"the model needs {' and '.join(needs)}, which frames do not carry", where=where)


def shifted(checkpoint: Checkpoint, shift_eV: dict[str, float]) -> Checkpoint:
    """The checkpoint with a constant energy added to each atom of an element, eV.

    Raises:
        ModelError: if an element is none of its types.
    """
    types = checkpoint.parameters["type_map"]
    unknown = sorted({*shift_eV} - {*types})
    if unknown:
        raise ModelError(f"the model holds no energy of its own for {', '.join(unknown)}", where=CHECKPOINT)
    energies = checkpoint.weights[SHIFTS].clone()
    for symbol, energy in shift_eV.items():
        energies[0, types.index(symbol), 0] += energy
    return dataclasses.replace(checkpoint, weights=checkpoint.weights | {SHIFTS: energies})


def fine_tune(
    folder: Path,
    train: Sequence[Atoms],
    valid: Sequence[Atoms],
    settings: DeePMDFineTuneSettings,
    seed: int,
    progress: Progress,
    device: str,
) -> TrainingReport:
    """Train the checkpoint in the folder further with ``dp --pt train`` and leave the better weights there.

    The training starts from all weights of the head (``--init-model``). ``--finetune`` would do the same and fit the
    energy shift besides, which the caller has done: it would be done twice.

    The last weights are kept, unless those with the smallest force error on the validation frames are clearly better
    (the rule of ``train_torch``).
    """
    checkpoint = read_checkpoint(folder / CHECKPOINT)
    room_A = DeePMDPotential(checkpoint, device).cutoff_A + EMPTY_A
    types = checkpoint.parameters["type_map"]
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        data = write_data(train, valid, scratch, types, room_A)
        model = with_frozen(checkpoint.parameters, settings.freeze)
        content = training_input(model, data, settings, settings.steps, seed)
        (scratch / INPUT).write_text(json.dumps(content, indent=1), encoding="utf-8")
        checkpoint.save(scratch)
        command = ["--pt", "train", INPUT, "--init-model", CHECKPOINT, "--skip-neighbor-stat"]
        curve = run_dp([command], scratch, content["training"]["numb_steps"], progress, device)
        step, best = _better(checkpoint, scratch, curve, content["training"]["numb_steps"], valid, device)
        best.save(folder)
    return TrainingReport(curve=tuple(curve), best_step=step)


def with_frozen(parameters: dict[str, Any], freeze: str) -> dict[str, Any]:
    """The ``model`` section with one part, or none, whose weights do not change.

    Raises:
        ModelError: if the network has no such part.
    """
    if freeze != "none" and PARTS[freeze] not in parameters:
        raise ModelError(f"the model has no {freeze} that could be frozen", where="freeze", hint="freeze: none")
    model = copy.deepcopy(parameters)
    for name, section in PARTS.items():
        if section in model:
            model[section]["trainable"] = name != freeze
    return model


def _better(
    start: Checkpoint, scratch: Path, curve: Sequence[EpochRecord], steps: int, valid: Sequence[Atoms], device: str
) -> tuple[int, Checkpoint]:
    """The step whose weights are kept, and these weights in the network that the training began with."""

    def trained(step: int) -> Checkpoint:
        return dataclasses.replace(start, weights=read_checkpoint(scratch / f"{CHECKPOINTS}-{step}.pt").weights)

    last = trained(steps)
    errors = {row.step: row.valid_force_rmse_eV_per_A for row in curve if row.valid_force_rmse_eV_per_A is not None}
    errors = {step: error for step, error in errors.items() if (scratch / f"{CHECKPOINTS}-{step}.pt").is_file()}
    best = min(errors, key=lambda step: errors[step], default=steps)
    if best == steps or not valid:
        return steps, last
    scores = []
    for checkpoint in (trained(best), last):
        potential = DeePMDPotential(checkpoint, device)
        scores.append(evaluate(potential, prepare(potential, valid, LossSettings(), "validation"), LossSettings()))
    assert scores[0] is not None
    assert scores[1] is not None
    return (best, trained(best)) if scores[1].clearly_worse_than(scores[0]) else (steps, last)
