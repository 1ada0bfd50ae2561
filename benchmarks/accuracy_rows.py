"""One row of benchmarks/accuracy.py: a run on N labels of a pool, scored on a test file that the run never saw."""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from labelled_sets import test_frames, training_frames

import pfd
from pfd.evaluate.residuals import Residuals
from pfd.frames import fit_energy_shift, labels_of, read_frames, without_labels, write_frames
from pfd.models.pod_fit import PODFitSettings
from pfd.units import GPA_PER_EV_PER_A3

TEACHERS = {"chgnet": ("chgnet", "0.3.0"), "sevennet": ("sevennet", "7net-0"), "l3i5": ("sevennet", "7net-l3i5")}
"""Word in a row's name -> family and weights."""
STARTS = 8
"""Frames of the pool that distillation's dynamics start from."""
HOTTEST_K = 2000.0
"""Highest temperature of distillation's dynamics for a pool that tells none."""
SAME_ENERGY_EV = 2e-5
SAME_DISTANCE_A = 1e-3
"""Two frames of one composition are copies up to symmetry if energy per atom and sorted distances agree to this."""


@dataclass(frozen=True)
class Row:
    """What one row measures.

    Attributes:
        material: folder of the data.
        kind: ``zero-shot``, ``selected`` (the default settings), ``random`` (of selection), ``scratch`` (a student
            that is fitted to the labels of the row ``selected`` alone), or ``distilled`` (one that is distilled from
            the model of that row, and fitted to its labels too, without any further label).
        family: of ``TEACHERS``, for ``scratch`` that of the run that chose the labels.
        labels: N; 0 for zero-shot, and for ``scratch`` on the whole training file.
        seed: of the run.
    """

    material: str
    kind: str
    family: str
    labels: int
    seed: int

    @property
    def name(self) -> str:
        """The row as one word."""
        return f"{self.material}-{self.kind}-{self.family}-{self.labels}-{self.seed}"


def measure(row: Row, data: Path, out: Path, cores: int | None = None) -> dict[str, Any]:
    """Do what a row asks for, on so many cores (None: all); its run folder stays in ``out``."""
    folder = data / row.material
    if row.kind == "zero-shot":
        return asdict(row) | scores_of(_adopted(row, out), folder, shift_on=training_frames(folder))
    if row.kind == "scratch":
        return asdict(row) | _scratch(row, folder, out)
    run = out / "runs" / row.name
    source = out / "inputs" / f"{row.name}.json"
    source.parent.mkdir(parents=True, exist_ok=True)
    content = distillation_of(row, folder, out) if row.kind == "distilled" else input_of(row, pool_of(folder, out))
    if row.kind == "distilled" and not run.exists():
        shutil.copytree(_teacher_of(row, out), run)  # it goes on from there
    resources = {"resources": {"cores": cores}} if cores else {}
    source.write_text(json.dumps(content | resources, indent=1), encoding="utf-8")
    ended = pfd.submit(source, run)
    if row.kind == "distilled":
        against = ended.summary["student_vs_teacher"]["force_rmse_meV_per_A"]
        # not the run's status: its fine-tuning has one iteration, wherever that leads
        last = json.loads((ended.path / "report-data.json").read_text(encoding="utf-8"))["iterations"][-1]
        found = {"decision": last["decision"], "against_teacher": against}
        return asdict(row) | {"used": row.labels, **found} | scores_of(ended.student, folder)
    used = sum(len(read_frames(path)) for path in (run / "data").glob("finetune-*.extxyz"))
    if used > row.labels:
        raise AssertionError(f"{row.name} used {used} labels")
    spent = ended.summary["seconds"]
    return asdict(row) | {"used": used, "seconds": spent} | scores_of(ended.finetuned, folder)


