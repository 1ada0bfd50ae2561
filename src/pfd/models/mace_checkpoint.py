"""A MACE as a file that is safe to read: its architecture as plain values, its weights, its energies of free atoms."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.errors import ModelError

if TYPE_CHECKING:
    import torch

CHECKPOINT = "mace.pt"
FORMAT = "pfd-mace-1"
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

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols that it knows, in the order of the columns of the energies."""
        from ase.data import chemical_symbols

        return tuple(chemical_symbols[number] for number in self.config["atomic_numbers"])

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


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint of a model folder, or of a file of ours; no code in it is run.

    Raises:
        ModelError: if there is none, or it cannot be read.
        pickle.UnpicklingError: if the file holds more than plain data.
    """
    import torch

    if path.is_dir():
        path /= CHECKPOINT
    if not path.is_file():
        raise ModelError("no such checkpoint", where=str(path), hint="give the path of a .model file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise
    except UNREADABLE as error:
        raise unreadable(error, path) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        lead = (
            "this looks like a checkpoint of a training: "
            if isinstance(content, dict) and "optimizer" in content
            else ""
        )
        hint = f"{lead}give the .model file that the package writes at the end, or a {CHECKPOINT} of ours"
        raise ModelError("not a MACE checkpoint (plain data of another kind)", where=str(path), hint=hint)
    try:
        tensors = {key: content[key] for key in ("weights", "energies_eV", "adopted_eV")}
        return Checkpoint(**json.loads(content["about"]), **tensors)
    except (TypeError, KeyError, ValueError) as error:
        raise ModelError("not a checkpoint that this version can read", where=str(path)) from error


def unreadable(error: BaseException, path: Path) -> ModelError:
    """The error that says why a file is no checkpoint, in one line."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ModelError(f"not a MACE checkpoint ({reason})", where=str(path))


def write_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the checkpoint into a model folder; equal weights give equal bytes."""
    import torch

    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in sorted(checkpoint.weights.items())}
    about = {"config": checkpoint.config, "head": checkpoint.head, "kept_head": checkpoint.kept_head}
    energies = {"energies_eV": checkpoint.energies_eV.cpu().clone(), "adopted_eV": checkpoint.adopted_eV.cpu().clone()}
    # As one text: pickled one by one, equal texts can differ in bytes by who else refers to them.
    content = {"format": FORMAT, "about": json.dumps(about, sort_keys=True), "weights": tensors, **energies}
    torch.save(content, folder / CHECKPOINT)
