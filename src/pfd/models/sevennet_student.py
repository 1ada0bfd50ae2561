"""A small SevenNet built from scratch, as a student: its settings, and the package's network of random weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from pfd.frames import labels_of
from pfd.frames.neighbours import pairs_within
from pfd.models.linear_fit import default_cutoff
from pfd.models.sevennet_checkpoint import silence
from pfd.models.torch_training import FineTuneSettings
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms


class Shape(Settings):
    """The size of a SevenNet."""

    channels: int
    lmax: int
    interactions: int


PRESETS = {"S": Shape(channels=16, lmax=1, interactions=2), "M": Shape(channels=32, lmax=2, interactions=2)}


class SevenNetFitSettings(FineTuneSettings):
    """How a SevenNet student is trained."""

    size: Literal["S", "M"] = "S"
    """Which preset of ``channels``, ``lmax`` and ``interactions``."""
    channels: int | None = Field(default=None, gt=0, le=256)
    """Features of each degree that an atom carries, in the place of the preset's."""
    lmax: int | None = Field(default=None, ge=0, le=3)
    """Largest degree of the spherical harmonics of features and directions, in the place of the preset's; 0 sees no
    angles."""
    interactions: int | None = Field(default=None, gt=0, le=6)
    """How often atoms tell their neighbours what they know, in the place of the preset's."""
    cutoff_A: float | None = Field(default=None, gt=1.0, le=12.0)
    """Radius of one interaction, Å. Default: as for the linear students, the radius that holds 21 neighbours."""
    epochs: int = Field(default=100, gt=0)
    """How often every training frame is seen."""
    learning_rate: float = Field(default=1e-2, gt=0)
    """Largest learning rate of Adam."""

    def shape(self) -> Shape:
        """The preset, with what was chosen besides."""
        chosen = {name: getattr(self, name) for name in Shape.model_fields}
        return PRESETS[self.size].model_copy(
            update={name: value for name, value in chosen.items() if value is not None}
        )

    def name(self) -> str:
        """The preset's, or that it is none of them."""
        return self.size if self.shape() == PRESETS[self.size] else "custom"


def new_network(train: Sequence[Atoms], settings: SevenNetFitSettings, seed: int) -> tuple[Any, dict[str, Any]]:
    """The package's module of random weights, and the config that its checkpoints hold.

    Sums of messages are divided by the square root of the mean number of neighbours, and energies are in units of the
    RMS force times 1 Å, so that numbers inside are of order one. (The package divides by the number itself: on silicon
    that left a force error 5 % larger for size S and 17 % larger for M after the same training.)

    Args:
        train: labelled frames; their elements are those that the model will know.
        settings: its size.
        seed: of the weights.
    """
    import torch
    from ase.data import atomic_numbers

    with silence():
        from sevenn._const import DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG
        from sevenn.model_build import build_E3_equivariant_model

    shape = settings.shape()
    cutoff = settings.cutoff_A or default_cutoff(train)
    elements = sorted({symbol for frame in train for symbol in frame.get_chemical_symbols()})
    neighbours = sum(len(pairs_within(frame, cutoff).first) for frame in train) / sum(map(len, train))
    forces = np.concatenate([np.ravel(np.asarray(labels_of(frame).forces)) for frame in train])
    config = {
        **DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG,
        "_model_type": "E3_equivariant_model",
        "chemical_species": elements,
        "_chemical_species_by_atomic_number": sorted(atomic_numbers[symbol] for symbol in elements),
        "_number_of_species": len(elements),
        "_type_map": {atomic_numbers[symbol]: index for index, symbol in enumerate(elements)},
        "cutoff": float(cutoff),
        "channel": shape.channels,
        "lmax": shape.lmax,
        "num_convolution_layer": shape.interactions,
        "is_parity": False,
        "radial_basis": {"radial_basis_name": "bessel", "bessel_basis_num": 8},
        "cutoff_function": {"cutoff_function_name": "poly_cut", "poly_cut_p_value": 6},
        "conv_denominator": [max(neighbours, 1.0) ** 0.5] * shape.interactions,
        "self_connection_type": "linear",
        "shift": [0.0] * len(elements),
        "scale": [max(float(np.sqrt(np.mean(forces**2))), 0.01)] * len(elements),
    }
    with silence(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_E3_equivariant_model(config), config
