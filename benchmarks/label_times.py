"""How often first-principles labels are to count in a student's fit, beside its teacher's.

    python benchmarks/label_times.py silicon [--out proof] [--times 0 1 3] [--iteration 0] [--equations 40] [--test]
        [--data ../shared/data]

The teacher is the row ``silicon-selected-sevennet-100-0`` of ``accuracy.py``, the frames are those that it has labelled
in the row ``silicon-distilled-sevennet-100-0`` up to an iteration, without those of the student's own MD after it; both
must have been run (the second far enough). POD M is fitted to them and to the labels that the teacher was trained on,
so many times, and to these labels alone. Errors are those on frames of the training file that neither has learnt or
been tested on, and on distillation's test frames against the teacher; constants are of the own crystal, ions clamped.
With ``--test`` the test file is scored as well, once all is settled.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

import numpy as np
from accuracy_rows import Row, copies_of, scores_of
from ase import Atoms
from labelled_sets import training_frames
from physics import one, properties
from rich.console import Console
from rich.table import Table

import pfd
from pfd.frames import labels_of, read_frames
from pfd.models.pod_fit import PODFitSettings

CONSTANTS = ("C11_clamped_GPa", "C12_clamped_GPa", "C44_clamped_GPa")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("material", choices=("silicon", "molybdenum"))
    parser.add_argument("--out", type=Path, default=Path("proof"), help="of accuracy.py")
    parser.add_argument("--times", nargs="*", type=int, default=[0, 1, 3])
    parser.add_argument("--iteration", type=int, default=0, help="of the distillation")
    parser.add_argument("--equations", type=float, help="force components for each coefficient (many_equations)")
    parser.add_argument("--test", action="store_true", help="score the test file too")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    tuned, distilled = (
        options.out / "runs" / Row(options.material, kind, "sevennet", 100, 0).name
        for kind in ("selected", "distilled")
    )
    places = (f"iter-{options.iteration:03d}/collect/*/outputs/train.extxyz", "test/collect/*/outputs/new.extxyz")
    found = [next((distilled / "distill").glob(place), None) for place in places]
    folder = options.data / options.material
    if None in found or not folder.is_dir():
        print(f"skipped: no labelled set in {folder}, or {distilled} has not come so far (make proof)")
        return 0
    if options.equations is not None:
        PODFitSettings.many_equations = options.equations
    taught, tested = (read_frames(path) for path in found if path is not None)
    parts = {part: read_frames(tuned / "data" / f"finetune-{part}.extxyz") for part in ("train", "valid", "test")}
    labels, pool = parts["train"] + parts["valid"], training_frames(folder)
    seen = set(copies_of(pool, [*labels, *parts["test"]]))
    judged = [frame for index, frame in enumerate(pool) if index not in seen]
    shown = Table("model", "frames", "meV/Å", "meV/atom", "to the teacher, %", "C11, C12, C44, GPa", "test file")
    with tempfile.TemporaryDirectory(prefix="pfd-") as scratch:
        models = {"teacher": (tuned / "models" / "finetuned", 0)}
        sets = {f"labels {times} times": taught + times * labels for times in options.times} | {"labels alone": labels}
        for number, (name, frames) in enumerate(sets.items()):
            model = Path(scratch) / str(number)
            model.mkdir()
            pfd.fit_model(pfd.make_family("pod"), frames, [], PODFitSettings(), 0, model)
            models[name] = (model, len(frames))
        for name, (model, count) in models.items():
            cells = [f"{value:.3g}" for value in errors(model, judged)]
            cells.append("" if name == "teacher" else f"{100 * relative_error(model, tested):.1f}")
            cells.append(constants(options.material, model, Path(scratch), options.data))
            cells.append(test_cells(model, folder) if options.test else "")
            shown.add_row(name, str(count or ""), *cells)
    said = f"{len(taught)} frames of the teacher, {len(labels)} labels, {len(judged)} judged"
    Console(width=140).print(f"{options.material}: {said}", shown)
    return 0


def errors(model: Path, frames: list[Atoms]) -> tuple[float, float]:
    """RMSE of force components, meV/Å, and of energies, meV/atom."""
    predicted = map(labels_of, pfd.predict_frames(model, frames))
    pairs = list(zip(predicted, map(labels_of, frames), strict=True))
    forces = np.concatenate([np.ravel(own.forces - label.forces) for own, label in pairs])
    energies = [(own.energy - label.energy) / len(label.forces) for own, label in pairs]
    return 1000 * float(np.sqrt(np.mean(forces**2))), 1000 * float(np.sqrt(np.mean(np.square(energies))))


def relative_error(model: Path, frames: list[Atoms]) -> float:
    """RMSE of force components over the root of their mean square."""
    size = np.concatenate([np.ravel(labels_of(frame).forces) for frame in frames])
    return errors(model, frames)[0] / (1000 * float(np.sqrt(np.mean(np.square(size)))))


def constants(material: str, model: Path, scratch: Path, data: Path) -> str:
    """Elastic constants of the model's own crystal."""
    options: Any = SimpleNamespace(temperature=None, data=data)
    (elastic,) = (each for each in properties(material, scratch, options) if each.title() == "elastic, own crystal")
    found = one(elastic, model, scratch)
    return found.failed or ", ".join(f"{found.values[key]:.0f}" for key in CONSTANTS)


def test_cells(model: Path, folder: Path) -> str:
    """Errors on the test file: meV/Å with its 95 % interval, meV/atom."""
    scores = scores_of(model, folder)
    low, high = scores["interval"]
    return f"{scores['force']:.1f} [{low:.0f}, {high:.0f}], {scores['energy']:.1f}"


if __name__ == "__main__":
    sys.exit(main())