def pool_of(folder: Path, out: Path) -> Path:
    """The training frames of a material with all their labels, in a file that a run reads."""
    path = out.resolve() / "inputs" / folder.name / "pool.extxyz"
    if not path.is_file():  # another row may be reading it
        path.parent.mkdir(parents=True, exist_ok=True)
        write_frames(path, training_frames(folder))
    return path


def input_of(row: Row, pool: Path) -> dict[str, Any]:
    """The input of a run: nothing but the budget departs from the defaults."""
    return {
        "name": row.name,
        "seed": row.seed,
        "teacher": dict(zip(("family", "model"), TEACHERS[row.family], strict=True)),
        "finetune": {
            "explore": {"method": "pool", "file": str(pool)},
            "select": {"max_frames": row.labels, "method": "random" if row.kind == "random" else "entropy"},
            "label": {"method": "stored", "max_total": row.labels},
            "converge": {"force_rmse_eV_per_A": 1e-3},
            "max_iterations": 1,
        },
        "evaluate": {"test_frames": max(1, row.labels // 20), "speed_atoms": 0},
    }


def distillation_of(row: Row, folder: Path, out: Path) -> dict[str, Any]:
    """The input of a distillation: the pool's frames, and the dynamics of some of them, strained and displaced.

    It goes up to the highest temperature that the pool tells. Of the pool's labels it has the N that its teacher was
    fine-tuned on; whatever else is learnt is labelled by the teacher.
    """
    pool = training_frames(folder)
    structures, file = [], pool_of(folder, out)
    for number, frame in enumerate(pool[:: max(1, len(pool) // STARTS)][:STARTS]):
        path = file.with_name(f"start-{number:02d}.extxyz")
        write_frames(path, [without_labels(frame)])
        structures.append({"file": str(path.resolve()), "perturb": {"count": 1, "displacement_A": 0.1, "strain": 0.03}})
    hottest = hottest_K(pool)
    temperatures = [round(hottest / 10), round(hottest / 3), round(hottest)]
    dynamics = {"method": "md", "temperatures_K": temperatures, "steps": 100, "every": 25, "equilibrate_steps": 0}
    content = input_of(replace(row, kind="selected"), file)
    return content | {
        "structures": structures,
        "distill": {
            "student": {"family": "pod"},
            "explore": [[{"method": "pool", "file": str(file)}, dynamics | {"with": "student"}]],
            "select": {"max_frames": 300},
            "converge": {"force_rmse_relative": 0.1},
            "max_iterations": 3,
            "own_md_factor": 20,
        },
        "evaluate": content["evaluate"] | {"speed_atoms": 512},
    }


def _teacher_of(row: Row, out: Path) -> Path:
    """The run folder of the row ``selected`` that a distillation starts from.

    Raises:
        FileNotFoundError: if that row has not been run.
    """
    folder = out / "runs" / replace(row, kind="selected").name
    if not (folder / "models" / "finetuned").is_dir():
        raise FileNotFoundError(f"{folder}: run the row of the teacher first")
    return folder


def hottest_K(frames: Sequence[Atoms]) -> float:
    """The highest temperature, K, that the frames' descriptions tell ("... at 3374 K")."""
    told = [re.search(r" at (\d+) K", str(frame.info.get("desc", ""))) for frame in frames]
    return max((float(found.group(1)) for found in told if found), default=HOTTEST_K)


def _adopted(row: Row, out: Path) -> Path:
    folder = out / "models" / row.family
    if not (folder / "model.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        family, weights = TEACHERS[row.family]
        pfd.adopt_model(pfd.make_family(family), weights, None, folder)
    return folder


def _scratch(row: Row, folder: Path, out: Path) -> dict[str, Any]:
    """A student on the same labels, without any teacher; on all of the training file if ``labels`` is 0."""
    if row.labels:
        chosen = sorted((_teacher_of(row, out) / "data").glob("finetune-*.extxyz"))
        frames = [frame for path in chosen for frame in read_frames(path)]
    else:
        frames = training_frames(folder)
    with tempfile.TemporaryDirectory() as scratch:
        student = Path(scratch)
        pfd.fit_model(pfd.make_family("pod"), frames, [], PODFitSettings(), row.seed, student)
        return {"used": len(frames)} | scores_of(student, folder)


def scores_of(model: Path, folder: Path, shift_on: Sequence[Atoms] = ()) -> dict[str, Any]:
    """Errors of a model on the test file of a material: meV/Å, meV per atom, and GPa."""
    test, train = test_frames(folder), training_frames(folder)
    predicted = [labels_of(frame) for frame in pfd.predict_frames(model, test)]
    shift = None
    if shift_on:
        some = list(shift_on)[:: max(1, len(shift_on) // 20)]
        shift = fit_energy_shift(some, [labels_of(frame) for frame in pfd.predict_frames(model, some)])
    pairs = [(1000 * labels_of(frame).forces, 1000 * own.forces) for own, frame in zip(predicted, test, strict=True)]
    scored = Residuals.of(pairs, [_simulation(frame) for frame in test])
    forces = [np.ravel(own - label) for label, own in pairs]
    energies = [
        ((own.energy or math.nan) + (shift.of(frame) if shift else 0.0) - labels_of(frame).energy) / len(frame)
        for own, frame in zip(predicted, test, strict=True)
    ]
    stresses = [
        own.stress - stress
        for own, frame in zip(predicted, test, strict=True)
        if own.stress is not None and (stress := labels_of(frame).stress) is not None
    ]
    copies = copies_of(test, train)
    known = {_simulation(frame) for frame in train}
    apart = [index for index, frame in enumerate(test) if _simulation(frame) not in known]
    same = [index for index, frame in enumerate(test) if _simulation(frame) in known]
    kinds = sorted({str(frame.info.get("group", "")) for frame in test})
    members = {kind: [i for i, frame in enumerate(test) if str(frame.info.get("group", "")) == kind] for kind in kinds}
    return {
        "force": scored.rmse(),
        "interval": scored.rmse_interval(),
        "energy": 1000 * float(np.sqrt(np.mean(np.square(energies)))),
        "stress_GPa": None if not stresses else GPA_PER_EV_PER_A3 * float(_rmse(stresses) or 0.0),
        "copies": copies,
        "force_without_copies": _rmse([force for index, force in enumerate(forces) if index not in copies]),
        "force_same_simulation": _rmse([forces[index] for index in same]),
        "force_unseen_simulation": _rmse([forces[index] for index in apart]),
        "force_by_group": {kind: _rmse([forces[index] for index in own]) for kind, own in members.items()},
    }


def copies_of(test: Sequence[Atoms], train: Sequence[Atoms]) -> list[int]:
    """Test frames that are a training frame up to symmetry: the same composition, energy and distances."""
    found = []
    for index, frame in enumerate(test):
        for other in train:
            if _alike(frame, other) and np.allclose(_distances(frame), _distances(other), atol=SAME_DISTANCE_A):
                found.append(index)
                break
    return found


def _alike(first: Atoms, second: Atoms) -> bool:
    if first.get_chemical_formula() != second.get_chemical_formula():
        return False
    return abs(_energy(first) - _energy(second)) < SAME_ENERGY_EV * len(first)


def _energy(frame: Atoms) -> float:
    energy = labels_of(frame).energy
    return math.nan if energy is None else energy


def _distances(frame: Atoms) -> np.ndarray:
    """Sorted distances between all atoms, nearest images."""
    return np.sort(frame.get_all_distances(mic=True), axis=None)


def _simulation(frame: Atoms) -> str:
    """What says which simulation a frame is of: its description without the number of the snapshot."""
    words = str(frame.info.get("desc", "")).split(" of ")
    return words[-1]


def _rmse(errors: Sequence[np.ndarray]) -> float | None:
    if not errors:
        return None
    return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))
