"""What VASP wrote: labels and geometry from vasprun.xml, held against OUTCAR, and the signs of how the run ended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import DataError
from pfd.frames import Labels
from pfd.frames.ase_reader import read_with_ase
from pfd.frames.vasp_convergence import scan_steps
from pfd.label.vasp.incar import Value, incar_value
from pfd.label.vasp.outcar import Outcar, read_outcar

if TYPE_CHECKING:
    from ase import Atoms

ENERGY_TOLERANCE_EV = 1e-5
FORCE_TOLERANCE_EV_PER_A = 1e-4
STRESS_TOLERANCE = 1e-6
"""eV/Å^3. How far vasprun.xml and OUTCAR may be apart: a little more than OUTCAR's last digits."""
_TAIL = 4096


@dataclass(frozen=True)
class VaspOutput:
    """One static run, as its files tell; arrays in POSCAR's order of atoms.

    Attributes:
        started: whether VASP came to life at all.
        iterating: whether it came as far as the first electronic step.
        done: whether both files end as they should.
        problem: why complete files are no label, such as two files that disagree; or nothing.
        converged: whether the last step needed no more electronic steps than there were; None if there is no step.
        scf_steps: electronic steps done.
        max_scf_steps: NELM, as VASP understood it.
        labels: energy (free energy TOTEN), forces, stress; each None if it is not there.
        energy_sigma0_eV: the energy extrapolated to zero smearing.
        echoed: the atoms as VASP understood them.
        settings: keys of INCAR as VASP understood them.
        total_magmom: final total moment, Bohr magnetons; None without spin, and of moments that are vectors.
        local_magmoms: final moments in spheres about the atoms, Bohr magnetons; None if not asked for (LORBIT), and of
            moments that are vectors.
    """

    started: bool
    iterating: bool
    done: bool
    problem: str = ""
    converged: bool | None = None
    scf_steps: int | None = None
    max_scf_steps: int | None = None
    labels: Labels = field(default_factory=Labels)
    energy_sigma0_eV: float | None = None
    echoed: Atoms | None = None
    settings: Mapping[str, Value] = field(default_factory=dict)
    total_magmom: float | None = None
    local_magmoms: np.ndarray | None = None


def read_vasp_output(folder: Path) -> VaspOutput:
    """Read ``vasprun.xml`` and ``OUTCAR``; what is missing or garbled is None, and nothing is guessed.

    The energy is ``e_fr_energy``, "free energy TOTEN", whose gradient the forces are. VASP gives the stress in kbar
    and counts compression as positive; here it is in eV/Å^3 and ASE's sign.

    Source: https://vasp.at/wiki/Vasprun.xml, https://vasp.at/wiki/OUTCAR.
    """
    outcar, vasprun = folder / "OUTCAR", folder / "vasprun.xml"
    started = _size(outcar) > 0 or _size(vasprun) > 0
    text = outcar.read_text(encoding="utf-8", errors="replace") if _size(outcar) else ""
    iterating = "Iteration" in text
    done = "</modeling>" in _end_of(vasprun) and "General timing and accounting" in _end_of(outcar)
    if not done:
        return VaspOutput(started, iterating, done)
    limit, steps = scan_steps(vasprun)
    _, told = scan_steps(outcar)
    if len(steps) != 1 or len(told) != 1:
        what = f"{len(steps)} geometries in vasprun.xml and {len(told)} in OUTCAR instead of one"
        return VaspOutput(started, iterating, done, what)
    used = max(steps[0].scf_steps, told[0].scf_steps)
    converged = limit is not None and 0 < used < limit and not told[0].said_unconverged
    known: dict[str, Any] = {"converged": converged, "scf_steps": used, "max_scf_steps": limit}
    try:
        frames = read_with_ase(vasprun, "vasp-xml")
        settings = _settings(vasprun)
    except DataError as error:
        return VaspOutput(started, iterating, done, error.what, **known)
    atoms, results = frames[0], _results(frames[0])
    against = read_outcar(text, len(atoms))
    return VaspOutput(
        started,
        iterating,
        done,
        _disagreement(results, against),
        **known,
        labels=Labels(_float(results.get("free_energy")), results.get("forces"), results.get("stress")),
        energy_sigma0_eV=_float(results.get("energy")),
        echoed=_bare(atoms),
        settings=settings,
        total_magmom=against.total_magmom,
        local_magmoms=against.local_magmoms,
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _end_of(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        stream.seek(max(0, _size(path) - _TAIL))
        return stream.read().decode("utf-8", errors="replace")


def _results(atoms: Atoms) -> dict[str, Any]:
    return {} if atoms.calc is None else dict(atoms.calc.results)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _bare(atoms: Atoms) -> Atoms:
    copy: Atoms = atoms.copy()
    copy.set_constraint()
    return copy


def _disagreement(results: Mapping[str, Any], against: Outcar) -> str:
    """In which number vasprun.xml and OUTCAR differ, or which one of them lacks; NaN is left to the judge."""
    for name, unit, tolerance in (
        ("free_energy", "eV", ENERGY_TOLERANCE_EV),
        ("forces", "eV/Å", FORCE_TOLERANCE_EV_PER_A),
        ("stress", "eV/Å^3", STRESS_TOLERANCE),
    ):
        one, other = results.get(name), getattr(against, name)
        if one is None or other is None or np.shape(one) != np.shape(other):
            return f"vasprun.xml or OUTCAR lacks the {name.replace('_', ' ')}, or gives it in part"
        apart = float(np.abs(np.asarray(one) - np.asarray(other)).max())
        if apart > tolerance:
            return f"vasprun.xml and OUTCAR differ in {name.replace('_', ' ')} by {apart:.3g} {unit}"
    return ""


def _settings(vasprun: Path) -> dict[str, Value]:
    """The keys that VASP says it read from INCAR, and those of its parameters that are numbers or truth values."""
    from xml.etree.ElementTree import iterparse

    found: dict[str, Value] = {}
    for _, element in iterparse(vasprun):  # noqa: S314 - written by the program that was started here
        if element.tag in {"incar", "parameters"}:
            for each in element.iter():
                name, text = each.get("name", ""), (each.text or "").strip()
                if each.tag in {"i", "v"} and name and re.fullmatch(r"[-+.\dEe\sTF]+", text):
                    found.setdefault(name.upper(), incar_value(name.upper(), text))
        if element.tag == "parameters":
            break
    if "ENMAX" in found:
        found.setdefault("ENCUT", found["ENMAX"])
    return found
