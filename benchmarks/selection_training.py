"""Which method of selection trains better: POD fits on 20, 50 and 100 frames of the silicon and molybdenum pools.

    python benchmarks/selection_training.py [--data ../shared/data] [--seeds 4] [--out DIR]

One temperature and one phase (the surfaces) are taken out of each pool and judged apart; each seed draws another four
fifths of the pool, so that methods without chance vary too. Errors are force RMSE: on the test file without the
held-out kinds, its mean over groups, and on the held-out frames. Writes training.json, training.md and training.svg.

    python benchmarks/selection_training.py --chgnet [--steps 300]

does it once with CHGNet instead: three methods, 20 frames, one seed; a minute or two for each training.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

from pfd.frames import Labels, fit_energy_shift, labels_of, with_labels, with_origin
from pfd.models.least_squares import ReducedRows
from pfd.models.pod_fit import PODFitSettings, potential_for
from pfd.select import GateSettings, SelectSettings
from pfd.select.conditions import select_by_condition

HELD_OUT = {"silicon": ("normal structure at 2530 K", "Si_surface"), "molybdenum": ("at 3000 K", "Mo_surface")}
METHODS = {
    "random": {"method": "random"},
    "entropy, mean": {"method": "entropy", "score": "mean"},
    "entropy, top 5 %": {"method": "entropy", "score": "top"},
    "mean, share of 2": {"method": "entropy", "score": "mean", "min_per_condition": 2},
    "top 5 %, share of 2": {"method": "entropy", "score": "top", "min_per_condition": 2},
    "farthest": {"method": "farthest"},
    "msc": {"method": "msc"},
    "mixed": {"method": "mixed", "score": "mean"},
}
BUDGETS = (20, 50, 100)
JUDGES = ("test file", "by group", "temperature", "surface")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--chgnet", action="store_true")
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: no labelled sets in {options.data} (--data)")
        return 0
    if options.chgnet:
        for name, held_out in HELD_OUT.items():
            chgnet_once(options.data / name, held_out, options.steps)
        return 0
    results = {name: experiment(options.data / name, HELD_OUT[name], options.seeds) for name in HELD_OUT}
    (options.out / "training.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    (options.out / "training.md").write_text(table(results), encoding="utf-8")
    plot(results, options.out / "training.svg")
    print(table(results))
    return 0


def read(path: Path) -> list:
    """Labelled frames; their kind in ``desc`` and ``group``, the temperature where there is one."""
    from ase.io import read as read_ase

    frames = []
    for raw in read_ase(path, ":"):
        found = re.search(r"at (\d+) K", raw.info["desc"])
        frame = with_origin(raw, temperature_K=float(found[1]) if found else None)
        labels = Labels(energy=float(raw.info["REF_energy"]), forces=np.array(raw.arrays["REF_forces"]))
        frames.append(with_labels(frame, labels))
    return frames


class Fits:
    """Linear fits on any subset of frames, each frame's POD rows computed once."""

    def __init__(self, frames: list) -> None:
        potential = potential_for(frames, [], PODFitSettings(size="M"))
        self.frames = frames
        with tempfile.TemporaryDirectory() as folder:
            potential.write(Path(folder))
            with potential.descriptors(Path(folder)) as descriptors:
                self.rows = [descriptors.of(frame) for frame in frames]
        self.forces = [np.ravel(labels_of(frame).forces) for frame in frames]
        self.rms = np.array([np.sqrt(np.mean(force**2)) for force in self.forces])

    def coefficients(self, train: list[int]) -> np.ndarray:
        settings = PODFitSettings()
        chosen = [self.frames[index] for index in train]
        shift = fit_energy_shift(chosen, [Labels(energy=0.0)] * len(chosen))
        median = float(np.median(self.rms[train]))
        loss = ReducedRows(len(self.rows[0][0]))
        for index in train:
            frame = self.frames[index]
            weight = min(1.0, median / max(self.rms[index], 1e-12))
            energy = np.array([labels_of(frame).energy - shift.of(frame)]) / len(frame)
            loss.add(self.rows[index][1] * weight, self.forces[index] * weight)
            factor = weight * settings.energy_weight
            loss.add(self.rows[index][0][None] / len(frame) * factor, energy * factor)
        return loss.solve(settings.ridge)

    def rmse(self, coefficients: np.ndarray, judged: list[int]) -> float:
        """Force RMSE, meV/Å."""
        errors = [self.rows[index][1] @ coefficients - self.forces[index] for index in judged]
        return 1000.0 * float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


