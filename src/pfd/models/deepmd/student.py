"""DeePMD students: trained from scratch by the TensorFlow backend, frozen, compressed, and checked in LAMMPS."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import DataError
from pfd.frames import Labels, labels_of, require_labels
from pfd.lammps.session import LammpsPotential
from pfd.lammps.silence import silent_libraries
from pfd.models.agreement import require_agreement_in_lammps
from pfd.models.deepmd.graph import GRAPH, facts_of, parameters_of, read_graph, write_graph
from pfd.models.deepmd.package import PACKAGES, set_variables
from pfd.models.deepmd.potential import EMPTY_A, periodic_cell
from pfd.models.deepmd.settings import SIZES, DeePMDFitSettings
from pfd.models.deepmd.training_data import write_data
from pfd.models.deepmd.training_input import INPUT, SEEDS, training_input
from pfd.models.deepmd.training_run import run_dp
from pfd.models.family import ModelCard, Progress, TrainingReport
from pfd.models.repulsion import Repulsion, ranges_of_frames

if TYPE_CHECKING:
    from ase import Atoms

FROZEN, COMPRESSED = "frozen.pb", "compressed.pb"
CHECKED_FRAMES = 5
"""Frames on which a student in LAMMPS is compared with the network that was trained."""
WRONG_HINT = "compress: false leaves the step out that most often does this; please report it"
SOURCE = "Zeng et al., J. Chem. Theory Comput. 21, 4375 (2025)"
WITH_TYPES = {"se_atten", "dpa1", "se_atten_v2"}
"""Descriptors that embed the elements by a network, which has a seed of its own."""
PACKAGE_CUTOFF_A = 6.0
"""The package's cutoff where an input says none, Å."""
FIRST_A = 0.5
"""Where the package's radial switch begins by default, Å."""


