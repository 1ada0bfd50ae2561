"""How often the data gate refuses good sets, and how often it lets bad ones pass, without a model.

Good sets: those of --data, and sets made here: metals and alloys with EMT (MD, relaxations, slabs, a cluster),
molecules with GFN2-xTB, and crystals of other bonding with CHGNet; the last two where tblite and chgnet are installed.
Each is looked at whole and in parts of a few frames. Bad sets: the same with forces that were spoilt.

    python benchmarks/data_gate.py --data ../shared/data --out data-gate.json
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import bulk, fcc111, graphene, molecule
from ase.calculators.emt import EMT
from ase.cluster import Octahedron
from ase.collections import g2
from ase.md.langevin import Langevin
from ase.optimize import BFGS

from pfd.evaluate.data_gate.finding import Verdict
from pfd.evaluate.data_gate.labelled_set import LabelledSet
from pfd.evaluate.data_gate.pair_forces import fit_pair_forces
from pfd.evaluate.data_gate.random_forces import random_forces
from pfd.frames import Labels, labels_of, read_frames, with_labels

PARTS = (1, 2, 5, 10, 20)
"""Frames in a part."""
DRAWS = 40
"""Parts of each size."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = [measure(name, frames) for name, frames in good_sets(arguments.data)]
    print("| set | frames | atoms with force | mean cosine | lowest of a frame | refused / told nothing, of parts |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['name']} ({row['verdict']}) | {row['frames']} | {row['atoms']} | {row['cosine']:.2f} | "
            f"{row['lowest']:.2f} | {row['parts_refused']} / {row['parts_untold']} of {row['parts']} |"
        )
    print("\n| spoilt | sets refused | parts of 100 atoms and more refused |")
    print("|---|---|---|")
    for how in SPOILT:
        spoilt = [row["spoilt"][how] for row in rows if row["atoms"] >= 100]
        sets, refused, parts = (sum(each[key] for each in spoilt) for key in ("set", "parts_refused", "parts"))
        print(f"| {how} | {sets} of {len(spoilt)} | {refused} of {parts} |")
    print(f"\nlowest mean cosine of a good set {min(row['cosine'] for row in rows if row['atoms'] >= 100):.2f}")
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measure(name: str, frames: list[Atoms]) -> dict:
    began = time.perf_counter()
    verdict = verdict_of(frames)
    seconds = time.perf_counter() - began
    fitted = fit_pair_forces(frames, [labels_of(frame).forces for frame in frames])
    row = {
        "name": name,
        "frames": len(frames),
        "atoms": fitted.atoms,
        "cosine": fitted.mean(),
        "lowest": min(fitted.of_frames(30).values(), default=float("nan")),
        "verdict": verdict.value,
        "seconds": seconds,
    }
    parts = [verdict_of(part) for part in parts_of(frames)]
    row |= {
        "parts": len(parts),
        "parts_refused": parts.count(Verdict.REFUSED),
        "parts_untold": parts.count(Verdict.WARNING),
    }
    row["spoilt"] = {}
    for how, spoil in SPOILT.items():
        bad = spoil(frames, np.random.default_rng(1))
        told = [part for part in parts_of(bad) if moved_atoms(part) >= 100]
        row["spoilt"][how] = {
            "set": verdict_of(bad) is Verdict.REFUSED,
            "parts": len(told),
            "parts_refused": sum(verdict_of(part) is Verdict.REFUSED for part in told),
        }
    return row


def verdict_of(frames: list[Atoms]) -> Verdict:
    return max((finding.verdict for finding in random_forces(LabelledSet("set", frames))), key=lambda each: each.rank)


def moved_atoms(frames: list[Atoms]) -> int:
    return sum(int((np.linalg.norm(labels_of(frame).forces, axis=1) >= 0.1).sum()) for frame in frames)


def parts_of(frames: list[Atoms]) -> Iterator[list[Atoms]]:
    rng = np.random.default_rng(0)
    for size in PARTS:
        for _ in range(DRAWS if size < len(frames) else 0):
            yield [frames[index] for index in sorted(rng.choice(len(frames), size, replace=False))]


def _with(frames: list[Atoms], forces: list[np.ndarray]) -> list[Atoms]:
    return [
        with_labels(frame, Labels(labels_of(frame).energy, each)) for frame, each in zip(frames, forces, strict=True)
    ]


