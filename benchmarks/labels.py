"""What our runner adds to an engine: CPU seconds a frame beside the bare program on the same input, and frames an hour.

Quantum ESPRESSO, CP2K and GPAW, as far as they are there; a label is a task of the local engine, as in a run, and the
bare program is started by hand in a copy of the folder that the label left. A worker labels several frames, as in a
run: its start and imports are shared among them.

    python benchmarks/labels.py --frames 3 --out labels.json
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from ase.build import bulk

from pfd.engines.local import LocalEngine
from pfd.errors import MissingError
from pfd.frames import with_origin, write_frames
from pfd.label.labeler import make_labeler
from pfd.tasks.folder import Artifact, Resources, TaskFolder, TaskSpec

PSEUDOS = Path("/usr/share/espresso/pseudo")
ENGINES = {
    "espresso": (
        {
            "method": "espresso",
            "pseudo_dir": str(PSEUDOS),
            "pseudopotentials": {"Si": "Si.pbe-rrkj.UPF"},
            "ecutwfc_Ry": 20,
            "kspacing_per_A": 0.4,
        },
        ["pw.x", "-in", "pw.in"],
    ),
    "cp2k": (
        {"method": "cp2k", "basis_sets": {"Si": "DZVP-MOLOPT-SR-GTH"}, "kspacing_per_A": 1.2},
        ["cp2k.psmp", "-i", "cp2k.inp"],
    ),
}
"""Engine -> the label section, and how the bare program is started in the folder of a try."""


def silicon(seed):
    """Eight rattled atoms."""
    frame = bulk("Si", cubic=True)
    frame.rattle(0.08, seed=seed)
    return with_origin(frame)


def spent():
    """CPU seconds of this process and all that it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def label_tasks(folder, settings, frames):
    """Label tasks as a run makes them."""
    labeler = make_labeler(settings)
    specs = []
    for number, frame in enumerate(frames):
        path = folder / f"frame-{number}.extxyz"
        write_frames(path, [frame])
        specs.append(
            TaskSpec(
                "label",
                {"settings": {"method": settings["method"]}, "level": labeler.level_of_theory()},
                {"frame": Artifact.of(path)},
                Resources(cores=1, memory_GB=2.0),
                labeler.settings.model_dump(mode="json", exclude={"accept", "method"}),
            )
        )
    return [TaskFolder.create(folder / "label", number, spec) for number, spec in enumerate(specs)]


def run(folders, workers):
    """Perform tasks; CPU seconds and wall seconds, and their results must be there."""
    before, began = spent(), time.perf_counter()
    LocalEngine(cores=workers, memory_GB=8.0).run(folders, lambda _: None)
    assert all(folder.done() for folder in folders)
    return spent() - before, time.perf_counter() - began


def bare(command, evidence):
    """The program alone, on the input that the label was made with."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bare"
        shutil.copytree(evidence, folder)
        before = spent()
        with (folder / "bare.out").open("w") as out:
            subprocess.run(command, cwd=folder, stdout=out, stderr=out, check=True)
        return spent() - before


def measure(name, count, work):
    """One engine: some frames by one worker, as a run has them labelled, the bare program on each, then two workers."""
    settings, command = ENGINES[name]
    labeler = make_labeler(settings)
    labeler.check([silicon(0)])
    alone = work / f"{name}-one"
    alone.mkdir()
    tasks = label_tasks(alone, settings, [silicon(seed) for seed in range(count)])
    cpu, wall = run(tasks, 1)
    bare_cpu = [bare(command, next(task.path.glob("attempts/*/evidence/try-1"))) for task in tasks]
    both = work / f"{name}-two"
    both.mkdir()
    frames = [silicon(100 + seed) for seed in range(2 * count)]
    _, wall_of_two = run(label_tasks(both, settings, frames), 2)
    ours, program = cpu / count, sum(bare_cpu) / count
    return {
        "frames": count,
        "cpu_s_per_frame": ours,
        "bare_cpu_s_per_frame": program,
        "overhead_s": ours - program,
        "overhead_percent": 100.0 * (ours / program - 1.0),
        "frames_per_hour_1_worker": 3600.0 * count / wall,
        "frames_per_hour_2_workers": 3600.0 * len(frames) / wall_of_two,
    }


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=3, help="frames of each engine, one after the other")
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--out", type=Path, help="JSON file")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    found = {}
    with tempfile.TemporaryDirectory() as work:
        for name in arguments.engines:
            try:
                found[name] = measure(name, arguments.frames, Path(work))
            except MissingError as error:
                print(f"{name}: not here: {error.what}")
                continue
            row = found[name]
            ours, bare_s = row["cpu_s_per_frame"], row["bare_cpu_s_per_frame"]
            print(
                f"{name}: {ours:.2f} CPU s a frame, the bare program {bare_s:.2f}: {row['overhead_s']:.2f} s, "
                f"{row['overhead_percent']:.1f} % more; {row['frames_per_hour_1_worker']:.0f} frames an hour with one "
                f"worker, {row['frames_per_hour_2_workers']:.0f} with two"
            )
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
