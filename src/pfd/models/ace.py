"""ACE: a linear student on products of atomic densities, fitted by ace-jax with weights that the evidence chooses."""

from __future__ import annotations

import shutil
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from pfd.errors import ModelError
from pfd.frames import Labels, labels_of, require_labels, trainable_stress
from pfd.models.agreement import require_agreement
from pfd.models.family import Family, ModelCard, Progress, TrainingReport, no_progress, require_elements
from pfd.models.fitted_record import fitted_record
from pfd.models.linear_fit import default_cutoff
from pfd.models.repulsion import Repulsion, ranges_of_frames
from pfd.plugins import require_modules
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

MODEL_FILE = "ace.npz"
PRESETS = {"S": (3, 10), "M": (3, 12), "L": (3, 14)}
"""Correlation order and total degree. Silicon at 300 to 1500 K by SevenNet-0, 45 frames: 5.1, 3.6 and 3.2 % of the RMS
force at 107, 153 and 254 µs per atom and step. Order 2 was no faster, as the time goes into the pairs, and order 4
gained nothing."""
STAGES = {"data": 0.2, "map": 0.6, "rungs": 0.65}
"""How far a fit is when ace-jax says that a stage is done."""
UNREADABLE = (OSError, EOFError, ValueError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error)
"""What numpy says of files that hold no arrays, or objects."""
CHECKED = 5
"""Training frames with which the written file is held to the fit."""


class ACEFitSettings(Settings):
    """How a linear ACE student is fitted; the weights of energies, forces and stresses come from the evidence."""

    size: Literal["S", "M", "L"] = "M"
    """Total degree of the basis functions of up to three neighbours: 10, 12 or 14. On silicon they left 5.1, 3.6 and
    3.2 % of the RMS force at 107, 153 and 254 µs per atom and step."""
    basis: tuple[int, int] | None = None
    """Correlation order and total degree of your own instead of a size."""
    cutoff_A: float | None = Field(default=None, gt=2.0, le=12.0)
    """Outer cutoff, Å. Default: that of the other linear students, a radius that holds 21 neighbours."""
    repulsion: Literal["zbl", "none"] = "zbl"
    """``zbl`` adds the screened nuclear repulsion of each pair of elements below its shortest distance in the training
    frames, where the linear model only extrapolates; it does not touch the fit. ``none`` leaves it out."""

    @model_validator(mode="after")
    def _one_basis(self) -> ACEFitSettings:
        if self.basis is not None and self.moved("size"):
            raise ValueError("basis takes the place of size; remove one of the two")
        if self.basis is not None and not (1 <= self.basis[0] <= 5 and self.basis[0] < self.basis[1]):
            raise ValueError("basis is an order from 1 to 5, and a degree above it")
        return self


