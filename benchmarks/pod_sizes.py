"""Sizes of linear students: errors on frames that were not fitted, and time beside the pre-trained models.

    python benchmarks/pod_sizes.py silicon [--sizes XS S M L 8,7/3 uf3:S] [--ridges 1e-8 1e-5] [--every 7]
        [--rounds 3] [--data ../shared/data]

Every fourth frame of the training file is judged, of the others one in ``--every`` is fitted. ``8,7/3`` has 8 radial
functions of two bodies, 7 of three to seven, and degrees up to 3: the last number stands for all bodies that follow.
``uf3:M`` and ``snap:S`` are of other families, ``uf3:M,curvature_weight=0`` with a setting besides.
Times are of 512 atoms, one thread, CPU time: all models one after the other, ``--rounds`` times, of each the fastest
and the slowest; SevenNet-0 and CHGNet by their own packages. ``--rounds 0`` takes none. No test file is read.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from itertools import product
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

import numpy as np
from ase import Atoms
from labelled_sets import training_frames
from rich.console import Console
from rich.table import Table
from students import package_calculator

import pfd
from pfd.frames import labels_of
from pfd.models.family import read_model
from pfd.models.linear_fit import LinearFitSettings
from pfd.models.pod_fit import PRESETS
from pfd.models.speed import calculator_speed_us, lammps_speed_us

JUDGED = 4
"""One frame in so many is judged."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("material", help="a folder of the data, such as silicon")
    parser.add_argument("--sizes", nargs="*", default=list(PRESETS))
    parser.add_argument("--ridges", nargs="*", type=float, default=[None], help="default: that of the settings")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    folder = options.data / options.material
    if not folder.is_dir():
        print(f"skipped: no labelled set in {folder} (--data)")
        return 0
    frames = training_frames(folder)
    judged = frames[::JUDGED]
    fitted = [frame for index, frame in enumerate(frames) if index % JUDGED][:: options.every]
    shown = Table("model", "coefficients", "ridge", "meV/Å", "meV/atom", "fit, CPU s", "µs per atom and step")
    packages = {name: package_calculator(name) for name in ("sevennet", "chgnet")} if options.rounds else {}
    with tempfile.TemporaryDirectory() as scratch:
        fits = [
            fitted_model(size, ridge, fitted, judged, Path(scratch) / str(number))
            for number, (size, ridge) in enumerate(product(options.sizes, options.ridges))
        ]
        times: dict[int | str, list[float]] = defaultdict(list)
        for _ in range(options.rounds):
            for name, calculator in packages.items():
                times[name].append(calculator_speed_us(calculator, frames[0]))
            for number in range(len(fits)):
                model = Path(scratch) / str(number)
                potential = pfd.make_family(read_model(model).card.family).lammps_potential(model)
                assert potential is not None
                times[number].append(lammps_speed_us(potential, frames[0]))
    for name in packages:
        shown.add_row(name, "", "", "", "", "", range_of(times[name]))
    for number, cells in enumerate(fits):
        shown.add_row(*cells, range_of(times[number]))
    Console(width=120).print(f"{options.material}: {len(fitted)} frames fitted, {len(judged)} judged", shown)
    return 0


def fitted_model(
    size: str, ridge: float | None, fitted: list[Atoms], judged: list[Atoms], model: Path
) -> tuple[str, ...]:
    """Fit one into a folder, and say what it leaves."""
    name, _, rest = size.rpartition(":")
    family = pfd.make_family(name or "pod")
    shape = settings_of(rest) if name else shape_of(size)
    assert family.FitSettings is not None
    settings = family.FitSettings.model_validate(shape | {"ridge": ridge})
    assert isinstance(settings, LinearFitSettings)
    model.mkdir()
    began = time.process_time()
    pfd.fit_model(family, fitted, [], settings, 0, model)
    seconds = time.process_time() - began
    card = read_model(model).card
    pairs = [
        (labels_of(own), labels_of(frame)) for own, frame in zip(pfd.predict_frames(model, judged), judged, strict=True)
    ]
    forces = np.concatenate([np.ravel(own.forces - label.forces) for own, label in pairs])
    energies = [(own.energy - label.energy) / len(label.forces) for own, label in pairs]
    errors = [1000 * float(np.sqrt(np.mean(np.square(each)))) for each in (forces, energies)]
    told = (size, str(card.parameters), f"{settings.ridge_of(fitted, card.parameters):.0e}")
    return (*told, *(f"{error:.3g}" for error in errors), f"{seconds:.0f}")


def range_of(times_us: list[float]) -> str:
    """The fastest and the slowest, µs per atom and step."""
    return f"{min(times_us):.1f} to {max(times_us):.1f}" if times_us else "not taken"


def settings_of(words: str) -> dict[str, Any]:
    """Settings of a size and others that follow it, such as ``M,curvature_weight=0``."""
    size, *others = words.split(",")
    return {"size": size} | dict(each.split("=", 1) for each in others)


def shape_of(size: str) -> dict[str, Any]:
    """Settings of a size, or of numbers of functions such as ``8,7/3``."""
    if "/" not in size:
        return {"size": size}
    radial, angular = ([int(number) for number in part.split(",")] for part in size.split("/"))
    return {"basis": {"radial": padded(radial, 6), "angular": padded(angular, 5)}}


def padded(numbers: list[int], length: int) -> list[int]:
    """So many numbers: the last stands for all that follow."""
    return numbers + numbers[-1:] * (length - len(numbers))


if __name__ == "__main__":
    sys.exit(main())
