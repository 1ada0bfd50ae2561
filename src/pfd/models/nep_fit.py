"""The settings of a NEP student, and what its frames say of its distances."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, model_validator

from pfd.errors import DataError
from pfd.frames.neighbours import Pairs, pairs_within
from pfd.models.nep_file import NEPHeader, new_network
from pfd.models.nep_potential import NEPPotential
from pfd.models.torch_training import FineTuneSettings
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms


class NEPNetwork(Settings):
    """Numbers of functions and neurons of a NEP4; Fan et al., J. Chem. Phys. 157, 114801 (2022), section II."""

    n_max: tuple[int, int] = (4, 4)
    """Radial functions of the radial and the angular descriptors, less one."""
    basis_size: tuple[int, int] = (8, 8)
    """Chebyshev polynomials that they are made of, less one."""
    l_max: int = Field(default=4, ge=0, le=8)
    """Largest angular momentum of the three-body descriptors."""
    four_body: bool = True
    """Whether there are four-body descriptors besides."""
    neurons: int = Field(default=30, ge=1, le=100)
    """Of the one hidden layer, of which each element has its own."""


PRESETS = {"S": NEPNetwork(n_max=(4, 4), basis_size=(6, 6), four_body=False, neurons=10), "M": NEPNetwork()}
CUTOFFS_A = {"S": (5.0, 4.0), "M": (6.0, 5.0)}
"""Radial and angular cutoff of each size, Å: the time goes into neighbours, so that a small network alone would gain
nothing. Silicon at 300 to 1500 K by SevenNet-0, 45 frames: 4.8 and 4.3 % of the RMS force, 1.0 and 0.6 meV/atom, at 29
and 51 µs per atom and step."""
REPULSION_RANGE_A = (1.0, 2.5)
"""Where the repulsion of two elements may end, Å: GPUMD takes no less, and more would be a part of the bond."""


class NEPFitSettings(FineTuneSettings):
    """How a NEP student is made and trained."""

    size: Literal["S", "M"] = "M"
    """How large the network and its cutoffs are; S takes half the time of M per step."""
    network: NEPNetwork | None = None
    """Numbers of your own instead of a size. More neurons and functions than M's gained nothing on 50 frames."""
    epochs: int = Field(default=100, gt=0)
    """How often every training frame is seen: 100 epochs of 20 frames left 5.1 % of the RMS force, 300 left 4.4 %, and
    so did 40 epochs of 100 frames; with 20 to 50 frames more epochs are worth their time."""
    learning_rate: float = Field(default=5e-3, gt=0)
    """Largest learning rate of Adam; 1e-3 was too slow on 50 silicon frames, 5e-3 and 1e-2 did alike, 3e-2 diverged."""
    cutoff_A: float | None = Field(default=None, gt=3.0, le=12.0)
    """Radial cutoff, Å. Default: 5 Å with the size S, else 6; on silicon 7 Å was no better."""
    angular_cutoff_A: float | None = Field(default=None, ge=3.0, le=12.0)
    """Angular cutoff, Å, at most the radial one. Default: 4 Å with the size S, else 5, or the radial one."""
    repulsion: Literal["zbl", "none"] = "zbl"
    """``zbl`` adds the screened nuclear repulsion of each pair of elements at distances below all those in the training
    frames, where the network only extrapolates; it does not touch the fit. ``none`` leaves it out."""

    @model_validator(mode="after")
    def _fits(self) -> NEPFitSettings:
        if self.network is not None and self.moved("size"):
            raise ValueError("network takes the place of size; remove one of the two")
        radial, angular = self.cutoffs_A()
        if angular > radial:
            raise ValueError(f"angular_cutoff_A ({angular:g}) is above cutoff_A ({radial:g})")
        return self

    def cutoffs_A(self) -> tuple[float, float]:
        """Radial and angular cutoff, Å."""
        radial, angular = CUTOFFS_A["M" if self.network else self.size]
        chosen = self.cutoff_A or radial
        return chosen, self.angular_cutoff_A or min(angular, chosen)