def normal(frames: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    return _with(frames, [rng.normal(size=frame.positions.shape) for frame in frames])


def without_net_force(frames: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    found = [rng.standard_t(3, size=frame.positions.shape) for frame in frames]
    return _with(frames, [each - each.mean(axis=0) for each in found])


def other_atoms(frames: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    return _with(frames, [rng.permutation(labels_of(frame).forces) for frame in frames])


def one_other_order(frames: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    order = rng.permutation(max(map(len, frames)))
    return _with(frames, [labels_of(frame).forces[order[order < len(frame)]] for frame in frames])


def other_frames(frames: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    """Each frame has the forces of another one of as many atoms."""
    found = []
    for index, frame in enumerate(frames):
        others = [i for i, other in enumerate(frames) if len(other) == len(frame) and i != index] or [index]
        found.append(labels_of(frames[int(rng.choice(others))]).forces)
    return _with(frames, found)


SPOILT = {
    "normal random numbers, 1 eV/Å": normal,
    "heavy-tailed random numbers without net force": without_net_force,
    "forces of other atoms of the frame": other_atoms,
    "one other order of the atoms": one_other_order,
    "forces of other frames": other_frames,
}


def good_sets(data: Path) -> Iterator[tuple[str, list[Atoms]]]:
    for path in sorted(data.glob("*/*.extxyz")):
        yield f"{path.parent.name}/{path.stem}", read_frames(path)
    rng = np.random.default_rng(0)
    alloy = bulk("Cu", cubic=True).repeat(3)
    alloy.numbers[rng.choice(len(alloy), 40, replace=False)] = 79
    surface = fcc111("Al", (3, 3, 4), vacuum=8.0)
    for name, frame, kelvin in (
        ("CuAu, MD 1000 K", alloy, 1000.0),
        ("Al (111), MD 300 K", surface, 300.0),
        ("Pt cluster, MD 600 K", Octahedron("Pt", 4), 600.0),
    ):
        yield name, dynamics(frame, EMT(), kelvin)
    yield "Ni, MD 50 K", dynamics(bulk("Ni", cubic=True).repeat(2), EMT(), 50.0)
    yield "Cu, strained cells", strained(bulk("Cu", cubic=True), EMT(), rng)
    yield "CuAu, relaxations", relaxation(alloy, EMT())
    if find_spec("tblite"):
        yield from molecules(rng)
    if find_spec("chgnet"):
        yield from crystals(rng)


def molecules(rng: np.random.Generator) -> Iterator[tuple[str, list[Atoms]]]:
    from tblite.ase import TBLite

    calculator = TBLite(method="GFN2-xTB", verbosity=0)
    names = [name for name in g2.names if len(g2[name]) >= 3 and g2[name].get_initial_magnetic_moments().sum() == 0]
    frames = [shaken(molecule(name), 0.08, rng) for name in names]
    yield "80 molecules, displaced", [labelled(frame, calculator) for frame in frames[:80]]
    yield "80 molecules, as tabulated", [labelled(molecule(name), calculator) for name in names[:80]]
    yield "ethanol, MD 500 K", dynamics(molecule("CH3CH2OH"), calculator, 500.0, every=20)


def crystals(rng: np.random.Generator) -> Iterator[tuple[str, list[Atoms]]]:
    from tempfile import TemporaryDirectory

    from pfd.models.training import adopt_model, make_family

    family = make_family("chgnet")
    graphite = graphene(vacuum=0.0).repeat((3, 3, 1))
    graphite.cell[2] = [0.0, 0.0, 3.35]
    graphite.pbc = True
    graphite = graphite.repeat((1, 1, 2))
    with TemporaryDirectory() as folder:
        adopt_model(family, "0.3.0", None, Path(folder))
        calculator = family.calculator(Path(folder))
        for name, frame, kelvin in (
            ("NaCl, MD 600 K", bulk("NaCl", "rocksalt", 5.64, cubic=True).repeat((2, 1, 1)), 600.0),
            ("graphite, MD 600 K", graphite, 600.0),
            ("Fe, MD 800 K", bulk("Fe", cubic=True).repeat(2), 800.0),
            ("GaAs, MD 1200 K", bulk("GaAs", "zincblende", 5.75, cubic=True), 1200.0),
        ):
            yield name, dynamics(frame, calculator, kelvin, frames=12, every=15)
        mixed = [
            bulk("MgO", "rocksalt", 4.21, cubic=True),
            bulk("LiF", "rocksalt", 4.03, cubic=True),
            bulk("CsCl", "cesiumchloride", 4.12).repeat(2),
            bulk("SiC", "zincblende", 4.36, cubic=True),
            bulk("ZnS", "zincblende", 5.41, cubic=True),
            bulk("TiN", "rocksalt", 4.24, cubic=True),
            bulk("CaF2", "fluorite", 5.46, cubic=True),
        ]
        frames = [shaken(frame, 0.1, rng) for frame in mixed for _ in range(4)]
        yield "14 elements in 7 crystals", [labelled(frame, calculator) for frame in frames]


def dynamics(frame: Atoms, calculator: object, kelvin: float, frames: int = 30, every: int = 10) -> list[Atoms]:
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

    frame = frame.copy()
    frame.calc = calculator
    MaxwellBoltzmannDistribution(frame, temperature_K=kelvin, rng=np.random.default_rng(0))
    run = Langevin(frame, 1.0 * units.fs, temperature_K=kelvin, friction=0.02, rng=np.random.default_rng(0))
    found = []
    for _ in range(frames):
        run.run(every)
        found.append(labelled(frame, calculator))
    return found


def relaxation(frame: Atoms, calculator: object) -> list[Atoms]:
    """The ways of three displaced copies to their minima, all steps."""
    found: list[Atoms] = []
    for seed in range(3):
        copy = shaken(frame, 0.1, np.random.default_rng(seed))
        copy.calc = calculator
        search = BFGS(copy, logfile=None)
        search.attach(lambda copy=copy: found.append(labelled(copy, calculator)))
        search.run(fmax=0.02, steps=25)
    return found


def strained(frame: Atoms, calculator: object, rng: np.random.Generator) -> list[Atoms]:
    """Cells under strain with displaced atoms, as perturbation makes them."""
    found = []
    for _ in range(30):
        copy = frame.copy()
        copy.set_cell(frame.cell.array @ (np.eye(3) + rng.uniform(-0.04, 0.04, (3, 3))), scale_atoms=True)
        found.append(labelled(shaken(copy, 0.1, rng), calculator))
    return found


def shaken(frame: Atoms, deviation_A: float, rng: np.random.Generator) -> Atoms:
    copy = frame.copy()
    copy.positions += rng.normal(scale=deviation_A, size=copy.positions.shape)
    return copy


def labelled(frame: Atoms, calculator: object) -> Atoms:
    copy = frame.copy()
    copy.set_constraint()
    copy.calc = calculator
    return with_labels(copy, Labels(float(copy.get_potential_energy()), np.array(copy.get_forces(), dtype=float)))


if __name__ == "__main__":
    main()
