"""A linear student on disk: what makes its descriptors, its coefficients, and the pair styles that they amount to."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from jaxtyping import Float
from pydantic import model_validator

from pfd.errors import ModelError
from pfd.lammps.session import LammpsPotential, LammpsSession
from pfd.models.least_squares import Coefficients
from pfd.models.repulsion import Repulsion, all_pairs
from pfd.settings import Settings
from pfd.voigt import from_voigt

if TYPE_CHECKING:
    from ase import Atoms
    from scipy.sparse import csr_array

EnergyRow = Float[np.ndarray, "features"]
ForceRows = Float[np.ndarray, "coordinates features"]
StressRows = Float[np.ndarray, "6 features"]

STRAIN = 1e-4
"""Strain of the central differences that give stresses: their error is of the order of its square."""


class Descriptors(ABC):
    """Global descriptors of frames; what they need is open as long as the context is.

    Args:
        elements: in the order of LAMMPS' types.
        cutoff_A: outer cutoff, Å.
    """

    def __init__(self, elements: tuple[str, ...], cutoff_A: float) -> None:
        self.elements, self.cutoff_A = elements, cutoff_A

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:  # noqa: B027 - most have nothing to close
        """Close what was opened."""

    @abstractmethod
    def of(self, frame: Atoms) -> tuple[EnergyRow, ForceRows]:
        """What the coefficients give with: the energy, eV, and the forces, eV/Å (atom by atom, x y z)."""

    @abstractmethod
    def energy(self, frame: Atoms) -> EnergyRow:
        """The first of these alone."""

    def roughness(self) -> csr_array | None:
        """Rows (any number, features) whose products with smooth coefficients are small, eV; most have none."""
        return None

    def stress(self, frame: Atoms) -> StressRows:
        """What the coefficients give the stress with, eV/Å^3, Voigt order xx yy zz yz xz xy, of a bulk frame.

        Central differences of the energy with cell and atoms strained, sigma = (dE / d strain) / V; shear strains are
        changes of angles.
        """
        rows = []
        for component in range(6):
            strain = np.zeros(6)
            strain[component] = STRAIN / 2 if component < 3 else STRAIN / 4  # half of a shear on either side
            change = from_voigt(strain)
            ends = [self.energy(_strained(frame, sign * change)) for sign in (1.0, -1.0)]
            rows.append((ends[0] - ends[1]) / STRAIN)
        return np.asarray(rows) / abs(float(frame.cell.volume))


class LammpsDescriptors(Descriptors):
    """Global descriptors that a LAMMPS instance computes, which is open as long as the context is."""

    def __init__(self, elements: tuple[str, ...], cutoff_A: float) -> None:
        super().__init__(elements, cutoff_A)
        self._session = LammpsSession(LammpsPotential(f"zero {cutoff_A!r}", ("* *",), elements))
        self._there: tuple[str, ...] = ()

    def __exit__(self, *exception: object) -> None:
        self._session.close()

    def computed(self, frame: Atoms, command: str, style: int, made: tuple[str, ...] = ()) -> np.ndarray:
        """The array of the compute ``descriptors`` for a frame, in LAMMPS' orientation.

        Args:
            frame: to be put into the instance.
            command: defines the compute.
            style: 0 for a global array, 1 for one with a row for each atom, in LAMMPS' order (not the frame's).
            made: names of further computes that this one makes.
        """
        afresh = self._session.place(frame)
        for name in () if afresh else self._there:
            # It would use the neighbour list of the frame before: that is remembered by the time step, still 0.
            self._session.command(f"uncompute {name}")
        self._there = ()
        self._session.command(command)
        self._there = ("descriptors", *made)
        self._session.command("run 0 post no")
        return np.array(self._session.lammps.numpy.extract_compute("descriptors", style, 2), dtype=float)

    def restored(self, gradients: np.ndarray) -> ForceRows:
        """Rows (atoms, 3, features) of vectors in LAMMPS' orientation, in the frame's, atom by atom."""
        turned = np.einsum("ji,ajf->aif", self._session.rotation, gradients)
        return np.asarray(turned.reshape(-1, gradients.shape[2]))


def _strained(frame: Atoms, strain: np.ndarray) -> Atoms:
    moved = frame.copy()
    moved.set_cell(frame.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return moved


class LinearPotential(Settings):
    """Everything of a linear model but its coefficients; the content of one JSON file of the model folder."""

    file: ClassVar[str]
    """Name of that file."""
    family: ClassVar[str]
    """What the family is called in messages."""

    elements: tuple[str, ...]
    """Chemical symbols, in the order of LAMMPS' types."""
    cutoff_A: float
    """Outer cutoff, Å."""
    repulsion_A: dict[str, tuple[float, float]] | None = None
    """Of each pair of elements (``C-Si``): where the nuclear repulsion (ZBL) begins to be switched off and where it has
    vanished, Å; None without it."""

    @model_validator(mode="before")
    @classmethod
    def _one_range(cls, content: Any) -> Any:
        """Models of earlier versions had one range for all pairs."""
        if isinstance(content, dict) and isinstance(content.get("repulsion_A"), list | tuple):
            span = tuple(content["repulsion_A"])
            return content | {"repulsion_A": dict.fromkeys(all_pairs(content["elements"]), span)}
        return content

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The potential in a model folder.

        Raises:
            ModelError: if there is none, or one that this version cannot read.
        """
        from pydantic import ValidationError

        path = folder / cls.file
        if not path.is_file():
            what = f"no {cls.family} model in this folder"
            raise ModelError(what, where=str(folder), hint=f"give a folder with {cls.file}")
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            raise ModelError(f"not a {cls.family} model this version can read ({error})", where=str(path)) from error

    def write(self, folder: Path) -> None:
        """Write the JSON file and LAMMPS' own."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True)
        (folder / self.file).write_text(text + "\n", encoding="utf-8")
        self.write_parameters(folder)

    @abstractmethod
    def write_parameters(self, folder: Path) -> None:
        """Write LAMMPS' files that say what the descriptors are."""

    @abstractmethod
    def descriptors(self, folder: Path) -> Descriptors:
        """The descriptors of frames."""

    @abstractmethod
    def read_coefficients(self, folder: Path) -> Coefficients:
        """The coefficients, eV per unit of their descriptor."""

    @abstractmethod
    def write_coefficients(self, folder: Path, coefficients: Coefficients) -> None:
        """Write the coefficients so that reading them gives the same numbers, bit for bit."""

    @abstractmethod
    def files(self) -> tuple[str, ...]:
        """Names of all files of a model."""

    @abstractmethod
    def pair_files(self, folder: Path) -> str:
        """What ``pair_coeff`` is given after the style: paths and elements."""

    def one_body(self, symbol: str, features: int) -> int:
        """Which of the coefficients is the energy of an atom of the element without neighbours: the first of its block.

        Raises:
            ModelError: if the element is not in the model.
        """
        if symbol not in self.elements:
            raise ModelError(f"the model has no {symbol}", hint=f"it was fitted for {', '.join(self.elements)}")
        return self.elements.index(symbol) * (features // len(self.elements))

    def lammps_potential(self, folder: Path) -> LammpsPotential:
        """The pair style, or ``hybrid/overlay`` of it and ``zbl``."""
        alone = LammpsPotential(self.family.lower(), (f"* * {self.pair_files(folder)}",), self.elements)
        return self.repulsion.on_top_of(alone)

    @property
    def repulsion(self) -> Repulsion:
        """The repulsion at distances below those of the training frames; of no range if there is none."""
        return Repulsion(self.elements, self.repulsion_A or {})


def quoted(path: Path) -> str:
    """A path as LAMMPS reads it."""
    return f'"{path}"' if " " in str(path) else str(path)
