"""DeePMD: DPA models and any other that deepmd-kit trains, fine-tuned as teachers; small networks as students."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pfd.errors import ModelError
from pfd.models.deepmd import student, teacher
from pfd.models.deepmd.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint, read_frozen
from pfd.models.deepmd.graph import GRAPH, facts_of, foreign_operations, read_graph, shift_graph, write_graph
from pfd.models.deepmd.package import PACKAGES
from pfd.models.deepmd.potential import DeePMDPotential
from pfd.models.deepmd.settings import DeePMDFineTuneSettings, DeePMDFitSettings
from pfd.models.deepmd.untrained import HEADS, untrained
from pfd.models.family import MODEL_FILE, Family, ModelCard, Progress, TrainingReport, no_progress, read_model
from pfd.models.repulsion import Repulsion
from pfd.models.torch_family import TorchFamily
from pfd.plugins import require_modules
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from pfd.frames import Labels
    from pfd.lammps.session import LammpsPotential

FROZEN_SUFFIX, GRAPH_SUFFIX = ".pth", ".pb"
LICENCE = "code LGPL-3.0-or-later; weights: see where they are from"


class DeePMD(TorchFamily[DeePMDPotential]):
    """DeePMD-kit, Zeng et al., J. Chem. Theory Comput. 21, 4375 (2025).

    A model folder holds a checkpoint of the PyTorch backend (a teacher: trained further, evaluated by torch), or a
    frozen graph of the TensorFlow backend (a student: evaluated by LAMMPS).
    """

    name: ClassVar[str] = "deepmd"
    also_called: ClassVar[tuple[str, ...]] = ("dpa", "dp")
    student_sizes: ClassVar[tuple[Mapping[str, Any], ...]] = ({"size": "S"},)
    packages: ClassVar[tuple[str, ...]] = PACKAGES
    modules: ClassVar[tuple[str, ...]] = ("deepmd", "torch", "e3nn", "tensorflow", "lammps")
    pickles: ClassVar[bool] = True
    untrained_head: ClassVar[str | None] = HEADS[0]
    quick: ClassVar[Mapping[str, Any]] = {"steps": 1}
    FineTuneSettings: ClassVar[type[Settings] | None] = DeePMDFineTuneSettings
    FitSettings: ClassVar[type[Settings] | None] = DeePMDFitSettings

    def adopt(self, source: str, head: str | None, folder: Path, trust_file: bool = False) -> ModelCard:
        """Take one head of a checkpoint (``.pt``), a frozen model (``.pth``, only if it is trusted), or a student.

        A frozen graph (``.pb``) of operations that our students have is safe to read; another must be trusted.
        """
        self._require()
        path = Path(source)
        if path.is_dir() or path.suffix == GRAPH_SUFFIX:
            return self._adopt_student(path, head, folder, trust_file=trust_file)
        if path.suffix == FROZEN_SUFFIX and path.is_file():
            _require_trust(path, trusted=trust_file, what="a frozen model is a program (TorchScript)")
            checkpoint = read_frozen(path)
            if head is not None:
                raise ModelError(
                    f"the model has no head {head!r}", where=source, hint="leave head out: it has one only"
                )
        else:
            checkpoint = read_checkpoint(path, head)
        checkpoint = teacher.usable(checkpoint, source)
        potential = DeePMDPotential(checkpoint)
        teacher.require_plain(potential.module, source)
        checkpoint.save(folder)
        return card_of(potential, path.name)

    def _adopt_student(self, path: Path, head: str | None, folder: Path, *, trust_file: bool) -> ModelCard:
        if head is not None:
            raise ModelError(f"students have no heads, {head!r} neither", where=str(path), hint="leave the head out")
        file = path / GRAPH if path.is_dir() else path
        graph = read_graph(file)
        if strange := foreign_operations(graph):
            _require_trust(file, trusted=trust_file, what=f"the graph has operations of its own: {', '.join(strange)}")
        write_graph(graph, folder / GRAPH)
        if path.is_dir():
            Repulsion.read(path).write(folder)
        if (path / MODEL_FILE).is_file():
            return read_model(path).card
        facts = facts_of(graph)
        return ModelCard(
            family=self.name,
            name=file.name,
            elements=facts.type_map,
            cutoff_A=facts.cutoff_A,
            licence=LICENCE,
            source=student.SOURCE,
        )

    def load(self, folder: Path, device: str = "cpu") -> DeePMDPotential:
        """See ``TorchFamily.load``.

        Raises:
            ModelError: if the folder holds a student, which is no torch module.
        """
        self._require()
        if _is_student(folder):
            raise ModelError("a DeePMD student is evaluated by LAMMPS only", where=str(folder), hint="use method: md")
        return DeePMDPotential(read_checkpoint(folder / CHECKPOINT), device)

    def save(self, potential: DeePMDPotential, folder: Path) -> None:
        """See ``TorchFamily.save``."""
        weights = dict(sorted(potential.module.state_dict().items()))
        Checkpoint(potential.checkpoint.parameters, weights).save(folder)

    def calculator(self, folder: Path, device: str = "cpu") -> Calculator:
        """An ASE calculator: by torch of a teacher, by LAMMPS of a student, whatever the device."""
        if not _is_student(folder):
            return super().calculator(folder, device)
        from pfd.lammps.calculator import LammpsCalculator

        self._require()
        return LammpsCalculator(student.lammps_potential(folder))

    def predict(
        self, folder: Path, frames: Sequence[Atoms], progress: Progress = no_progress, device: str = "cpu"
    ) -> list[Labels]:
        """Energy, forces and stress of each frame; in batches of a teacher."""
        if _is_student(folder):
            return Family.predict(self, folder, frames, progress, device)
        return super().predict(folder, frames, progress, device)

    def add_energy_shift(self, folder: Path, shift_eV: dict[str, float]) -> None:
        """Add to the energy of each type: in the checkpoint, or in the graph that LAMMPS reads."""
        self._require()
        if _is_student(folder):
            graph = read_graph(folder / GRAPH)
            shift_graph(graph, shift_eV)
            write_graph(graph, folder / GRAPH)
        else:
            teacher.shifted(read_checkpoint(folder / CHECKPOINT), shift_eV).save(folder)

    def fine_tune(
        self,
        folder: Path,
        train: Sequence[Atoms],
        valid: Sequence[Atoms],
        settings: Settings,
        seed: int,
        progress: Progress = no_progress,
        device: str = "cpu",
    ) -> TrainingReport:
        """Train a teacher further; see ``teacher.fine_tune``.

        Raises:
            ModelError: if the folder holds a student.
        """
        assert isinstance(settings, DeePMDFineTuneSettings)
        if _is_student(folder):
            raise ModelError("a DeePMD student cannot be fine-tuned", where=str(folder), hint="fit it anew")
        self._require()
        return teacher.fine_tune(folder, train, valid, settings, seed, progress, device)

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
        """Train a student from scratch; see ``student.fit``."""
        assert isinstance(settings, DeePMDFitSettings)
        self._require()
        return student.fit(folder, train, valid, settings, seed, progress, device)

    def lammps_potential(self, folder: Path) -> LammpsPotential | None:
        """``pair_style deepmd`` of a student; None of a teacher, which LAMMPS would need another PyTorch for."""
        self._require()
        return student.lammps_potential(folder) if _is_student(folder) else None

    def untrained(self, path: Path, elements: Sequence[str], seed: int) -> Path:
        """A DPA-1 of a few thousand parameters with two heads, ``low`` and ``high``."""
        self._require()
        return untrained(path, elements, seed)

    def _require(self) -> None:
        require_modules(
            self.modules, what="DeePMD", install="pip install " + " ".join(f"'{name}'" for name in PACKAGES)
        )


def card_of(potential: DeePMDPotential, name: str) -> ModelCard:
    """What a teacher says of itself."""
    checkpoint = potential.checkpoint
    return ModelCard(
        family=DeePMD.name,
        name=name,
        head=checkpoint.head,
        heads=checkpoint.heads,
        elements=potential.elements,
        cutoff_A=potential.cutoff_A,
        parameters=sum(weight.numel() for weight in potential.module.parameters()),
        licence=LICENCE,
        source=student.SOURCE,
    )


def _is_student(folder: Path) -> bool:
    return (folder / GRAPH).is_file()


def _require_trust(path: Path, *, trusted: bool, what: str) -> None:
    if not trusted:
        raise ModelError(
            f"{what}: reading it can run code",
            where=str(path),
            hint="give the checkpoint (.pt) instead, or say trust_file: true if you trust where it is from",
        )