class ACE(Family):
    """Linear atomic cluster expansion; the folder holds ace-jax's own file, arrays only."""

    name: ClassVar[str] = "ace"
    student_sizes: ClassVar[tuple[Mapping[str, Any], ...]] = ({"size": "S"}, {"size": "M"}, {"size": "L"})
    packages: ClassVar[tuple[str, ...]] = ("ace-jax==0.4.1", "jax==0.10.2", "jaxlib==0.10.2")
    modules: ClassVar[tuple[str, ...]] = ("ace_jax", "jax")
    quick: ClassVar[Mapping[str, Any]] = {"basis": (2, 6)}
    FitSettings: ClassVar[type[Settings] | None] = ACEFitSettings

    def adopt(self, source: str, head: str | None, folder: Path, trust_file: bool = False) -> ModelCard:
        """Copy a linear model of ace-jax (``.npz``), or that of a model folder."""
        if head is not None:
            raise ModelError(f"ACE models have no heads, {head!r} was asked for", where=source, hint="leave head out")
        self._require()
        path = Path(source) / MODEL_FILE if Path(source).is_dir() else Path(source)
        from pfd.models.ace_calculator import load_model

        card = card_of(path, path.name, licence="of the weights: their authors'")
        load_model(path)
        shutil.copyfile(path, folder / MODEL_FILE)
        if Path(source).is_dir():
            Repulsion.read(path.parent).write(folder)
        return card

    def calculator(self, folder: Path, device: str = "cpu") -> Calculator:
        """ace-jax's calculator in double precision; it compiles itself anew for each number of atoms."""
        self._require()
        from pfd.models.ace_calculator import ACECalculator

        elements = elements_of(read_arrays(folder / MODEL_FILE))
        return ACECalculator(folder / MODEL_FILE, elements, Repulsion.read(folder))

    def add_energy_shift(self, folder: Path, shift_eV: dict[str, float]) -> None:
        """Add to the energies of the free atoms."""
        arrays = read_arrays(folder / MODEL_FILE)
        elements = elements_of(arrays)
        unknown = sorted(set(shift_eV) - set(elements))
        if unknown:
            raise ModelError(f"the model does not know {', '.join(unknown)}", where=str(folder))
        arrays["E0"] = arrays["E0"] + [shift_eV.get(symbol, 0.0) for symbol in elements]
        np.savez(folder / MODEL_FILE, **arrays)  # type: ignore[arg-type]

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
        """Bayesian linear regression on energies, forces and stresses, then the file is held to the fit.

        Raises:
            DataError: if a frame lacks energy or forces.
            ModelError: if validation frames have elements of their own.
            TaskFailed: if ace-jax's calculator does not give back what was fitted.
        """
        assert isinstance(settings, ACEFitSettings)
        self._require()
        for frames, what in ((train, "training"), (valid, "validation")):
            if frames or what == "training":
                require_labels(frames, where=f"{what} frames of ACE")
        elements = sorted({symbol for frame in train for symbol in frame.get_chemical_symbols()})
        require_elements(valid, elements, "validation frames of ACE")
        checked = [*valid, *train[:: max(1, len(train) // CHECKED)][:CHECKED]]
        result = _fitted(train, checked, settings, seed, progress)
        _save(result, folder)
        fitted = _predictions(result, checked)
        if settings.repulsion == "zbl":
            cutoff = float(np.max(read_arrays(folder / MODEL_FILE)["rcuts"]))
            repulsion = Repulsion(elements, ranges_of_frames(train, elements, cutoff))
            repulsion.write(folder)
            fitted = [repulsion.added_to(labels, frame) for labels, frame in zip(fitted, checked, strict=True)]
        require_agreement("ace-jax's calculator", self.predict(folder, checked), fitted, checked, "please report it")
        progress(1.0, "fitted and checked")
        name = "custom" if settings.basis else settings.size
        card = card_of(folder / MODEL_FILE, name, licence="the user's own: fitted from the user's frames")
        record = fitted_record(-float(result.map.log_evidence), valid, fitted[: len(valid)])  # those are the first
        return card, TrainingReport(curve=(record,), best_step=1)

    def _require(self) -> None:
        require_modules(self.modules, what="ACE", install="pip install " + " ".join(self.packages))
        import jax

        jax.config.update("jax_enable_x64", True)  # in single precision a fit is bad, and ace-jax refuses it


def card_of(path: Path, name: str, licence: str) -> ModelCard:
    """What the model says of itself.

    Raises:
        ModelError: see ``read_arrays``.
    """
    arrays = read_arrays(path)
    return ModelCard(
        family=ACE.name,
        name=name,
        elements=elements_of(arrays),
        cutoff_A=float(np.max(arrays["rcuts"])),
        parameters=arrays["WB"].size + arrays["Wpair"].size,
        licence=licence,
        source="Drautz, Phys. Rev. B 99, 014104 (2019); Witt et al., J. Chem. Phys. 159, 164101 (2023)",
    )


def elements_of(arrays: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Chemical symbols that a model knows, in its own order."""
    from ase.data import chemical_symbols

    return tuple(chemical_symbols[int(number)] for number in arrays["elements"])


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a linear model of ace-jax; no code in the file is run.

    Raises:
        ModelError: if the file is missing, damaged, or no linear model of ace-jax.
    """
    if not path.is_file():
        raise ModelError("no such file", where=str(path), hint="name a model.npz as ace-jax writes it")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {key: content[key] for key in content.files}
        count = len(elements_of(arrays))
        fits = arrays["E0"].shape == (count,) and arrays["WB"].shape[1] == arrays["Wpair"].shape[1] == count
    except (*UNREADABLE, KeyError, IndexError) as error:
        raise ModelError("not a linear ACE model of ace-jax", where=str(path)) from error
    if not fits or "rcuts" not in arrays:
        raise ModelError("the arrays of the ACE model do not fit together", where=str(path))
    return arrays


def _fitted(
    train: Sequence[Atoms],
    checked: Sequence[Atoms],
    settings: ACEFitSettings,
    seed: int,
    progress: Progress,
) -> Any:
    from ace_jax.basis.model import BasisSpec
    from ace_jax.fit.pipeline import FitConfig, fit, load_fit_data

    def silent(*_: object) -> None:
        """Take ace-jax's log."""

    def staged(stage: str, _: object) -> None:
        if stage in STAGES:
            progress(STAGES[stage], f"ACE: {stage} done")

    order, degree = settings.basis or PRESETS[settings.size]
    basis = BasisSpec(order=order, max_degree=degree, rcut=settings.cutoff_A or default_cutoff(train))
    config = FitConfig(
        model=basis,
        arm="linear",
        m_per_species=0,
        stress_key="stress",
        predict_stats="auto",
        predict_train=False,
        map_polish="off",  # its last digits cost more than the whole rest of a small fit
        seed=seed,
    )
    data = load_fit_data(config, train=_with_labels(train), test=_with_labels(checked), log=silent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the evidence's last hundredth of a nat was not found
        return fit(config, data, log=silent, on_stage=staged)


def _with_labels(frames: Sequence[Atoms]) -> list[Atoms]:
    """Frames with their labels where ace-jax looks for them."""
    from ase import Atoms as Frame

    prepared = []
    for frame in frames:
        labels, stress = labels_of(frame), trainable_stress(frame)
        bare = Frame(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
        bare.info["energy"] = labels.energy
        bare.arrays["forces"] = np.asarray(labels.forces)
        if stress is not None:
            bare.info["stress"] = np.asarray(stress)
        prepared.append(bare)
    return prepared


def _save(result: Any, folder: Path) -> None:
    """Write the fitted model into the folder, under our name."""
    from ace_jax.fit.pipeline import save_model

    def silent(*_: object) -> None:
        """Take ace-jax's log."""

    written = save_model(result, folder, log=silent)
    shutil.move(written, folder / MODEL_FILE)


def _predictions(result: Any, frames: Sequence[Atoms]) -> list[Labels]:
    """What the fit gives for the frames that it was to be checked with."""
    found = result.preds.arrays["test/map"]
    forces = np.split(np.asarray(found["F_mean"]), np.cumsum([len(frame) for frame in frames])[:-1])
    return [Labels(float(energy), force) for energy, force in zip(found["E_mean"], forces, strict=True)]
