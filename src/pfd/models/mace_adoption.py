"""Published MACEs are whole pickled modules: read with care, taken apart, and compared with what is built anew."""

from __future__ import annotations

import pickle
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

import numpy as np

from pfd.digests import file_digest
from pfd.errors import ModelError
from pfd.models.mace_checkpoint import UNREADABLE, Checkpoint, read_checkpoint, unreadable
from pfd.models.mace_module import ENERGIES, default_dtype, quiet
from pfd.models.mace_potential import MACEPotential

if TYPE_CHECKING:
    from ase import Atoms

KNOWN_FILES: dict[str, str] = {}
"""sha256 of published files -> their name. Empty: where this was written none could be downloaded and looked at, and a
digest that nobody verified is worth nothing; until then published files need ``trust_file`` as all others do."""
OFF = 1e-4
"""Largest difference between a module and what is built from its parts, relative to 1 eV/Å or the largest force."""


def adopt_checkpoint(path: Path, trust_file: bool) -> Checkpoint:
    """Read a file of ours, or a module that the package pickled whole if its digest is known or it is trusted.

    Raises:
        ModelError: if the file is missing, damaged, of another family, or a pickle that nobody vouched for.
    """
    try:
        return read_checkpoint(path)
    except pickle.UnpicklingError as error:
        if not is_zipfile(path):
            raise ModelError("not a MACE checkpoint (no file of torch)", where=str(path)) from error
        if not (trust_file or file_digest(path) in KNOWN_FILES):
            raise ModelError(
                "the file is a pickled object and no plain weights: reading it runs whatever code is in it",
                where=str(path),
                hint="if you trust where it comes from, write `trust_file: true` under teacher",
            ) from error
    return _taken_apart(_unpickled(path), str(path))


def _unpickled(path: Path) -> Any:
    import torch

    with quiet():
        import mace.modules  # noqa: F401  (prepares the import of e3nn, which pickled modules need)
    try:
        with quiet():
            return torch.load(path, map_location="cpu", weights_only=False)
    except UNREADABLE as error:
        raise unreadable(error, path) from error


def _taken_apart(module: Any, where: str) -> Checkpoint:
    """What the package's module is made of.

    A plain ``MACE`` becomes the ``ScaleShiftMACE`` of scale 1 and shift 0, which has the same energies.

    Raises:
        ModelError: if it is no MACE, one that predicts more than energies, or one that cannot be built anew.
    """
    import torch

    with quiet():
        from mace.modules import MACE, ScaleShiftMACE
        from mace.modules.blocks import ScaleShiftBlock
        from mace.tools.scripts_utils import extract_config_mace_model

    kind = type(module)
    if kind not in {MACE, ScaleShiftMACE}:
        raise ModelError(f"a {kind.__name__} is no MACE that PFD-kit can use", where=where, hint="MACE, ScaleShiftMACE")
    if getattr(module, "embedding_specs", None) is not None:
        raise ModelError("the model wants the charge or spin of each frame, which is not supported", where=where)
    dtype = next(module.parameters()).dtype
    if kind is MACE:
        heads = len(getattr(module, "heads", None) or ["Default"])
        with default_dtype(dtype):
            module.scale_shift = ScaleShiftBlock([1.0] * heads, [0.0] * heads)
        module.__class__ = ScaleShiftMACE
    try:
        with quiet():
            config = _plain_config(extract_config_mace_model(module))
        weights = {name: value for name, value in module.state_dict().items() if name != ENERGIES}
        energies = torch.atleast_2d(module.atomic_energies_fn.atomic_energies.detach().double().cpu()).clone()
        head = config["heads"][0] if len(energies) == 1 else ""
        potential = MACEPotential(Checkpoint(config, weights, energies, energies.clone(), head))
        checkpoint = replace(potential.checkpoint, weights=potential.state())
        _compare(potential, module, where)
    except UNREADABLE as error:
        raise ModelError(
            f"the module cannot be built anew ({str(error).partition(chr(10))[0]})", where=where
        ) from error
    return checkpoint


def _compare(potential: MACEPotential, module: Any, where: str) -> None:
    """Refuse a module whose parts do not give back what it predicts itself, for a cluster of all its elements."""
    module.atomic_energies_fn.atomic_energies.zero_()
    original = copy(potential)
    original.module = module.eval()
    frame = _cluster(potential.numbers)
    for head in potential.checkpoint.heads:
        graphs = [potential.for_head(head).graph(frame)]
        found, expected = (one.predict(graphs, differentiable=False) for one in (potential, original))
        largest = max(1.0, float(expected.forces.abs().max()))
        off_energy = float((found.energies - expected.energies).detach().abs().max()) / len(frame)
        off_force = float((found.forces - expected.forces).abs().max())
        if not max(off_energy, off_force) <= OFF * largest:
            raise ModelError(
                f"built anew, the module is off the one in the file by {off_energy:.1e} eV/atom, {off_force:.1e} eV/Å",
                where=where,
                hint="the file was made by another release of mace-torch, which this one cannot take apart",
            )


def _cluster(numbers: list[int]) -> Atoms:
    """Atoms of all these elements, about 2.5 Å apart."""
    from ase import Atoms

    count = max(8, len(numbers))
    side = int(np.ceil(count ** (1 / 3)))
    places = 2.5 * np.indices((side,) * 3).reshape(3, -1).T[:count]
    return Atoms(np.resize(numbers, count), places + np.random.default_rng(0).normal(0, 0.15, places.shape))


def _plain_config(config: dict[str, Any]) -> dict[str, Any]:
    """The package's own description of a module as numbers, texts and lists."""
    from mace.modules import gate_dict

    gates = {gate: name for name, gate in gate_dict.items()}
    left_out = {"atomic_energies", "cueq_config", "embedding_specs", "use_embedding_readout"}
    plain = {key: _plain(value) for key, value in config.items() if key not in left_out}
    plain["gate"] = gates[config["gate"]]
    plain["avg_num_neighbors"] = float(config["avg_num_neighbors"])
    plain["heads"] = list(config["heads"])
    return plain


def _plain(value: Any) -> Any:
    from mace.modules.models import o3

    if isinstance(value, type):
        return value.__name__
    if isinstance(value, o3.Irreps):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value
