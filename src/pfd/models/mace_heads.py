"""Heads of a MACE: readouts that share one backbone; copied, dropped and put in another order, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pfd.errors import ModelError
from pfd.models.mace_checkpoint import Checkpoint
from pfd.models.mace_module import new_module

if TYPE_CHECKING:
    import torch

NEW_HEAD = "pfd"
"""Name of the head that a fine-tuning with replay adds."""
READOUTS = ("LinearReadoutBlock", "NonLinearReadoutBlock", "NonLinearBiasReadoutBlock")
"""Kinds of readouts whose weights can be told apart by heads."""


def with_heads(checkpoint: Checkpoint, names: Sequence[str], sources: Sequence[str], head: str) -> Checkpoint:
    """The same backbone with these heads, each a copy of one of the present heads, and ``head`` in use.

    Raises:
        ModelError: if the readouts are of a kind whose weights cannot be told apart by heads.
    """
    import torch

    if checkpoint.config["readout_cls"] not in READOUTS:
        what = f"readouts of the kind {checkpoint.config['readout_cls']} cannot be given a new head"
        raise ModelError(what, hint="leave out replay_file")
    before, rows = checkpoint.heads, [checkpoint.heads.index(source) for source in sources]
    weights, config = checkpoint.weights, dict(checkpoint.config)
    config["heads"] = list(names)
    for key in ("atomic_inter_scale", "atomic_inter_shift"):
        values = config[key] if isinstance(config[key], list) else [config[key]] * len(before)
        config[key] = [values[row] for row in rows]
    fresh = new_module(config, weights["scale_shift.scale"].dtype).state_dict()
    changed = {
        f"scale_shift.{name}": torch.atleast_1d(weights[f"scale_shift.{name}"])[rows] for name in ("scale", "shift")
    }
    for block in sorted({name.rsplit(".", 2)[0] for name in weights if name.startswith("readouts.")}):
        state = {name.removeprefix(f"{block}."): value for name, value in weights.items() if name.startswith(block)}
        changed |= {f"{block}.{name}": value for name, value in _readout_rows(state, len(before), rows).items()}
    # What no training changes (masks of outputs) comes from the new layers, all else from the old ones.
    kept = {name: fresh[name] if name.startswith("readouts.") else weights[name] for name in weights}
    return replace(
        checkpoint,
        config=config,
        weights=kept | changed,
        energies_eV=checkpoint.energies_eV[rows],
        adopted_eV=checkpoint.adopted_eV[rows],
        head=head,
    )


def single_head(checkpoint: Checkpoint) -> Checkpoint:
    """The model with the head that is used, and no other."""
    return with_heads(checkpoint, [checkpoint.head], [checkpoint.head], checkpoint.head)


def _readout_rows(state: dict[str, torch.Tensor], heads: int, rows: list[int]) -> dict[str, torch.Tensor]:
    """The weights of a readout block for the heads in these rows.

    Hidden channels stand head by head, and each head sees its own only; e3nn divides by the square root of how many
    channels there are in all, hence the factor.
    """
    if "linear.weight" in state:
        return {"linear.weight": state["linear.weight"].view(-1, heads)[:, rows].flatten()}
    channels = state["linear_2.weight"].numel() // heads**2
    factor = (len(rows) / heads) ** 0.5
    found = {
        "linear_1.weight": state["linear_1.weight"].view(-1, heads, channels)[:, rows],
        "linear_2.weight": _own_block(state["linear_2.weight"].view(heads, channels, heads, 1), rows) * factor,
    }
    if "linear_mid.weight" in state:
        blocks = state["linear_mid.weight"].view(heads, channels, heads, channels)
        found["linear_mid.weight"] = _own_block(blocks, rows) * factor
    for name in ("linear_1.bias", "linear_mid.bias", "linear_2.bias"):
        if name in state and state[name].numel():
            found[name] = state[name].view(heads, -1)[rows]
    return {name: value.flatten() for name, value in found.items()}


def _own_block(weights: torch.Tensor, rows: list[int]) -> torch.Tensor:
    """Of weights from heads to heads, (heads, channels, heads, outputs), those within one head; zeros elsewhere."""
    new = weights.new_zeros(len(rows), weights.shape[1], len(rows), weights.shape[3])
    for place, row in enumerate(rows):
        new[place, :, place] = weights[row, :, row]
    return new
