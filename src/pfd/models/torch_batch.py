"""A torch family's model as torch-sim wants it: many systems in one state, energies and forces of all in one call."""

from __future__ import annotations

from typing import Any

from pfd.models.torch_potential import TorchPotential
from pfd.plugins import require_modules


def torch_batch_model(potential: TorchPotential, device: str) -> Any:
    """A ``torch_sim.models.interface.ModelInterface``: energies eV (float64), forces eV/Å, stresses eV/Å³, ASE's sign.

    Neighbours are found anew for each system and step, on the CPU.

    Raises:
        MissingError: if torch-sim is not installed.
    """
    require_modules(("torch_sim",), what="dynamics in batches", install="pip install torch-sim-atomistic")
    import torch
    from ase import Atoms
    from torch_sim.models.interface import ModelInterface

    class BatchModel(ModelInterface):  # type: ignore[misc]
        """Predicts all systems of a state together."""

        def __init__(self) -> None:
            super().__init__()
            self._device, self._dtype = torch.device(device), torch.float64
            self._compute_stress = self._compute_forces = True

        def forward(self, state: Any, **_: Any) -> dict[str, torch.Tensor]:
            positions, numbers = state.positions.detach().cpu().numpy(), state.atomic_numbers.cpu().numpy()
            cells, systems = state.row_vector_cell.detach().cpu().numpy(), state.system_idx.cpu().numpy()
            periodic = state.pbc.cpu().numpy() if isinstance(state.pbc, torch.Tensor) else bool(state.pbc)
            graphs = []
            for index, cell in enumerate(cells):
                here = systems == index
                frame = Atoms(numbers[here], positions[here], cell=cell, pbc=periodic)
                graphs.append(potential.graph(frame))
            found = potential.predict(graphs, differentiable=False)
            return {
                "energy": found.energies.detach().double(),
                "forces": found.forces.detach().double(),
                "stress": found.stresses.detach().double(),
            }

    return BatchModel()
