"""The starting structures of a run: files, slabs, interfaces, supercells, alloys, defects and perturbed copies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from pfd.digests import derive_seed
from pfd.errors import DataError, SettingError
from pfd.frames.alloy import AlloySettings, build_alloys
from pfd.frames.ase_reader import read_with_ase
from pfd.frames.defects import DefectSettings, with_defects
from pfd.frames.frame import frame_id, with_origin
from pfd.frames.labels import without_labels
from pfd.frames.neighbours import shortest_distance
from pfd.frames.perturb import Style, perturb, repeated
from pfd.frames.sane import require_sane
from pfd.frames.slab import InterfaceSettings, SlabSettings, build_interfaces, cut_slabs
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

Repetition = Annotated[int, Field(ge=1)]

SQS = "A. Zunger et al., Phys. Rev. Lett. 65, 353 (1990), doi:10.1103/PhysRevLett.65.353"
MATCHING = "A. Zur, T. C. McGill, J. Appl. Phys. 55, 378 (1984), doi:10.1063/1.333084"
MOST_BYTES = 20_000_000
"""Of a file of starting structures."""


class PerturbSettings(Settings):
    """Random copies of each structure, to start from more than one point."""

    count: int = Field(default=0, ge=0, le=10_000)
    """Perturbed copies of each structure of the file."""
    displacement_A: float = Field(default=0.1, ge=0, le=10)
    """Displacement of the atoms, Å: 0.1 is thermal motion at a few hundred kelvin, and breaks the symmetry."""
    strain: float = Field(default=0.03, ge=0, lt=0.5)
    """Largest of the six random strains: 0.03 is what heat and lattice-constant errors of a model amount to."""
    style: Style = "normal"
    """normal: Gaussian (as thermal motion is); uniform: in a ball; const: all displacements equally long."""
    fraction: float = Field(default=1.0, gt=0, le=1)
    """Fraction of the atoms that are displaced: all, unless only a few should be."""

    @model_validator(mode="after")
    def _copies(self) -> PerturbSettings:
        if self.count == 0 and (idle := self.moved()):
            raise ValueError(f"{' and '.join(idle)} shape the copies, and there are none; add count")
        if self.displacement_A == 0 and (idle := self.moved("style", "fraction")):
            raise ValueError(f"{' and '.join(idle)} shape the displacements, and displacement_A is 0")
        return self


class StructureSettings(Settings):
    """One file of structures to start from."""

    file: Path
    """Any file that ASE reads (cif, POSCAR, extxyz ...); a relative path starts at the input file's folder."""
    format: str | None = None
    """ASE's name of the format; None guesses it from the file name."""
    slab: SlabSettings | None = None
    """Slabs of the crystal, in its place."""
    interface: InterfaceSettings | None = None
    """Interfaces of the crystal with another, in its place."""
    supercell: tuple[Repetition, Repetition, Repetition] = (1, 1, 1)
    """Repetitions along the cell vectors."""
    alloy: AlloySettings | None = None
    """Other elements on the sites of the supercell, in its place."""
    defects: DefectSettings | None = None
    """Copies with point defects, beside it."""
    perturb: PerturbSettings = PerturbSettings()
    """Perturbed copies of what has come out so far."""

    @model_validator(mode="after")
    def _one_surface(self) -> StructureSettings:
        if self.slab is not None and self.interface is not None:
            raise ValueError("slab and interface exclude each other; write two entries")
        return self

    def citations(self) -> list[str]:
        """Papers to cite for the way it is built."""
        sqs = self.alloy is not None and self.alloy.arrangement == "sqs"
        return [SQS] * sqs + [MATCHING] * (self.interface is not None)


def build_structures(structures: Sequence[StructureSettings], base: Path, seed: int) -> list[Atoms]:
    """All starting frames: of each structure of each file what its entry builds, each followed by perturbed copies.

    Built in this order: slab or interface, supercell, alloy, defects, perturbed copies. Each carries the number of the
    entry it came from as ``info["structure"]``, and hands it down to its trajectories.

    Args:
        structures: what the input says.
        base: the folder that relative paths start from.
        seed: of all that is random; each structure has a stream of its own, whatever stands beside it.

    Raises:
        DataError: if a file is missing, empty or cannot be read.
        SettingError: if what is to be built does not fit a structure.
        MissingError: if a package is not installed that builds it.
    """
    frames: list[Atoms] = []
    for number, entry in enumerate(structures):
        for index, structure in enumerate(read_starting(base / entry.file, entry.format)):
            try:
                variants = _variants(structure, entry, base, seed)
            except SettingError as error:
                where = f"{entry.file}, structure {index}" + (f": {error.where}" if error.where else "")
                raise SettingError(error.what, where=where, hint=error.hint) from error
            built = entry.slab or entry.interface or entry.alloy or entry.defects
            for variant in variants:
                source = frame_id(variant) if built else frame_id(structure)
                for frame in (variant, *_perturbed(variant, entry.perturb, seed)):
                    frame.info["parent"] = source
                    frame.info["structure"] = number
                    frames.append(frame)
    return frames