def new_model(train: Sequence[Atoms], settings: NEPFitSettings, seed: int) -> NEPPotential:
    """A model of random weights for the elements of these frames.

    Its descriptors are divided by the range that they have in the frames. The repulsion of two elements, if asked for,
    begins to be switched off at 0.6 of their shortest distance in the frames and has vanished at 0.95 of it.

    Raises:
        DataError: if no atom has a neighbour.
    """
    import torch

    elements = tuple(sorted({symbol for frame in train for symbol in frame.get_chemical_symbols()}))
    network = settings.network or PRESETS[settings.size]
    radial, angular = settings.cutoffs_A()
    pairs = [pairs_within(frame, radial) for frame in train]
    header = NEPHeader(
        kind="nep4" if settings.repulsion == "none" else "nep4_zbl",
        elements=elements,
        zbl=() if settings.repulsion == "none" else (0.0, 0.0),
        cutoffs_A=(radial, angular),
        neighbours=(_most(pairs, radial), _most(pairs, angular)),
        n_max=network.n_max,
        basis_size=network.basis_size,
        l_max=(network.l_max, 2 if network.four_body else 0, 0),
        neurons=network.neurons,
    )
    if not header.neighbours[1]:
        what = f"no atom of the training frames has a neighbour within {angular:g} Å"
        raise DataError(what, where="NEP", hint="raise angular_cutoff_A")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = new_network(header, _repulsions(train, pairs, elements) if header.table else None)
    potential = NEPPotential(module, np.zeros(len(elements)), header.neighbours)
    _scale(potential, train)
    return potential


def _most(pairs: Sequence[Pairs], cutoff_A: float) -> int:
    """The most neighbours that an atom has within a cutoff."""
    return max(int(np.bincount(each.first[each.distance < cutoff_A]).max(initial=0)) for each in pairs)


def _repulsions(train: Sequence[Atoms], pairs: Sequence[Pairs], elements: Sequence[str]) -> np.ndarray:
    """The table of repulsions, (pairs, 10); two elements that never meet take half the largest radius allowed."""
    from torchnep.constants import ZBL_PARA

    closest = np.full((len(elements),) * 2, np.inf)
    for frame, each in zip(train, pairs, strict=True):
        kinds = np.array([elements.index(symbol) for symbol in frame.get_chemical_symbols()])
        np.minimum.at(closest, (kinds[each.first], kinds[each.second]), each.distance)
    outer = np.clip(0.95 * closest, *REPULSION_RANGE_A)
    rows = [
        [0.6 / 0.95 * outer[pair], outer[pair], *ZBL_PARA]
        for pair in combinations_with_replacement(range(len(elements)), 2)
    ]
    return np.array(rows)


def _scale(potential: NEPPotential, train: Sequence[Atoms]) -> None:
    """Divide the descriptors by their range over all atoms of the frames."""
    import torch

    lowest, highest = [], []
    with torch.no_grad():
        for frame in train:
            found = potential.descriptors(potential.graph(frame))
            lowest.append(found.amin(dim=0))
            highest.append(found.amax(dim=0))
    potential.module.set_q_scaler(torch.stack(lowest).amin(dim=0), torch.stack(highest).amax(dim=0))


def crystal_of(elements: Sequence[str], seed: int) -> Atoms:
    """A rattled face-centred crystal in which the elements take turns, neighbours at the sum of their mean radii.

    Radii: Cordero et al., Dalton Trans. 2008, 2832 (as in ``ase.data``).
    """
    from ase.build import bulk
    from ase.data import atomic_numbers, covalent_radii

    numbers = sorted(atomic_numbers[symbol] for symbol in elements)
    spacing = 2.0 * float(covalent_radii[numbers].mean())
    crystal = bulk("X", "fcc", a=spacing * np.sqrt(2.0), cubic=True)
    crystal *= (1 + len(numbers) // 4, 1, 1)
    crystal.numbers = np.resize(numbers, len(crystal))
    crystal.rattle(0.05 * spacing, seed=seed)
    return crystal
