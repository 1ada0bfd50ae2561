"""How a fine-tuning recipe does: options tried on frames of the training files, judged on others of the same files.

    python benchmarks/recipe.py [--data ../shared/data] [--family sevennet] [--materials silicon ...] [--labels 20 100]
        [--seeds 0] [--apart] [--out recipe.jsonl] [--set KEY=VALUE ...] [--table]

Each pair of material and number of labels is one training with the family's defaults, changed by ``--set`` (values are
YAML); a line with the errors and the CPU seconds of the training is added to ``--out``, and ``--table`` prints all
lines. Frames that are judged are drawn first (30, of water 8), then those that are trained on, all by the seed.
``--apart`` holds out whole simulations instead. Test files are never read: this is for choosing, benchmarks/accuracy.py
for telling what the choice is worth. With these few frames a difference of under 3 % is noise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import numpy as np
import yaml
from ase import Atoms
from labelled_sets import training_frames

import pfd
from pfd.frames import labels_of
from pfd.units import GPA_PER_EV_PER_A3

SHIPPED = {"chgnet": "0.3.0", "sevennet": "7net-0"}
JUDGED = {"water": 8}
"""Held-out frames of a material, where 30 are too many."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--family", choices=SHIPPED, default="sevennet")
    parser.add_argument("--materials", nargs="*", default=["silicon", "molybdenum"])
    parser.add_argument("--labels", nargs="*", type=int, default=[20, 100])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--apart", action="store_true", help="hold out whole simulations")
    parser.add_argument("--out", type=Path, default=Path("recipe.jsonl"))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--table", action="store_true", help="only print what is in --out")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: no labelled sets in {options.data} (--data)")
        return 0
    changes = {key: yaml.safe_load(value) for key, _, value in (each.partition("=") for each in options.set)}
    trials = [(m, n, s) for m in options.materials for n in options.labels for s in options.seeds]
    for material, labels, seed in [] if options.table else trials:
        frames = training_frames(options.data / material)
        train, judged = split(frames, labels, JUDGED.get(material, 30), seed, options.apart)
        row = {"family": options.family, "material": material, "labels": labels, "seed": seed, "set": changes}
        row |= {"apart": options.apart} | trial(options.family, train, judged, changes, seed)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(line(row), file=sys.stderr, flush=True)
    rows = [json.loads(text) for text in options.out.read_text(encoding="utf-8").splitlines()]
    print(
        "| family | changed | material | labels | seed | forces meV/Å | energies meV/atom | training forces | CPU s "
        "| stresses GPa |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|", *map(line, rows), sep="\n")
    return 0


def split(frames: Sequence[Atoms], labels: int, judged: int, seed: int, apart: bool) -> tuple[list[Atoms], list[Atoms]]:
    """Frames to train on, and frames to judge by: any others, or all of some simulations."""
    order = np.random.default_rng(1000 + seed).permutation(len(frames)).tolist()
    if not apart:
        return [frames[i] for i in order[judged : judged + labels]], [frames[i] for i in order[:judged]]
    held: set[str] = set()
    for index in order:
        if sum(simulation_of(frame) in held for frame in frames) >= judged:
            break
        held.add(simulation_of(frames[index]))
    rest = [frames[i] for i in order if simulation_of(frames[i]) not in held]
    return rest[:labels], [frame for frame in frames if simulation_of(frame) in held]


def simulation_of(frame: Atoms) -> str:
    """What says which simulation a frame is of: its description without the number of the snapshot."""
    return str(frame.info.get("desc", "")).split(" of ")[-1]


def trial(
    name: str, train: Sequence[Atoms], judged: Sequence[Atoms], changes: dict[str, Any], seed: int
) -> dict[str, Any]:
    """One training, without validation frames, and its errors."""
    family = pfd.make_family(name)
    settings = family.FineTuneSettings.model_validate(changes)
    with tempfile.TemporaryDirectory() as scratch:
        start, tuned = Path(scratch) / "start", Path(scratch) / "tuned"
        start.mkdir()
        pfd.adopt_model(family, SHIPPED[name], None, start)
        before = time.process_time()
        report = pfd.fine_tune_model(start, train, [], settings, seed, tuned)
        spent = time.process_time() - before
        found = errors(judged, pfd.predict_frames(tuned, judged))
    learnt = report.curve[-1].train_force_rmse_eV_per_A or 0.0
    return {"trained": len(train), "steps": report.best_step, "train": 1000 * learnt, "cpu_s": spent} | found


def errors(frames: Sequence[Atoms], predicted: Sequence[Atoms]) -> dict[str, float]:
    """Component RMSE of forces, meV/Å, and of stresses where there are some, GPa; RMSE of energies, meV per atom."""
    pairs = [(labels_of(own), labels_of(frame)) for own, frame in zip(predicted, frames, strict=True)]
    forces = np.concatenate([np.ravel(own.forces - label.forces) for own, label in pairs])
    stresses = [
        own.stress - label.stress for own, label in pairs if own.stress is not None and label.stress is not None
    ]
    energies = [(own.energy - label.energy) / len(frame) for (own, label), frame in zip(pairs, frames, strict=True)]
    return {
        "force": 1000 * float(np.sqrt(np.mean(forces**2))),
        "energy": 1000 * float(np.sqrt(np.mean(np.square(energies)))),
        "stress_GPa": GPA_PER_EV_PER_A3 * float(np.sqrt(np.mean(np.square(stresses)))) if stresses else None,
    }


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    changed = ", ".join(f"{key} {value}" for key, value in row["set"].items()) or "defaults"
    cells = [
        row["family"],
        changed + (" (apart)" if row["apart"] else ""),
        row["material"],
        row["trained"],
        row["seed"],
    ]
    cells += [f"{row['force']:.1f}", f"{row['energy']:.1f}", f"{row['train']:.1f}", f"{row['cpu_s']:.0f}"]
    cells += ["" if row.get("stress_GPa") is None else f"{row['stress_GPa']:.2f}"]
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    sys.exit(main())