def _variants(structure: Atoms, entry: StructureSettings, base: Path, seed: int) -> list[Atoms]:
    """What an entry builds of one structure, before it is perturbed."""
    variants = [structure]
    if entry.slab is not None:
        variants = cut_slabs(structure, entry.slab)
    elif entry.interface is not None:
        (substrate, *_) = read_starting(base / entry.interface.file)
        variants = build_interfaces(structure, substrate, entry.interface)
    variants = [repeated(variant, entry.supercell) for variant in variants]
    if entry.alloy is not None:
        alloy = entry.alloy
        variants = [each for one in variants for each in build_alloys(one, alloy, _seed(seed, one, alloy))]
    if entry.defects is not None:
        defects = entry.defects
        variants = [each for one in variants for each in (one, *with_defects(one, defects, _seed(seed, one, defects)))]
    return variants


def _seed(seed: int, frame: Atoms, settings: Settings) -> int:
    return derive_seed(seed, "build", frame_id(frame), settings.model_dump(mode="json"))


def _perturbed(frame: Atoms, wanted: PerturbSettings, seed: int) -> list[Atoms]:
    return perturb(
        frame,
        count=wanted.count,
        displacement_A=wanted.displacement_A,
        strain=wanted.strain,
        style=wanted.style,
        fraction=wanted.fraction,
        seed=derive_seed(seed, "perturb", frame_id(frame), wanted.model_dump(mode="json")),
    )


def refuse_wild(frames: Sequence[Atoms], wanted: PerturbSettings) -> None:
    """Refuse displacements that make something else of a structure: neighbours would change places.

    Args:
        frames: as ``build_structures`` made them of one entry, each structure followed by its copies.
        wanted: how the copies were made.

    Raises:
        SettingError: if the displacement is larger than half the shortest distance of two atoms.
    """
    for frame in frames[:: wanted.count + 1] if wanted.count else ():
        shortest = shortest_distance(frame, 2.0 * wanted.displacement_A)
        if shortest is not None:
            raise SettingError(
                f"a displacement of {wanted.displacement_A:g} Å is more than half the shortest distance of two atoms, "
                f"{shortest:.3g} Å (structure {frame.symbols.formula.format('hill')})",
                hint=f"thermal motion is 0.05 to 0.2 Å; {shortest / 2:.2g} Å is the limit here",
            )


def read_starting(path: Path, file_format: str | None = None) -> list[Atoms]:
    """The structures of a file, without labels, each with an id.

    Raises:
        DataError: if the file is missing, holds no atoms, or cannot be read in that format.
        SettingError: if there is no such format.
    """
    if path.exists() and not path.is_file():
        raise DataError("not a regular file", where=str(path), hint="name a structure file")
    if not path.is_file():
        raise DataError(
            "no such structure file", where=str(path), hint="check the path; relative ones start at the input file"
        )
    if path.stat().st_size == 0:
        raise DataError("the structure file is empty", where=str(path))
    if path.stat().st_size > MOST_BYTES:
        hint = "name a file of starting structures; larger sets are pools (explore: pool) or data"
        raise DataError("larger than 20 MB: no file of starting structures", where=str(path), hint=hint)
    told = path.stat()
    same = (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns)
    return [frame.copy() for frame in _read(path.resolve(), file_format, same)]


@lru_cache(maxsize=4)
def _read(path: Path, file_format: str | None, _same: tuple[int, ...]) -> tuple[Atoms, ...]:
    """The structures of a file as it is: many entries of an input may name one."""
    frames = read_with_ase(path, file_format)
    if not frames or any(len(frame) == 0 for frame in frames):
        raise DataError("the structure file holds no atoms", where=str(path))
    require_sane(frames, str(path))
    return tuple(with_origin(without_labels(frame)) for frame in frames)
