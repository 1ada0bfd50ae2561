"""Error against speed: students of every kind and size, distilled from one teacher; classical potentials as the floor.

    python benchmarks/students.py silicon TEACHER [--families pod snap nep] [--data ../shared/data] [--out students]
        [--cores N]

A run of PFD-kit (``student: auto``) labels the pool's structures, as they are and rattled, by the teacher (a checkpoint
of SevenNet that was fine-tuned on labels of the pool), fits every candidate to them, scores it against the teacher and
times it. Here each is scored on the test file of the labels too, and timed beside SevenNet-0 and CHGNet (by their own
packages, and by ours), Stillinger-Weber and Tersoff (silicon), at 512 atoms of the first frame of the run's test set,
one thread, CPU time, fastest of several. The run can be stopped, and goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

from ase import Atoms
from labelled_sets import test_frames, training_frames
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import pfd
from pfd.frames import labels_of, read_frames, without_labels, write_frames
from pfd.frames.perturb import perturb
from pfd.lammps.session import LammpsPotential, LammpsSession
from pfd.models.speed import STILLINGER_WEBER, calculator_speed_us, lammps_speed_us

TERSOFF = """\
# J. Tersoff, Phys. Rev. B 39, 5566 (1989), table I
# el1 el2 el3 m gamma lambda3 c d cos(theta0) n beta lambda2 B R D lambda1 A
Si Si Si 3 1.0 0.0 1.0039e5 16.217 -0.59825 0.78734 1.1e-6 1.7322 471.18 2.85 0.15 2.4799 1830.8
"""
CLASSICAL = {"Stillinger-Weber": ("sw", STILLINGER_WEBER), "Tersoff": ("tersoff", TERSOFF)}
"""Of silicon: pair style and parameters."""
TEACHERS = {"SevenNet-0": ("sevennet", "7net-0"), "CHGNet": ("chgnet", "0.3.0")}
ATOMS = 512


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("material", help="a folder of the data, such as silicon")
    parser.add_argument("teacher", type=Path, help="a checkpoint of SevenNet")
    parser.add_argument("--families", nargs="*", default=["pod", "snap", "uf3", "nep", "ace", "deepmd"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("students"))
    parser.add_argument("--cores", type=int)
    options = parser.parse_args()
    folder = options.data / options.material
    if not folder.is_dir():
        print(f"skipped: no labelled set in {folder} (--data)")
        return 0
    out = options.out / options.material
    out.mkdir(parents=True, exist_ok=True)
    source = write_input(options, folder, out)
    ended = pfd.submit(source, out / "run")
    timed = read_frames(ended.path / "data" / "distill-test.extxyz")[0]  # as the run's own clock does
    rows = [*students(ended, folder, out), *references(timed, folder, out)]
    (out / "students.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    draw(rows, out / "students.svg")
    Console(width=120).print(table(rows))
    return 0


def write_input(options: argparse.Namespace, folder: Path, out: Path) -> Path:
    """The input of the run: the pool's structures as they are and rattled; nobody looks at their labels."""
    frames = []
    for number, frame in enumerate(training_frames(folder)):
        bare = without_labels(frame)
        (rattled,) = perturb(bare, count=1, displacement_A=0.1, strain=0.03, seed=number)
        for each in (bare, rattled):  # beside each other, so that the test set takes both or none
            each.info |= {"trajectory": "pool", "step": number}
            frames.append(each)
    pool = out / "pool.extxyz"
    write_frames(pool, frames)
    content: dict[str, Any] = {
        "name": f"students-{options.material}",
        "teacher": {"family": "sevennet", "model": str(options.teacher.resolve())},
        "distill": {
            "student": {"family": "auto", "families": options.families},
            "explore": [[{"method": "pool", "file": str(pool.resolve())}]],
            "select": {"max_frames": 300},
            "converge": {"force_rmse_relative": 0.1},
            "max_iterations": 1,
        },
        "evaluate": {"test_frames": 20, "speed_atoms": ATOMS, "scratch_student": False},
    }
    if options.cores:
        content["resources"] = {"cores": options.cores}
    path = out / "input.json"
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


def students(ended: pfd.Run, folder: Path, out: Path) -> list[dict[str, Any]]:
    """What the run found of each candidate, and its errors on the test file of the labels."""
    write_frames(test := out / "labels-test.extxyz", test_frames(folder))
    rows = []
    for trial in ended.summary["students"]:
        if trial.get("failed"):
            print(f"{trial['name']}: {trial['failed']}", file=sys.stderr)
            continue
        place = ended.path / "distill" / "students" / f"{trial['name'].replace(' ', '-')}-train"
        (model,) = place.glob("*/outputs/model")
        errors = errors_of(model, test)
        told = {key: trial[key] for key in ("name", "family", "us_per_atom_step", "force_rmse_meV_per_A")}
        rows.append(told | {"kind": "student", "labels": errors})
    return rows


