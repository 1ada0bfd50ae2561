"""What a property is measured with (a model's calculator and potential, and structures), and why it could not be."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.environments.launch import HERE, Launch
from pfd.errors import PFDError, TransientError
from pfd.evaluate.properties.property import Job, Measured, Property, no_progress
from pfd.evaluate.properties.structure_files import read_structures
from pfd.memory import out_of_memory
from pfd.models.family import Progress, read_model
from pfd.models.training import check_elements, make_family

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

MODEL_FAILURES = (ArithmeticError, LookupError, RuntimeError, ValueError)
"""What a model, an optimiser or the search for neighbours raises on a structure that makes no sense."""


def property_job(
    model: Path,
    settings: Property,
    files: Mapping[str, Path],
    *,
    beside: Sequence[Path] = (),
    scratch: Path,
    seed: int = 0,
    progress: Progress = no_progress,
    device: str = "cpu",
    launch: Launch = HERE,
) -> Job:
    """The job of measuring one property of a model.

    Args:
        model: the model's folder.
        settings: of the property.
        files: key of the property -> file of that structure.
        beside: files that a command is given.
        scratch: an empty folder.
        seed: of everything random.
        progress: told how far it is.
        device: where the model runs.
        launch: how the interpreter of the model's family is started; elsewhere than here, dynamics are done with ASE.

    Raises:
        DataError: if a structure cannot be read, or is not fit for the property.
        ModelError: if the model does not know an element.
    """
    card = read_model(model).card
    family = make_family(card.family)
    structures = read_structures(settings, files)
    check_elements(card, list(structures.values()))

    def calculator() -> Calculator:
        if launch == HERE:
            return family.calculator(model, device)
        from pfd.models.remote_calculator import RemoteCalculator

        return RemoteCalculator(launch, model, device)

    potential = family.lammps_potential(model) if launch == HERE else None
    return Job(calculator, structures, potential, model, tuple(beside), scratch, seed, progress)


def measured_or_failed(measure: Callable[[], Measured], *, traced: bool = False) -> Measured:
    """What was measured, or why nothing was, in words: what cannot be measured loses nothing else.

    Args:
        measure: measures it.
        traced: print where it failed to standard error, for a log.

    Raises:
        TransientError, MemoryError and the like: what trying again may mend.
    """
    try:
        return measure()
    except TransientError:
        raise
    except (PFDError, *MODEL_FAILURES) as error:
        if out_of_memory(error):
            raise
        if traced:
            traceback.print_exc(file=sys.stderr)
        return Measured(failed=str(error) if isinstance(error, PFDError) else f"{type(error).__name__}: {error}")
