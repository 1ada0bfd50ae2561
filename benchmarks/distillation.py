"""How to make a student's training set: what the teacher should label, how much of it, and what kind of student.

    python benchmarks/distillation.py silicon TEACHER [--data ../shared/data] [--out FOLDER] [--test] [--table]

TEACHER is the folder of a model that was fine-tuned on some of the labels. The structures of the pool (their labels
are never used) are made into sets of frames, which the teacher labels: the pool as it is, rattled and strained by
several amounts, and frames of the dynamics of a student that was fitted to these before, cold and hot. Students are
fitted to unions of the sets. What counts is the force RMSE on labels that nobody was trained on, over that of the same
kind of student on *all* labels of the pool; beside it the error against the teacher, without which a bad teacher would
look like a good one.

Without --test, every fourth frame of the training file is held out and scored: that is what choices are made by. With
--test, the pool is the whole training file, and the test file is scored. Sets and rows that are there are not made
again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

import numpy as np
from ase import Atoms
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from rich.console import Console
from rich.table import Table

import pfd
from pfd.frames import fit_energy_shift, labels_of, read_frames, write_frames
from pfd.frames.energy_shift import EnergyShift
from pfd.frames.neighbours import closest_contact
from pfd.frames.perturb import perturb
from pfd.lammps.md import run_lammps_md
from pfd.models.pod_fit import PODFitSettings
from pfd.models.snap import SNAPFitSettings

HELD = (4, 1)
"""Without --test: every fourth frame of the training file, from the second on, is scored and never trained on."""
RATTLES = {"rattle03": (0.03, 0.01), "rattle1": (0.1, 0.03), "rattle2": (0.2, 0.05)}
"""Displacement (Å, root mean square length) and largest strain."""
MD = {"cold": 600.0, "hot": 2000.0}
"""Temperatures of the student's own dynamics, K."""
MD_STARTS, MD_STEPS, MD_FRAMES = 40, 200, 3
"""Structures that it starts from, steps of 2 fs, and frames of each run."""
CROWDED = 0.6
"""Frames with a contact below this part of the sum of the covalent radii are not labelled: the student went astray."""
KINDS = {
    "pod S": ("pod", PODFitSettings(size="S")),
    "pod M": ("pod", PODFitSettings(size="M")),
    "snap S": ("snap", SNAPFitSettings(size="S")),
}
UNIONS = (
    ("pool",),
    ("pool", "rattle03"),
    ("pool", "rattle1"),
    ("pool", "rattle2"),
    ("pool", "cold"),
    ("pool", "hot"),
    ("pool", "rattle1", "hot"),
    ("pool", "rattle1", "rattle2", "cold", "hot"),
    ("rattle1",),
    ("hot",),
)
ON_POLICY_FROM = ("pool", "rattle1")
"""The union to which the student is fitted whose dynamics make the sets of ``MD``."""


@dataclass(frozen=True)
class Row:
    """One student.

    Attributes:
        kind: of it, a key of ``KINDS``.
        sets: what it is fitted to; ``labels`` are those of the pool, without any teacher.
        part: every so many-th frame of the sets.
    """

    kind: str
    sets: tuple[str, ...]
    part: int = 1

    @property
    def name(self) -> str:
        """The row as one word."""
        return f"{self.kind.replace(' ', '')}-{'+'.join(self.sets)}-{self.part}"


