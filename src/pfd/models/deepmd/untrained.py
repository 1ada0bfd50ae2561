"""A small DeePMD checkpoint of random weights, in the format in which pre-trained ones come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pfd.models.deepmd.package import load_backend

HEADS = ("low", "high")
"""Two heads, as pre-trained DPA models have one for each data set."""


def small_network(elements: Sequence[str], seed: int) -> dict[str, Any]:
    """The ``model`` section of a DPA-1 of about five thousand parameters, cutoff 5 Å."""
    return {
        "type_map": list(elements),
        "descriptor": {
            "type": "dpa1",
            "sel": 80,
            "rcut": 5.0,
            "rcut_smth": 1.0,
            "neuron": [8, 16],
            "axis_neuron": 4,
            "attn": 16,
            "attn_layer": 1,
            "attn_dotr": True,
            "attn_mask": False,
            "smooth_type_embedding": True,
            "tebd_dim": 4,
            "precision": "float32",
            "seed": seed,
        },
        "fitting_net": {"type": "ener", "neuron": [32, 32], "resnet_dt": True, "precision": "float32", "seed": seed},
    }


def untrained(path: Path, elements: Sequence[str], seed: int) -> Path:
    """Write the checkpoint of a network of random weights with two heads on one descriptor.

    Args:
        path: a folder for it.
        elements: chemical symbols that it shall know.
        seed: of the weights.

    Returns:
        The checkpoint; it has the heads ``low`` and ``high``.
    """
    import torch

    package = load_backend()
    branches = {head: small_network(elements, seed + number) for number, head in enumerate(HEADS)}
    for branch in branches.values():
        branch["descriptor"]["seed"] = seed  # one descriptor, which the heads share
    state: dict[str, Any] = {"_extra_state": {"model_params": {"model_dict": branches}, "train_infos": {"step": 0}}}
    for head, branch in branches.items():
        for name, weight in package.get_model(branch).state_dict().items():
            state[f"model.{head}.{name}"] = weight
    target = path / "untrained.pt"
    torch.save({"model": state, "optimizer": {}}, target)
    return target