def errors_of(model: Path, test: Path) -> dict[str, Any]:
    """What ``pfd evaluate`` says, in the environment that the model's family lives in."""
    command = [sys.executable, "-m", "pfd", "evaluate", str(model), str(test), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["errors"]
    return {key: found[key] for key in ("force_rmse_meV_per_A", "energy_rmse_meV_per_atom")}


def references(timed: Atoms, folder: Path, out: Path) -> list[dict[str, Any]]:
    """Times of the pre-trained models, by their packages and by ours; errors and times of classical potentials."""
    rows = []
    for name, (family, weights) in TEACHERS.items():
        model = out / "references" / family
        if not (model / "model.json").is_file():
            model.mkdir(parents=True, exist_ok=True)
            pfd.adopt_model(pfd.make_family(family), weights, None, model)
        for by, calculator in (("ours", pfd.load(model)), ("its package", package_calculator(family))):
            speed = calculator_speed_us(calculator, timed, atoms=ATOMS)
            rows.append({"name": f"{name}, by {by}", "kind": "teacher", "us_per_atom_step": speed})
    if set(timed.get_chemical_symbols()) == {"Si"}:
        for name, (style, parameters) in CLASSICAL.items():
            file = out / "references" / f"Si.{style}"
            file.write_text(parameters, encoding="utf-8")
            potential = LammpsPotential(style, (f'* * "{file.resolve()}" Si',), ("Si",))
            speed = lammps_speed_us(potential, timed, atoms=ATOMS, steps=500)
            rows.append(
                {"name": name, "kind": "classical", "us_per_atom_step": speed} | classical_errors(potential, folder)
            )
    return rows


def package_calculator(family: str) -> Any:
    """The ASE calculator of a family's own package, on the CPU."""
    if family == "sevennet":
        from sevenn.calculator import SevenNetCalculator

        return SevenNetCalculator("7net-0", device="cpu")
    from chgnet.model import CHGNetCalculator

    return CHGNetCalculator(use_device="cpu")


def classical_errors(potential: LammpsPotential, folder: Path) -> dict[str, Any]:
    """Force RMSE of a pair style on the test file; its energies have another zero."""
    import numpy as np

    errors = []
    with LammpsSession(potential) as session:
        for frame in test_frames(folder):
            session.place(frame)
            errors.append(np.ravel(session.evaluate().forces - labels_of(frame).forces))
    return {"labels": {"force_rmse_meV_per_A": 1000 * float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))}}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Force error on the test file against time, both logarithmic."""
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    families = list(dict.fromkeys(row["family"] for row in rows if row["kind"] == "student"))
    for row in rows:
        if "labels" not in row:
            axes.axvline(row["us_per_atom_step"], color="0.7", linewidth=0.8)
            axes.annotate(row["name"], (row["us_per_atom_step"], 1.0), xycoords=("data", "axes fraction"), rotation=90,
                          va="top", ha="right", fontsize=7)  # fmt: skip
            continue
        point = (row["us_per_atom_step"], row["labels"]["force_rmse_meV_per_A"])
        colour = f"C{families.index(row['family'])}" if row["kind"] == "student" else "0.3"
        axes.plot(*point, "o" if row["kind"] == "student" else "s", color=colour)
        axes.annotate(row["name"], point, textcoords="offset points", xytext=(5, 4), fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="µs per atom and step, one thread", ylabel="force RMSE, meV/Å")
    figure.savefig(path)


def table(rows: list[dict[str, Any]]) -> Table:
    """From fast to slow, with the ratio to SevenNet-0 by its package."""
    times = {row["name"]: row["us_per_atom_step"] for row in rows}
    slowest = times["SevenNet-0, by its package"]
    shown = Table("potential", "µs per atom and step", "speed over SevenNet-0", "against the teacher, meV/Å",
                  "on the test file, meV/Å", "meV/atom")  # fmt: skip
    for row in sorted(rows, key=lambda each: each["us_per_atom_step"]):
        labels = row.get("labels", {})
        numbers = [
            row.get("force_rmse_meV_per_A"),
            labels.get("force_rmse_meV_per_A"),
            labels.get("energy_rmse_meV_per_atom"),
        ]
        cells = ["–" if number is None else f"{number:.3g}" for number in numbers]
        time = row["us_per_atom_step"]
        shown.add_row(row["name"], f"{time:.3g}", f"{slowest / time:.3g}", *cells)
    return shown


if __name__ == "__main__":
    sys.exit(main())
