"""A small pre-trained DPA-1 with two heads, made in seconds from frames that a toy potential labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk

from pfd.frames import Labels, with_labels
from pfd.models.deepmd.training_data import write_systems
from pfd.models.deepmd.training_run import run_dp
from pfd.models.deepmd.untrained import small_network
from pfd.models.family import no_progress
from pfd.testing.toy_potential import ToyCalculator, morse

HEADS = {"low": (0.3, 0.0), "high": (0.5, -1.5)}
"""Strength of the Morse potential and energy per atom, eV, of what each head was trained on."""


def copper(count: int, seed: int, strength: float = 1.0, constant_eV: float = -3.0) -> list[Atoms]:
    """Displaced and strained copper cells of four atoms with labels."""
    generator = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        frame = bulk("Cu", "fcc", a=3.61 * generator.uniform(0.97, 1.04), cubic=True)
        frame.positions += generator.normal(0, 0.12, frame.positions.shape)
        toy = ToyCalculator(["Cu"], morse(strength), np.ones(1), {"Cu": constant_eV})
        labels = Labels(toy.get_potential_energy(frame), toy.get_forces(frame), toy.get_stress(frame))
        frames.append(with_labels(frame, labels))
    return frames


def dpa3(elements: list[str]) -> dict:
    """The ``model`` section of a small DPA-3 with the embedding of heads that pre-trained ones have."""
    repflow = {"nlayers": 2, "n_dim": 16, "e_dim": 8, "a_dim": 8, "axis_neuron": 4, "a_compress_rate": 1}
    edges = {"e_rcut": 5.0, "e_rcut_smth": 4.0, "e_sel": 80, "smooth_edge_update": True, "use_dynamic_sel": True}
    angles = {"a_rcut": 3.5, "a_rcut_smth": 3.0, "a_sel": 30, "sel_reduce_factor": 10.0}
    return {
        "type_map": elements,
        "descriptor": {"type": "dpa3", "repflow": repflow | edges | angles, "precision": "float32", "seed": 1},
        "fitting_net": {"type": "ener", "neuron": [16, 16], "precision": "float32", "dim_case_embd": 2, "seed": 1},
    }


def pretrain(folder: Path, steps: int = 200) -> Path:
    """Train both heads with ``dp --pt train``; the types are copper, and gold of which there is no frame."""
    types, network = ["Cu", "Au"], small_network(["Cu", "Au"], 1)
    data = {}
    for number, (head, (strength, constant)) in enumerate(HEADS.items()):
        systems = write_systems(copper(24, 100 + number, strength, constant), folder / head, types, 6.0)
        data[head] = {"training_data": {"systems": [f"{head}/{system.name}" for system in systems], "batch_size": 2}}
    loss = {"type": "ener", "start_pref_e": 0.2, "limit_pref_e": 20, "start_pref_f": 100, "limit_pref_f": 60}
    content = {
        "model": {
            "shared_dict": {"types": types, "descriptor": network["descriptor"]},
            "model_dict": {
                head: {"type_map": "types", "descriptor": "descriptor", "fitting_net": network["fitting_net"]}
                for head in HEADS
            },
        },
        "learning_rate": {"type": "cosine", "start_lr": 5e-3, "stop_lr": 5e-5},
        "loss_dict": {head: loss | {"start_pref_v": 0.02, "limit_pref_v": 1.0} for head in HEADS},
        "training": {
            "model_prob": dict.fromkeys(HEADS, 0.5),
            "data_dict": data,
            "numb_steps": steps,
            "seed": 1,
            "disp_freq": steps // 4,
            "save_ckpt": "dpa",
            "save_freq": steps,
        },
    }
    (folder / "multi.json").write_text(json.dumps(content))
    run_dp([["--pt", "train", "multi.json", "--skip-neighbor-stat"]], folder, steps, no_progress, "cpu")
    return folder / f"dpa-{steps}.pt"