class Bench:
    """One material and one teacher.

    Args:
        material: folder of the data.
        teacher: model folder.
        out: where sets and rows are kept.
        test: whether the test file is scored.
    """

    def __init__(self, material: Path, teacher: Path, out: Path, test: bool) -> None:
        self.teacher, self.out = teacher, out
        frames = read_frames(material / "train.extxyz")
        every, first = HELD
        self.scored = read_frames(material / "test.extxyz") if test else frames[first::every]
        self.pool = [frame for index, frame in enumerate(frames) if test or index % every != first]
        (out / "rows").mkdir(parents=True, exist_ok=True)

    def frames_of(self, name: str) -> list[Atoms]:
        """A set, labelled."""
        if name == "labels":
            return self.pool
        path = self.out / f"{name}.extxyz"
        if not path.is_file():
            before = time.process_time()
            frames = list(self._made(name))
            say(f"{name}: {len(frames)} frames made in {time.process_time() - before:.0f} CPU s")
            labelled = pfd.predict_frames(self.teacher, frames)
            say(f"{name}: labelled after {time.process_time() - before:.0f} CPU s")
            write_frames(path, labelled)
        return read_frames(path)

    def _made(self, name: str) -> Iterator[Atoms]:
        if name == "pool":
            yield from map(bare, self.pool)
        elif name in RATTLES:
            for index, frame in enumerate(self.pool):
                length, strain = RATTLES[name]
                yield perturb(bare(frame), 1, displacement_A=length, strain=strain, seed=index)[-1]
        else:
            yield from self._dynamics(MD[name])

    def _dynamics(self, temperature_K: float) -> Iterator[Atoms]:
        """Frames of a student's own MD; where it goes astray, those before."""
        starts = self.pool[:: max(1, len(self.pool) // MD_STARTS)]
        with tempfile.TemporaryDirectory() as scratch:
            self._fit(Row("pod S", ON_POLICY_FROM), Path(scratch))
            potential = pfd.make_family("pod").lammps_potential(Path(scratch))
            assert potential is not None
            for number, start in enumerate(starts):
                frame = bare(start)
                MaxwellBoltzmannDistribution(frame, temperature_K=temperature_K, rng=np.random.default_rng(number))
                run = run_lammps_md(
                    potential,
                    frame,
                    ensemble="nvt",
                    steps=MD_STEPS,
                    every=MD_STEPS // MD_FRAMES,
                    timestep_fs=2.0,
                    temperatures_K=(temperature_K,),
                    seed=number + 1,
                )
                for stored in run:
                    if closest_contact(stored.frame) < CROWDED:
                        break
                    if stored.step:
                        yield bare(stored.frame)

    def _fit(self, row: Row, folder: Path) -> int:
        """The student of a row; returns the number of frames."""
        frames = [frame for name in row.sets for frame in self.frames_of(name)[:: row.part]]
        family, settings = KINDS[row.kind]
        pfd.fit_model(pfd.make_family(family), frames, [], settings, 0, folder)
        return len(frames)

    def measure(self, row: Row) -> dict[str, Any]:
        """Errors of a row's student against labels, and against its teacher on the same frames."""
        with tempfile.TemporaryDirectory() as scratch:
            before = time.process_time()
            count = self._fit(row, Path(scratch))
            seconds = time.process_time() - before
            predicted = pfd.predict_frames(Path(scratch), self.scored)
        taught = self.teacher_on_scored()
        return {
            "kind": row.kind,
            "sets": row.sets,
            "frames": count,
            "fit_s": seconds,
            "force": force_rmse(predicted, self.scored),
            "teacher": force_rmse(taught, self.scored),
            "residual": force_rmse(predicted, taught),
            "energy": energy_rmse(predicted, self.scored),
        }

    def teacher_on_scored(self) -> list[Atoms]:
        """The teacher's predictions of the scored frames."""
        path = self.out / "scored.extxyz"
        if not path.is_file():
            write_frames(path, pfd.predict_frames(self.teacher, list(map(bare, self.scored))))
        return read_frames(path)


def bare(frame: Atoms) -> Atoms:
    """Without labels, velocities and constraints."""
    return Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)


def force_rmse(predicted: Sequence[Atoms], labelled: Sequence[Atoms]) -> float:
    """By component, meV/Å."""
    pairs = zip(predicted, labelled, strict=True)
    return 1000.0 * rms([np.ravel(labels_of(one).forces) - np.ravel(labels_of(two).forces) for one, two in pairs])


def energy_rmse(predicted: Sequence[Atoms], labelled: Sequence[Atoms]) -> float:
    """Per atom after the best shift, meV: the teacher's energies have a zero of their own."""
    shift: EnergyShift = fit_energy_shift(labelled, [labels_of(frame) for frame in predicted])
    pairs = zip(predicted, labelled, strict=True)
    off = [(labels_of(one).energy + shift.of(two) - labels_of(two).energy) / len(two) for one, two in pairs]
    return 1000.0 * rms([np.array(off)])


def rms(parts: Sequence[np.ndarray]) -> float:
    return float(np.sqrt(np.mean(np.concatenate(parts) ** 2)))


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M')} {text}", file=sys.stderr, flush=True)


def all_rows() -> list[Row]:
    rows = [Row(kind, ("labels",)) for kind in KINDS]
    rows += [Row("pod M", union) for union in UNIONS]
    rows += [Row("pod M", UNIONS[-3], part) for part in (2, 4)]
    rows += [Row(kind, union) for kind in ("pod S", "snap S") for union in (UNIONS[0], UNIONS[2], UNIONS[-3])]
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("material", help="a folder of the data, such as silicon")
    parser.add_argument("teacher", type=Path, help="a model folder")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("distillation"))
    parser.add_argument("--test", action="store_true", help="score the test file, once everything is chosen")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    parser.add_argument("--rows", nargs="*", default=[], help="words that the name of a row must hold")
    options = parser.parse_args()
    if not (options.data / options.material).is_dir():
        print(f"skipped: no labelled set {options.material} in {options.data} (--data)")
        return 0
    out = options.out / f"{options.material}{'-test' if options.test else ''}"
    bench = Bench(options.data / options.material, options.teacher, out, options.test)
    done: dict[str, dict[str, Any]] = {}
    for row in [row for row in all_rows() if all(word in row.name for word in options.rows)]:
        path = out / "rows" / f"{row.name}.json"
        if not path.is_file() and not options.table:
            say(row.name)
            path.write_text(json.dumps(bench.measure(row), indent=1), encoding="utf-8")
        if path.is_file():
            done[row.name] = json.loads(path.read_text(encoding="utf-8"))
    Console(width=150).print(table(done))
    return 0


def table(done: dict[str, dict[str, Any]]) -> Table:
    """One line for each row; ratios are to the same kind on all labels."""
    shown = Table()
    columns = (
        "student",
        "fitted to",
        "frames",
        "fit CPU s",
        "force meV/Å",
        "over all labels",
        "teacher's",
        "to teacher",
    )
    for column in (*columns, "energy meV/atom"):
        shown.add_column(column)
    alone = {row["kind"]: row["force"] for row in done.values() if row["sets"] == ["labels"]}
    for row in done.values():
        ratio = f"{row['force'] / alone[row['kind']]:.2f}" if row["kind"] in alone else ""
        errors = [
            f"{row['force']:.1f}",
            ratio,
            f"{row['teacher']:.1f}",
            f"{row['residual']:.1f}",
            f"{row['energy']:.1f}",
        ]
        shown.add_row(row["kind"], " + ".join(row["sets"]), str(row["frames"]), f"{row['fit_s']:.0f}", *errors)
    return shown


if __name__ == "__main__":
    sys.exit(main())
