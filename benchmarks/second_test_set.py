"""Judge a finished run's models on a second test set: other seeds, other trajectories, labelled anew.

    python benchmarks/second_test_set.py RUN [--seed 12345] [--frames 6]

For every temperature of the run's fine-tuning stages, MD from the perturbed structures with a seed that the run never
used, driven by the pre-trained model (as the run's own test set was) and, as a set of its own, by the fine-tuned one
(where a user will go); frames are labelled by the run's own labeler and predicted by the pre-trained, the fine-tuned
and the student model. Prints, by temperature, force RMSE with its share of the RMS label force and the slope; exits
with 1 if a target is missed on the first set. The second is shown beside it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from pfd.config.reading import read_input
from pfd.evaluate import error_report
from pfd.explore.md import run_md
from pfd.frames import fit_energy_shift, labels_of, read_frames, with_labels, write_frames
from pfd.label.judge import label_frame
from pfd.label.labeler import make_labeler
from pfd.models.family import read_model
from pfd.models.training import make_family, predict_frames

TARGETS = {"ratio": 1 / 3, "relative": 0.10, "slope": (0.95, 1.05), "student_ratio": 1.3, "student_relative": 0.08}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seed", type=int, default=12345)
    parser.add_argument("--frames", type=int, default=6, help="frames per temperature")
    options = parser.parse_args()
    missed = {}
    for driver in ("pretrained", "finetuned"):
        print(f"MD driven by the {driver} model, seed {options.seed}")
        missed[driver] = report(options.run, second_test_set(options.run, driver, options.seed, options.frames))
    summary = json.loads((options.run / "summary.json").read_text(encoding="utf-8"))
    print(f"student's speed over its teacher's: {summary['speedup_student_over_teacher']:.1f}")
    share = summary["seconds"]["orchestration"] / summary["seconds"]["wall"]
    print(f"orchestration: {100 * share:.1f} % of {summary['seconds']['wall']:.0f} s")
    return 1 if missed["pretrained"] else 0


def second_test_set(run: Path, driver: str, seed: int, count: int) -> list:
    """Frames of new trajectories, labelled; kept in the run folder by seed, so that a second call costs nothing."""
    kept = run / f"second-test-{driver}-{seed}-{count}.extxyz"
    if kept.is_file():
        return read_frames(kept)
    resolved = read_input(run / "resolved-001.yaml")
    structures = read_frames(next(run.glob("start/structures/build/*/outputs/frames.extxyz")))
    model = run / "models" / driver
    calculator = make_family(read_model(model).card.family).calculator(model)
    labeler = make_labeler(resolved.labeler.model_dump(mode="json"))
    labelled = []
    for group in (group for stage in resolved.input.finetune.explore for group in stage):
        for temperature in group.temperatures_K:
            taken = []
            for number, start in enumerate(structures[1:]):
                group_long = group.model_copy(update={"steps": group.steps + 60, "every": 15})
                trajectory = run_md(start, calculator, group_long, temperature_K=temperature, seed=seed + number)
                taken += list(trajectory.frames[-2:])
            for frame in taken[:count]:
                with tempfile.TemporaryDirectory() as scratch:
                    labelled.append(with_labels(frame, label_frame(labeler, frame, Path(scratch))))
    write_frames(kept, labelled)
    return read_frames(kept)


def report(run: Path, frames: list) -> list[str]:
    """Print the table, and return the targets that are missed."""
    train = read_frames(run / "data" / "finetune-train.extxyz")
    known = {frame.info["id"] for frame in [*train, *read_frames(run / "data" / "finetune-test.extxyz")]}
    assert not known & {frame.info["id"] for frame in frames}, "the second test set shares frames with the first data"
    reports, predictions = {}, {}
    for name in ("pretrained", "finetuned", "student"):
        folder = run / "models" / name
        predicted = [labels_of(frame) for frame in predict_frames(folder, frames)]
        shift = None
        if name == "pretrained":
            shift = fit_energy_shift(train, [labels_of(frame) for frame in predict_frames(folder, train)])
        predictions[name] = predicted
        reports[name] = error_report(frames, predicted, shift)
    teacher = [with_labels(frame, labels) for frame, labels in zip(frames, predictions["finetuned"], strict=True)]
    versus = error_report(teacher, predictions["student"])
    missed = []
    print(f"{len(frames)} frames; meV/Å (share of RMS label force, slope)")
    for group in ("all", *reports["finetuned"].by_group["temperature_K"]):

        def pick(result):
            return result if group == "all" else result.by_group["temperature_K"][group]  # noqa: B023

        p, f, d, v = (pick(each) for each in (*reports.values(), versus))
        ratio, student_ratio = (x.force_rmse_meV_per_A / y.force_rmse_meV_per_A for x, y in ((f, p), (d, f)))
        for name, model in (("P", p), ("F", f), ("D", d)):
            figures = f"{model.force_rmse_meV_per_A:6.1f} ({model.force_rmse_relative:.3f}, {model.force_slope:.3f})"
            print(f"{group:>6} K  {name} {figures}", end="")
        print(f"  F/P {ratio:.3f}  D/F {student_ratio:.2f}  D against F {v.force_rmse_relative:.3f}")
        low, high = TARGETS["slope"]
        checks = {
            "F/P": ratio <= TARGETS["ratio"],
            "F relative": f.force_rmse_relative <= TARGETS["relative"],
            "slope": low <= f.force_slope <= high,
        }
        if group == "all":
            checks["D/F"] = student_ratio <= TARGETS["student_ratio"]
            checks["D against F"] = v.force_rmse_relative <= TARGETS["student_relative"]
        missed += [f"{name} at {group}" for name, met in checks.items() if not met]
    print("missed: " + ", ".join(missed) if missed else "all targets met")
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
