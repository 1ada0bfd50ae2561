"""The package's module of a MACE, built from plain values and weights, without running code from any file."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import ModelError

if TYPE_CHECKING:
    import torch

    from pfd.models.mace_checkpoint import Checkpoint

ENERGIES = "atomic_energies_fn.atomic_energies"
"""Where the package's modules keep the energies of the free atoms."""
IRREPS = ("hidden_irreps", "MLP_irreps", "edge_irreps")
"""Entries of a module's description that are representations of the rotation group."""


def build_module(checkpoint: Checkpoint, *, scripted: bool = False) -> Any:
    """The package's module with these weights, and zeros as energies of the free atoms; see ``new_module``.

    Raises:
        ModelError: if the weights do not fit.
    """
    import torch

    weights = checkpoint.weights
    dtype = weights["scale_shift.scale"].dtype
    module = new_module(checkpoint.config, dtype, scripted=scripted)
    names = set(module.state_dict()) - {ENERGIES}
    # Buffers that newer releases added are computed from the config alone; every parameter must be there.
    lacking = sorted({name for name, _ in module.named_parameters()} - set(weights))
    strange = sorted(set(weights) - names)
    if lacking or strange:
        raise ModelError(f"the weights do not fit MACE's layers: {(lacking + strange)[0]}", hint="wrong version?")
    with torch.no_grad():
        module.load_state_dict(weights, strict=False)
    return module


def new_module(config: dict[str, Any], dtype: torch.dtype, seed: int = 0, *, scripted: bool = False) -> Any:
    """A module of random weights; torch's own random numbers go on as if nothing had happened.

    Args:
        config: see ``Checkpoint``.
        dtype: of its weights.
        seed: of its weights.
        scripted: whether its layers are compiled by TorchScript, as the package does. Measured on a CPU, that doubles
            the time to build it, and it then predicts up to 15 % faster and trains no faster.
    """
    import torch

    with quiet(), default_dtype(dtype), torch.random.fork_rng(devices=[]), _scripting(scripted):
        torch.manual_seed(seed)
        from mace import modules
        from mace.modules.models import o3  # e3nn by way of mace, which prepares its import

        elements = len(config["atomic_numbers"])
        irreps = {key: None if (text := config[key]) is None else o3.Irreps(text) for key in IRREPS}
        return modules.ScaleShiftMACE(
            **config
            | irreps
            | {
                "interaction_cls": modules.interaction_classes[config["interaction_cls"]],
                "interaction_cls_first": modules.interaction_classes[config["interaction_cls_first"]],
                "readout_cls": modules.readout_classes[config["readout_cls"]],
                "gate": modules.gate_dict[config["gate"]],
                "atomic_energies": np.zeros((len(config["heads"]), elements)),
            }
        )


def write_module(checkpoint: Checkpoint, file: Path) -> None:
    """Write the module whole, as the package's own tools read it: one pickle, with all heads.

    Energies of the free atoms are then in the precision of the weights.
    """
    import torch

    module = build_module(checkpoint, scripted=True)
    module.atomic_energies_fn.atomic_energies.copy_(checkpoint.energies_eV)
    with quiet():
        torch.save(module, file)


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Within it, new tensors have this precision: the package builds its layers so."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def _scripting(wanted: bool) -> Iterator[None]:
    """Within it, e3nn compiles layers by TorchScript or leaves them in Python."""
    from mace.modules.models import o3  # noqa: F401  (e3nn by way of mace, which prepares its import)
    import e3nn  # isort: skip

    before = e3nn.get_optimization_defaults()
    e3nn.set_optimization_defaults(jit_script_fx=wanted)
    try:
        yield
    finally:
        e3nn.set_optimization_defaults(**before)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the package's advice and warnings off the screen, and its import from changing how torch reads pickles."""
    variable = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(variable)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before
