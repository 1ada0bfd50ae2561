"""How fast every family is: µs per atom for energy and forces, beside SevenNet-0 and Stillinger-Weber, in one run.

    python benchmarks/families.py [--families chgnet,pod] [--atoms 64 512] [--out FILE]

Diamond silicon, one thread. Each family is measured in a process of its own, where its tasks run: in the environment
that ``pfd env create`` built, or in this one: velocity-Verlet steps, each one evaluation of energy and forces, in
LAMMPS where the model has a pair style that the LAMMPS there knows, else in ASE. The clock counts CPU time; of
``--repeats`` measurements, each of about ``--seconds``, the table shows the fastest and the median. Ratios are those
of the fastest, at the same size.

A family is measured with the first of the weights that come with it, without these with an untrained model of its own
making, which is small; and as a student, if it can be one, with its default settings, fitted in a few steps to 8-atom
frames that a toy potential labelled: time does not depend on how good weights are, and these are good for nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

import numpy as np
from ase import Atoms
from ase.build import bulk
from rich.console import Console
from rich.table import Table

from pfd.environments.launch import HERE
from pfd.errors import MissingError, PFDError
from pfd.frames import Labels, with_labels
from pfd.models.environment import launch_for
from pfd.models.family import Family, Model, ModelCard, read_model, write_model
from pfd.models.speed import STILLINGER_WEBER, calculator_speed_us, lammps_speed_us
from pfd.models.training import adopt_model, make_family
from pfd.plugins import FAMILIES, plugin_names
from pfd.testing.toy_potential import ToyCalculator, morse

ANCHORS = ("stillinger-weber", "sevennet")
REFERENCE = "7net-0"
CRYSTAL = bulk("Si", "diamond", a=5.431, cubic=True)
SHORTENED = ("steps", "epochs")
"""Settings that say how long a student is trained: taken from the family's ``quick``; all others are the defaults."""
LABELLED = 12
"""Toy-labelled frames of a student."""
Measure = Callable[[int, int], float]
"""Atoms and steps -> µs per atom and step, of one measurement."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", help="comma-separated; all that are registered if not given")
    parser.add_argument("--atoms", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one measurement")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--one", metavar="FAMILY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(rows_of(options.one, options)))
        return 0
    families = options.families.split(",") if options.families else plugin_names(FAMILIES)
    names = [*ANCHORS, *(name for name in families if name not in (*ANCHORS, "toy"))]
    rows = []
    for name in dict.fromkeys(names):
        print(f"measuring {name}", file=sys.stderr)
        rows += measured_apart(name, options)
    show(rows, options)
    if options.out:
        machine = {"processor": processor(), "python": platform.python_version()}
        content = {"settings": vars(options) | {"out": None}, "machine": machine, "rows": rows}
        options.out.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return 0


def measured_apart(name: str, options: argparse.Namespace) -> list[dict]:
    """The rows of one family, measured in its environment; a row with the reason if that failed."""
    try:
        launch = HERE if name == ANCHORS[0] else launch_for(make_family(name))
    except MissingError as error:
        return [failure(name, f"not installed ({error.hint})")]
    sizes = map(str, options.atoms)
    command = launch.command(__file__, "--one", name, "--repeats", str(options.repeats))
    command += ["--seconds", str(options.seconds), "--atoms", *sizes]
    done = subprocess.run(command, env=launch.environ(), capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    told = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return [failure(name, " ".join(told[-2:]) or f"exit {done.returncode}")]  # an error of ours ends with its hint


def failure(name: str, reason: str) -> dict:
    return {"family": name, "model": "", "engine": "", "failed": reason}


def rows_of(name: str, options: argparse.Namespace) -> list[dict]:
    """One row per model of a family, measured here."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        if name == ANCHORS[0]:
            from pfd.lammps.session import LammpsPotential

            file = Path(scratch) / "Si.sw"
            file.write_text(STILLINGER_WEBER, encoding="utf-8")
            potential = LammpsPotential("sw", (f'* * "{file}" Si',), ("Si",))
            card = ModelCard(family=name, name="published", elements=("Si",), cutoff_A=3.77, parameters=7)
            return [row_of(card, "LAMMPS", in_lammps(potential), options)]
        family = make_family(name)
        return [
            measured(family, make, Path(scratch) / make.__name__, options)
            for make in (adopted, fitted)
            if make is not adopted or family.shipped or type(family).untrained is not Family.untrained
            if make is not fitted or family.FitSettings is not None
        ]


