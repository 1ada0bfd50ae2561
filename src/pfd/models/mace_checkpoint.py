"""MACE checkpoints: the package's pickled modules, read with care, and our own file, which is safe to read."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.digests import file_digest
from pfd.errors import ModelError

if TYPE_CHECKING:
    import torch

CHECKPOINT = "mace.pt"
FORMAT = "pfd-mace-1"
ENERGIES = "atomic_energies_fn.atomic_energies"
"""Where the package's modules keep the energies of the free atoms."""
IRREPS = ("hidden_irreps", "MLP_irreps", "edge_irreps")
"""Entries of a module's description that are representations of the rotation group."""
KNOWN_FILES: dict[str, str] = {}
"""sha256 of published files -> their name. Empty: where this was written none could be downloaded and looked at, and a
digest that nobody verified is worth nothing; until then published files need ``trust_file`` as all others do."""
UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    OSError,
    LookupError,
    AttributeError,
    ImportError,
    TypeError,
    ValueError,
)
"""What torch raises on files that are truncated, foreign, or made with other versions."""


@dataclass(frozen=True)
class Checkpoint:
    """A MACE without code: what a module is built from.

    Attributes:
        config: arguments of ``ScaleShiftMACE`` as plain values; classes and functions by their names.
        weights: its state, without the energies of the free atoms.
        energies_eV: energies of the free atoms, float64, (heads, elements): large numbers that single precision cannot
            hold, whatever the precision of the weights.
        adopted_eV: the same as they were when the model was adopted, before any energy shift.
        head: the head that is used; empty if there are several and none was chosen yet.
        kept_head: the head of the pre-training that a fine-tuning with replay kept, if there was one.
    """

    config: dict[str, Any]
    weights: dict[str, torch.Tensor]
    energies_eV: torch.Tensor
    adopted_eV: torch.Tensor
    head: str
    kept_head: str | None = None

    @property
    def heads(self) -> tuple[str, ...]:
        """All heads, in the order of the rows of the energies."""
        return tuple(self.config["heads"])

    def using(self, head: str | None, where: str) -> Checkpoint:
        """The same with that head in use; None leaves the choice that was made, or takes the only one.

        Raises:
            ModelError: if there is no such head, or several and none was named.
        """
        if head is None and not self.head:
            raise ModelError("the model has several heads", where=where, hint=f"name one of: {', '.join(self.heads)}")
        if head is not None and head not in self.heads:
            hint = f"there are: {', '.join(self.heads)}"
            raise ModelError(f"the model has no head {head!r}", where=where, hint=hint)
        return replace(self, head=head or self.head)


def adopt_checkpoint(path: Path, trust_file: bool) -> Checkpoint:
    """Read a file of ours, or a module that the package pickled whole if its digest is known or it is trusted.

    Raises:
        ModelError: if the file is missing, damaged, of another family, or a pickle that nobody vouched for.
    """
    import torch

    if not path.is_file():
        raise ModelError("no such checkpoint", where=str(path), hint="give the path of a .model file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not (trust_file or file_digest(path) in KNOWN_FILES):
            raise ModelError(
                "the file is a pickled object and no plain weights: reading it runs whatever code is in it",
                where=str(path),
                hint="if you trust where it comes from, write `trust_file: true` under teacher",
            ) from error
        return checkpoint_of_module(_unpickled(path), str(path))
    except UNREADABLE as error:
        raise ModelError(f"not a MACE checkpoint ({_reason(error)})", where=str(path)) from error
    return _of_content(content, str(path))


def read_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint of a model folder; no code in it is run.

    Raises:
        ModelError: if there is none, or it cannot be read.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise ModelError("no MACE model in this folder", where=str(folder), hint=f"give a folder that holds {CHECKPOINT}")
    return adopt_checkpoint(path, trust_file=False)


def write_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the checkpoint into a model folder; equal weights give equal bytes."""
    import torch

    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in sorted(checkpoint.weights.items())}
    about = {"config": checkpoint.config, "head": checkpoint.head, "kept_head": checkpoint.kept_head}
    energies = {"energies_eV": checkpoint.energies_eV.cpu().clone(), "adopted_eV": checkpoint.adopted_eV.cpu().clone()}
    # As one text: pickled one by one, equal texts can differ in bytes by who else refers to them.
    content = {"format": FORMAT, "about": json.dumps(about, sort_keys=True), "weights": tensors, **energies}
    torch.save(content, folder / CHECKPOINT)


def _of_content(content: Any, where: str) -> Checkpoint:
    """A checkpoint from what our file holds."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        lead = ""
        if isinstance(content, dict) and "optimizer" in content:
            lead = "this one looks like a checkpoint of a training: "
        hint = f"{lead}give the .model file that the package wrote at the end, or our own {CHECKPOINT}"
        raise ModelError("not a MACE checkpoint (plain data of another kind)", where=where, hint=hint)
    try:
        tensors = {key: content[key] for key in ("weights", "energies_eV", "adopted_eV")}
        return Checkpoint(**json.loads(content["about"]), **tensors)
    except (TypeError, KeyError, ValueError) as error:
        raise ModelError("not a checkpoint that this version can read", where=where) from error


def _unpickled(path: Path) -> Any:
    import torch

    with quiet():
        import mace.modules  # noqa: F401  (sets up e3nn, which pickled modules need)
    try:
        with quiet():
            return torch.load(path, map_location="cpu", weights_only=False)
    except UNREADABLE as error:
        raise ModelError(f"not a MACE checkpoint ({_reason(error)})", where=str(path)) from error


def checkpoint_of_module(module: Any, where: str) -> Checkpoint:
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
        checkpoint = Checkpoint(
            config, weights, energies, energies.clone(), config["heads"][0] if len(energies) == 1 else ""
        )
        fresh = build_module(checkpoint)
    except UNREADABLE as error:
        raise ModelError(f"the module cannot be built anew ({_reason(error)})", where=where) from error
    return replace(checkpoint, weights={name: fresh.state_dict()[name] for name in _weight_names(fresh)})


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


def build_module(checkpoint: Checkpoint, *, scripted: bool = False) -> Any:
    """The package's module with these weights, and zeros as energies of the free atoms; see ``new_module``.

    Raises:
        ModelError: if the weights do not fit.
    """
    import torch

    weights = checkpoint.weights
    dtype = weights["scale_shift.scale"].dtype
    module = new_module(checkpoint.config, dtype, scripted=scripted)
    names = _weight_names(module)
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


def package_module(checkpoint: Checkpoint) -> Any:
    """The package's module, whole, as its own tools read it: energies of the free atoms in the weights' precision."""
    module = build_module(checkpoint, scripted=True)
    module.atomic_energies_fn.atomic_energies.copy_(checkpoint.energies_eV)
    return module


def _weight_names(module: Any) -> set[str]:
    return set(module.state_dict()) - {ENERGIES}


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


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