def fit(
    folder: Path,
    train: Sequence[Atoms],
    valid: Sequence[Atoms],
    settings: DeePMDFitSettings,
    seed: int,
    progress: Progress,
    device: str,
) -> tuple[ModelCard, TrainingReport]:
    """Train a student, and leave the file that LAMMPS reads in an empty folder.

    The TensorFlow backend trains it: its compiled operators work as they come with the package, a step takes a sixth
    of the time of the PyTorch backend's, the same seed gives the same weights, and LAMMPS reads its graphs.

    Raises:
        DataError: if a frame lacks energy or forces, or the validation frames have elements of their own.
        TaskFailed: if the training fails, or the student in LAMMPS is not the network that was trained.
    """
    types = _types(train, valid)
    model = network(settings, types, seed)
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        room_A = _cutoff_A(model) + EMPTY_A
        content = training_input(
            model, write_data(train, valid, scratch, types, room_A), settings, settings.steps, seed
        )
        steps = content["training"]["numb_steps"]
        (scratch / INPUT).write_text(json.dumps(content, indent=1), encoding="utf-8")
        commands = [["--tf", "train", INPUT], ["--tf", "freeze", "-o", FROZEN]]
        if settings.compress:
            commands.append(["--tf", "compress", "-i", FROZEN, "-o", COMPRESSED])
        curve = run_dp(commands, scratch, steps, progress, device)
        parameters = parameters_of(read_graph(scratch / FROZEN))
        write_graph(read_graph(scratch / (COMPRESSED if settings.compress else FROZEN)), folder / GRAPH)
        known = train[:: max(1, len(train) // CHECKED_FRAMES)][:CHECKED_FRAMES]
        trained = _evaluated(scratch / FROZEN, known, room_A)
        if settings.repulsion == "zbl":
            Repulsion(types, ranges_of_frames(train, types, _cutoff_A(model))).write(folder)
        require_agreement_in_lammps(lammps_potential(folder), trained, known, WRONG_HINT)
    progress(1.0, "trained, and checked in LAMMPS")
    levels = sorted({labels_of(frame).level_of_theory for frame in train} - {""})
    card = ModelCard(
        family="deepmd",
        name=f"{model['descriptor'].get('type', settings.kind)} {_size(settings)}",
        elements=tuple(types),
        cutoff_A=_cutoff_A(model),
        level_of_theory=" + ".join(levels) or "unknown",
        parameters=parameters,
        licence="the user's own: fitted from the user's frames",
        source=SOURCE,
    )
    return card, TrainingReport(curve=tuple(curve), best_step=steps)


def _types(train: Sequence[Atoms], valid: Sequence[Atoms]) -> list[str]:
    """The elements of the training frames, sorted; frames that cannot be trained or validated on are refused."""
    for frames, what in ((train, "training"), (valid, "validation")):
        if frames or what == "training":
            require_labels(frames, where=f"{what} frames of the student")
    types, others = ({symbol for frame in frames for symbol in frame.symbols} for frames in (train, valid))
    if strange := sorted(others - types):
        raise DataError(f"validation frames hold {', '.join(strange)}, which no training frame does", where="student")
    return sorted(types)


def network(settings: DeePMDFitSettings, types: Sequence[str], seed: int) -> dict[str, Any]:
    """The ``model`` section of the input: what the settings file says of it, with our types and seeds."""
    embedding, axis, fitting = SIZES[settings.size]
    model: dict[str, Any] = copy.deepcopy(settings.from_file("model")) or {}
    if "descriptor" not in model:
        model["descriptor"] = {
            "type": settings.kind,
            "sel": "auto:1.3",
            "rcut": settings.cutoff_A,
            "rcut_smth": FIRST_A,
            "neuron": list(settings.embedding or embedding),
            "axis_neuron": axis,
            "resnet_dt": False,
            **({"attn_layer": 0} if settings.kind == "se_atten_v2" else {"type_one_side": True}),
        }
    model.setdefault("fitting_net", {"neuron": list(settings.fitting or fitting), "resnet_dt": True})
    model["type_map"] = list(types)
    seeded = [*_descriptors(model), model["fitting_net"]]
    if any(part.get("type") in WITH_TYPES for part in seeded):
        seeded.append(model.setdefault("type_embedding", {}))
    for part in seeded:
        part["seed"] = seed % SEEDS
    return model


def _descriptors(model: dict[str, Any]) -> list[dict[str, Any]]:
    """The descriptor of a ``model`` section, or those that a hybrid one is made of."""
    whole: dict[str, Any] = model["descriptor"]
    parts: list[dict[str, Any]] = whole.get("list", [whole])
    return parts


def _cutoff_A(model: dict[str, Any]) -> float:
    return max(float(part.get("rcut", PACKAGE_CUTOFF_A)) for part in _descriptors(model))


def _size(settings: DeePMDFitSettings) -> str:
    return "custom" if settings.embedding or settings.fitting or settings.from_file("model") else settings.size


def lammps_potential(folder: Path) -> LammpsPotential:
    """The pair style of a student, with ``zbl`` on top of it if the model was fitted so."""
    set_variables()
    types = facts_of(read_graph(folder / GRAPH)).type_map
    alone = LammpsPotential(
        pair_style=f'deepmd "{folder.resolve() / GRAPH}"',
        pair_coeff=(f"* * {' '.join(types)}",),
        elements=types,
        needs=f"the plugin of DeePMD-kit; `pip install {' '.join(PACKAGES[:1])}` brings an `lmp` that has it",
    )
    return Repulsion.read(folder).on_top_of(alone)


def _evaluated(graph: Path, frames: Sequence[Atoms], room_A: float) -> list[Labels]:
    """What the trained network, as it was frozen, says of frames: by the package's own evaluation in Python."""
    set_variables()
    with silent_libraries():
        from deepmd.infer import DeepPot

        network = DeepPot(str(graph))
        labels = []
        for frame in frames:
            types = [network.get_type_map().index(symbol) for symbol in frame.get_chemical_symbols()]
            cell = periodic_cell(frame, room_A)
            energy, forces, _ = network.eval(frame.positions.reshape(1, -1), cell.reshape(1, -1), types)
            labels.append(Labels(float(energy[0, 0]), np.array(forces[0], dtype=float)))
    return labels