def measured(family: Family, make: Callable[[Family, Path], str], folder: Path, options: argparse.Namespace) -> dict:
    """The row of one model of a family, made in a folder."""
    folder.mkdir()
    try:
        name = make(family, folder)
        card = read_model(folder).card.model_copy(update={"name": name})
        engine, measure = "ASE", in_ase(family, folder)
        if family.lammps_potential(folder) is not None:
            try:
                measure_there = in_lammps(family.lammps_potential(folder))
                measure_there(8, 1)
                engine, measure = "LAMMPS", measure_there
            except PFDError:
                engine = "ASE (the LAMMPS here lacks the pair style)"
        return row_of(card, engine, measure, options)
    except PFDError as error:
        return failure(family.name, f"{make.__name__}: {str(error).splitlines()[0]}")


def adopted(family: Family, folder: Path) -> str:
    """Adopt the first of the family's weights, or an untrained model of it; what the table calls it."""
    if family.shipped:
        adopt_model(family, family.shipped[0], None, folder)
        return family.shipped[0]
    with tempfile.TemporaryDirectory() as scratch:
        source = family.untrained(Path(scratch), ["Si"], 0)
        try:
            adopt_model(family, str(source), family.untrained_head, folder, trust_file=True)
        except PFDError as error:
            raise type(error)(f"untrained: {error}") from error
    return "small, untrained"


def fitted(family: Family, folder: Path) -> str:
    """Fit a student to toy-labelled silicon; what the table calls it."""
    assert family.FitSettings is not None
    short = {key: family.quick[key] for key in SHORTENED if key in family.quick}
    settings = family.FitSettings.model_validate(short)
    card, _ = family.fit(folder, toy_labelled(), [], settings, 0)
    write_model(folder, Model(card=card))
    written = ", ".join(f"{key} {value}" for key, value in short.items())
    return f"student, size {card.name}" + (f" ({written})" if written else "")


def toy_labelled() -> list[Atoms]:
    """Rattled, strained silicon cells labelled by a Morse potential."""
    generator = np.random.default_rng(0)
    frames = []
    for _ in range(LABELLED):
        frame = CRYSTAL.copy()
        strain = np.eye(3) + generator.normal(scale=0.02, size=(3, 3))
        frame.set_cell(frame.cell.array @ strain, scale_atoms=True)
        frame.positions += generator.normal(scale=0.1, size=frame.positions.shape)
        frame.calc = ToyCalculator(["Si"], morse(), np.ones(1), {})
        labels = Labels(frame.get_potential_energy(), frame.get_forces(), frame.get_stress())
        frames.append(with_labels(frame, labels))
    return frames


def in_ase(family: Family, folder: Path) -> Measure:
    calculator = family.calculator(folder)
    return lambda atoms, steps: calculator_speed_us(calculator, CRYSTAL, atoms=atoms, steps=steps, repeats=1)


def in_lammps(potential) -> Measure:
    return lambda atoms, steps: lammps_speed_us(potential, CRYSTAL, atoms=atoms, steps=steps, repeats=1)


def row_of(card: ModelCard, engine: str, measure: Measure, options: argparse.Namespace) -> dict:
    speeds = {}
    for atoms in options.atoms:
        trial_us = measure(atoms, 2) * atoms
        steps = max(1, min(2000, round(1e6 * options.seconds / trial_us)))
        values = [measure(atoms, steps) for _ in range(options.repeats)]
        speeds[str(atoms)] = {"steps": steps, "min_us": min(values), "median_us": statistics.median(values)}
    found = {"parameters": card.parameters, "cutoff_A": card.cutoff_A, "us_per_atom": speeds}
    return {"family": card.family, "model": card.name, "engine": engine, **found}


def show(rows: list[dict], options: argparse.Namespace) -> None:
    sizes = [str(atoms) for atoms in options.atoms]
    reference = next((row["us_per_atom"] for row in rows if row["model"] == REFERENCE and "us_per_atom" in row), None)
    table = Table(title="energy and forces of diamond silicon, one thread: µs per atom, fastest (median)")
    for column in ("family", "model", "parameters", "cutoff Å", "in"):
        table.add_column(column)
    for size in sizes:
        table.add_column(f"{size} atoms", justify="right")
        table.add_column(f"speed / {REFERENCE}", justify="right")
    timed = sorted(
        (row for row in rows if "us_per_atom" in row), key=lambda row: row["us_per_atom"][sizes[-1]]["min_us"]
    )
    for row in timed:
        cells = [row["family"], row["model"], str(row["parameters"]), f"{row['cutoff_A']:.2f}", row["engine"]]
        for size in sizes:
            found = row["us_per_atom"][size]
            cells.append(f"{found['min_us']:.3g} ({found['median_us']:.3g})")
            cells.append(f"{reference[size]['min_us'] / found['min_us']:.3g}" if reference else "")
        table.add_row(*cells)
    Console(width=160, soft_wrap=True).print(table)
    for row in rows:
        if "failed" in row:
            print(f"{row['family']}: {row['failed']}")


def processor() -> str:
    """The processor's name, as the operating system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


if __name__ == "__main__":
    raise SystemExit(main())
