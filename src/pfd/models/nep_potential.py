"""A neuroevolution potential in memory: torchnep's module, evaluated on descriptors' basis functions made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.frames.neighbours import Pairs, pairs_within
from pfd.models.torch_potential import Prediction

if TYPE_CHECKING:
    import torch
    from ase import Atoms


@dataclass(frozen=True)
class Neighbourhood:
    """Pairs within one of the two cutoffs, and what of them does not depend on weights.

    Attributes:
        first, second: indices of the atoms, (pairs,).
        vector: from the first to the second, Å, (pairs, 3).
        inverse: of the distance, 1/Å, (pairs,).
        basis: Chebyshev polynomials times the cutoff function, (pairs, functions).
        slopes: their derivatives by the distance, 1/Å.
        harmonics: of the direction, (pairs, 2 + ... of all angular momenta); no columns for the radial cutoff.
    """

    first: torch.Tensor
    second: torch.Tensor
    vector: torch.Tensor
    inverse: torch.Tensor
    basis: torch.Tensor
    slopes: torch.Tensor
    harmonics: torch.Tensor


@dataclass(frozen=True)
class NEPGraph:
    """A frame prepared for the module.

    Attributes:
        kinds: the element of each atom, by its place in the header, (atoms,).
        radial, angular: the pairs within the two cutoffs.
        volume: of the cell, Å^3 (tiny where there is none).
    """

    kinds: torch.Tensor
    radial: Neighbourhood
    angular: Neighbourhood
    volume: float


class NEPPotential:
    """A NEP in single precision; the constants of the elements stay outside it, in double.

    Args:
        module: torchnep's, see ``nep_file.read_network``.
        constants_eV: energy per atom of each element, eV, which no training changes.
        neighbours: see ``NEPHeader``.
        device: where it runs.
    """

    def __init__(self, module: Any, constants_eV: np.ndarray, neighbours: tuple[int, int], device: str = "cpu") -> None:
        self.module = module.float().to(device)
        self.module.b1.requires_grad_(False)
        self.constants_eV = constants_eV
        self.neighbours = neighbours
        self.elements = tuple(module.type_names)

    def graph(self, frame: Atoms) -> NEPGraph:
        """The pairs of a frame within the two cutoffs, their radial functions and their harmonics."""
        import torch

        device = self.module.q_scaler.device
        kinds = np.array([self.elements.index(symbol) for symbol in frame.get_chemical_symbols()], dtype=np.int64)
        radial, angular = self.module.cutoff_args()
        pairs = pairs_within(frame, self.module.rc_radial)
        return NEPGraph(
            kinds=torch.from_numpy(kinds).to(device),
            radial=self._within(pairs, kinds, radial, self.module.basis_size_radial, 0),
            angular=self._within(pairs, kinds, angular, self.module.basis_size_angular, self.module.l_max_3b),
            volume=max(abs(float(frame.cell.volume)), 1e-6),
        )

    def _within(self, pairs: Pairs, kinds: np.ndarray, cutoff: Any, functions: int, l_max: int) -> Neighbourhood:
        """Those of the pairs within a cutoff, a number or a table by two elements, Å."""
        import torch
        from torchnep import ops

        table = cutoff if isinstance(cutoff, float | int) else cutoff.double().cpu().numpy()
        reach = np.broadcast_to(table, (len(self.elements),) * 2)[kinds[pairs.first], kinds[pairs.second]]
        near = pairs.distance < reach
        vector, distance = torch.from_numpy(pairs.vector[near]), torch.from_numpy(pairs.distance[near])
        basis, slopes = ops.chebyshev_basis_and_deriv(distance, torch.from_numpy(reach[near].copy()), functions)
        harmonics = ops.angular_basis(*(vector / distance[:, None]).T, l_max)
        real = (vector, 1.0 / distance, basis, slopes, harmonics)
        whole = (torch.from_numpy(pairs.first[near]), torch.from_numpy(pairs.second[near]))
        device = self.module.q_scaler.device
        return Neighbourhood(*(each.to(device) for each in whole), *(each.float().to(device) for each in real))

    def descriptors(self, graph: NEPGraph) -> torch.Tensor:
        """The descriptors of a frame's atoms before they are scaled, (atoms, descriptors)."""
        radial, angular = graph.radial, graph.angular
        found: torch.Tensor = self.module.compute_descriptors(
            radial.vector,
            angular.vector,
            radial.first,
            radial.second,
            angular.first,
            angular.second,
            graph.kinds,
            len(graph.kinds),
        )
        return found

    def predict(self, graphs: Sequence[NEPGraph], *, differentiable: bool) -> Prediction:
        """Energies, forces and stresses of a batch; torchnep's forces are analytical and differentiable by weights."""
        import torch
        from torchnep import ops

        counts = [len(graph.kinds) for graph in graphs]
        kinds = torch.cat([graph.kinds for graph in graphs])
        owner = torch.repeat_interleave(torch.arange(len(graphs)), torch.tensor(counts)).to(kinds.device)
        radial = _joined([graph.radial for graph in graphs], counts)
        angular = _joined([graph.angular for graph in graphs], counts)
        batch = {"N": len(kinds), "num_structures": len(graphs), "atom_types": kinds, "struct_idx": owner}
        for name, pairs in (("rad", radial), ("ang", angular)):
            batch |= {f"pair_i_{name}": pairs.first, f"pair_j_{name}": pairs.second, f"rij_{name}": pairs.vector}
            batch |= {f"d12inv_{name}": pairs.inverse, f"fk_{name}": pairs.basis, f"fkp_{name}": pairs.slopes}
        batch["blm"] = angular.harmonics
        with torch.set_grad_enabled(differentiable):
            backend = ops.resolve_backend("auto", len(self.elements), device_type=kinds.device.type)
            found = self.module.compute_properties_cached(batch, need_virial=True, backend=backend)
            constants = torch.from_numpy(self.constants_eV).to(kinds.device)[kinds]
            energies = constants.new_zeros(len(graphs)).index_add(0, owner, found["Ei"].double() + constants)
            virials = found["virial"].new_zeros(len(graphs), 9).index_add(0, owner, found["virial"])
        volumes = virials.new_tensor([graph.volume for graph in graphs])
        return Prediction(energies, found["forces"], -virials.view(-1, 3, 3) / volumes[:, None, None])


def _joined(parts: Sequence[Neighbourhood], counts: Sequence[int]) -> Neighbourhood:
    """The pairs of several frames, their atoms numbered one after another."""
    import torch

    if len(parts) == 1:
        return parts[0]
    offsets = np.cumsum([0, *counts[:-1]])
    columns = []
    for field in fields(Neighbourhood):
        values = [getattr(part, field.name) for part in parts]
        if field.name in ("first", "second"):
            values = [value + int(offset) for value, offset in zip(values, offsets, strict=True)]
        columns.append(torch.cat(values))
    return Neighbourhood(*columns)