def experiment(folder: Path, held_out: tuple[str, str], seeds: int) -> dict:
    train, test = read(folder / "train.extxyz"), read(folder / "test.extxyz")
    fits = Fits([*train, *test])
    kinds = [frame.info["desc"] for frame in fits.frames]
    hot, surface = ([index for index, kind in enumerate(kinds) if name in kind] for name in held_out)
    hidden = {*hot, *surface}
    pool = [index for index in range(len(train)) if index not in hidden]
    judged = [index for index in range(len(train), len(kinds)) if index not in hidden]
    groups = {fits.frames[index].info["group"] for index in judged}
    by_group = [[index for index in judged if fits.frames[index].info["group"] == group] for group in sorted(groups)]
    results: dict = {}
    for seed in range(seeds):
        drawn = np.random.default_rng(seed).permutation(pool)[: int(0.8 * len(pool))].tolist()
        for name, method in METHODS.items():
            for budget in BUDGETS:
                fields = {"max_frames": budget, "min_per_condition": 0, "gate": GateSettings(max_force_eV_per_A=None)}
                settings = SelectSettings.model_validate(fields | method)
                chosen = select_by_condition([fits.frames[index] for index in drawn], [], settings, seed)
                coefficients = fits.coefficients([drawn[index] for index in chosen.indices])
                errors = {
                    "test file": fits.rmse(coefficients, judged),
                    "by group": float(np.mean([fits.rmse(coefficients, members) for members in by_group])),
                    "temperature": fits.rmse(coefficients, hot),
                    "surface": fits.rmse(coefficients, surface),
                }
                results.setdefault(name, {}).setdefault(str(budget), []).append(errors)
        print(f"{folder.name}: seed {seed} done", file=sys.stderr, flush=True)
    return results


CHGNET_METHODS = ("random", "mean, share of 2", "farthest")


def chgnet_once(folder: Path, held_out: tuple[str, str], steps: int) -> None:
    """Fine-tune CHGNet on 20 frames of each method, and print the errors that the linear fits are judged by."""
    from pfd.models.chgnet import CHGNetFineTuneSettings
    from pfd.models.training import adopt_model, fine_tune_model, make_family, predict_frames

    train, test = read(folder / "train.extxyz"), read(folder / "test.extxyz")
    hidden = [[frame for frame in [*train, *test] if name in frame.info["desc"]] for name in held_out]
    out_of_pool = {id(frame) for frames in hidden for frame in frames}
    pool = [frame for frame in train if id(frame) not in out_of_pool]
    judged = [frame for frame in test if id(frame) not in out_of_pool]
    drawn = [pool[index] for index in np.random.default_rng(0).permutation(len(pool))[: int(0.8 * len(pool))]]
    with tempfile.TemporaryDirectory() as scratch:
        start = Path(scratch) / "start"
        start.mkdir()
        adopt_model(make_family("chgnet"), "0.3.0", None, start)
        for name in CHGNET_METHODS:
            fields = {"max_frames": 20, "min_per_condition": 0, "gate": GateSettings(max_force_eV_per_A=None)}
            settings = SelectSettings.model_validate(fields | METHODS[name])
            chosen = [drawn[index] for index in select_by_condition(drawn, [], settings, 0).indices]
            tuned = Path(scratch) / name
            tuned.mkdir()
            fine_tune_model(start, chosen, [], CHGNetFineTuneSettings(steps=steps), 0, tuned)
            errors = [_force_rmse(frames, predict_frames(tuned, frames)) for frames in (judged, *hidden)]
            groups = sorted({frame.info["group"] for frame in judged})
            members = [[frame for frame in judged if frame.info["group"] == group] for group in groups]
            by_group = float(np.mean([_force_rmse(frames, predict_frames(tuned, frames)) for frames in members]))
            cells = " | ".join(f"{value:.0f}" for value in (errors[0], by_group, *errors[1:]))
            print(f"| {folder.name} | CHGNet, {steps} steps | {name} | 20 | {cells} |", flush=True)


def _force_rmse(labelled: list, predicted: list) -> float:
    errors = [np.ravel(labels_of(a).forces - labels_of(b).forces) for a, b in zip(labelled, predicted, strict=True)]
    return 1000.0 * float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


def table(results: dict) -> str:
    lines = ["Force RMSE, meV/Å: mean over seeds (worst seed)", ""]
    for name, methods in results.items():
        lines += [f"| {name} | frames | " + " | ".join(JUDGES) + " |", "|---" * (2 + len(JUDGES)) + "|"]
        for budget in map(str, BUDGETS):
            for method, runs in methods.items():
                cells = [[run[judge] for run in runs[budget]] for judge in JUDGES]
                words = [f"{np.mean(cell):.0f} ({max(cell):.0f})" for cell in cells]
                lines.append(f"| {method} | {budget} | " + " | ".join(words) + " |")
        lines.append("")
    return "\n".join(lines)


def plot(results: dict, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.5), layout="constrained")
    axes = figure.subplots(len(results), len(JUDGES), squeeze=False)
    for row, (name, methods) in zip(axes, results.items(), strict=True):
        for axis, judge in zip(row, JUDGES, strict=True):
            for method, runs in methods.items():
                means = [np.mean([run[judge] for run in runs[str(budget)]]) for budget in BUDGETS]
                axis.plot(BUDGETS, means, marker="o", markersize=3, label=method)
            axis.set(title=f"{name}: {judge}", xlabel="frames", yscale="log")
            axis.tick_params(axis="y", which="both", labelsize=7)
        row[0].set_ylabel("force RMSE, meV/Å")
    axes[0][-1].legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    raise SystemExit(main())
