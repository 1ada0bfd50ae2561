"""A linear ACE in ASE, evaluated by ace-jax; compiled once per process for each size, whatever the coefficients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import ModelError
from pfd.frames import Labels
from pfd.frames.label_calculator import LabelCalculator
from pfd.frames.neighbours import pairs_within
from pfd.models.family import require_elements
from pfd.models.repulsion import Repulsion
from pfd.voigt import to_voigt

if TYPE_CHECKING:
    from ase import Atoms

NEIGHBOURS_PER_STEP = 8
"""Room for neighbours grows by this many, and room for atoms by doubling: what fits needs no new compilation."""


class ACECalculator(LabelCalculator):
    """Energy (eV), forces (eV/Å) and, where periodic in all directions, stress (eV/Å^3) of a file of ace-jax.

    Args:
        path: the file.
        elements: chemical symbols that it knows, in its order.
        repulsion: what is added at short range.
    """

    def __init__(self, path: Path, elements: Sequence[str], repulsion: Repulsion) -> None:
        super().__init__()
        self._repulsion = repulsion
        import equinox
        import jax.numpy as jnp
        from ace_jax.eval.model import lean

        model, content = load_model(path)
        self._energies_eV = np.asarray(model.E0, dtype=float)
        # Without the free atoms' energies, room for atoms that are not there costs nothing.
        self._model = lean(equinox.tree_at(lambda tree: tree.E0, model, jnp.zeros_like(model.E0)))
        self._path, self._elements, self._cutoff_A = path, tuple(elements), float(content["rcut"])

    def labels(self, frame: Atoms) -> Labels:
        """See ``LabelCalculator``.

        Raises:
            ModelError: if the model does not know one of the elements.
        """
        require_elements([frame], self._elements, str(self._path))
        kinds = np.array([self._elements.index(symbol) for symbol in frame.get_chemical_symbols()], dtype=np.int32)
        energy, forces, virial = _compiled()(self._model, *self._neighbourhoods(frame, kinds))
        total = float(energy) + float(self._energies_eV[kinds].sum())
        stress = to_voigt(-np.asarray(virial) / frame.get_volume()) if frame.pbc.all() else None
        return self._repulsion.added_to(Labels(total, np.asarray(forces)[: len(kinds)], stress), frame)

    def _neighbourhoods(self, frame: Atoms, kinds: np.ndarray) -> tuple[np.ndarray, ...]:
        """Vectors, both kinds, neighbours' indices, which are there, each (atoms, neighbours); kinds, (atoms,)."""
        pairs = pairs_within(frame, self._cutoff_A)
        counts = np.bincount(pairs.first, minlength=len(kinds))
        rows = 1 << max(len(kinds) - 1, 0).bit_length()
        width = NEIGHBOURS_PER_STEP * max(1, -(-int(counts.max(initial=0)) // NEIGHBOURS_PER_STEP))
        place = np.arange(len(pairs.first)) - np.repeat(np.cumsum(counts) - counts, counts)
        vectors = np.zeros((rows, width, 3))
        vectors[..., 0] = float(self._model.pad_cutoff())
        neighbours, there = np.zeros((rows, width), dtype=np.int32), np.zeros((rows, width), dtype=bool)
        vectors[pairs.first, place], neighbours[pairs.first, place] = pairs.vector, pairs.second
        there[pairs.first, place] = True
        padded = np.zeros(rows, dtype=np.int32)
        padded[: len(kinds)] = kinds
        own = np.broadcast_to(padded[:, None], neighbours.shape)
        return vectors, own, padded[neighbours], neighbours, there, padded


def load_model(path: Path) -> tuple[Any, dict[str, Any]]:
    """ace-jax's model of a file, and what it says of itself.

    Raises:
        ModelError: if ace-jax cannot make a model of the file.
    """
    from ace_jax import load

    try:
        model, content, _ = load(path)
    except (KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise ModelError(f"ace-jax cannot read the model ({error})", where=str(path)) from error
    return model, content


@cache
def _compiled() -> Callable[..., tuple[Any, Any, Any]]:
    """Energy, eV, forces, eV/Å, and minus the derivative by strain, eV; compiled at the first call of each size."""
    import equinox

    def evaluate(model: Any, *neighbourhoods: Any) -> tuple[Any, Any, Any]:
        found: tuple[Any, Any, Any] = model.energy_forces_virial_dense(*neighbourhoods)
        return found

    compiled: Callable[..., tuple[Any, Any, Any]] = equinox.filter_jit(evaluate)
    return compiled
