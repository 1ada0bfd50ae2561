"""Older inputs of the shapes that users have: fine-tuning and distillation; here, by Slurm, on Bohrium; CALYPSO."""

from __future__ import annotations

import copy
from pathlib import Path

from ase.build import bulk

from pfd.frames import write_frames

FINETUNE = {
    "name": "silicon-old",
    "_comment": "runs on this machine",
    "default_step_config": {"template_config": {}, "executor": None},
    "step_configs": {
        "run_fp_config": {"template_config": {}, "executor": None, "template_slice_config": {}},
        "run_explore_config": {"template_config": {}, "executor": None},
    },
    "task": {"type": "finetune", "max_iter": 5, "init_ft": False, "init_train": False},
    "inputs": {
        "base_model_uri": None,
        "base_model_path": "pretrained.pt",
        "init_confs": {"prefix": "./", "confs_paths": ["./many.extxyz", "./one.extxyz"]},
        "init_fp_confs": {"prefix": "./", "confs_paths": []},
        "init_data_sys": None,
    },
    "select_confs": {
        "max_sel": 60,
        "frame_filter": [{"type": "distance"}],
        "h_filter": {"chunk_size": 5, "_comment": "entropy"},
    },
    "evaluate": {
        "test_size": 0.4,
        "model": "dp",
        "head": "Domains_SemiCond",
        "converge": {"type": "force_rmse", "RMSE": 0.06},
    },
    "exploration": {
        "type": "ase",
        "config": {"calculator": "dp", "head": "Domains_SemiCond"},
        "stages": [
            [
                {
                    "conf_idx": [0],
                    "n_sample": 3,
                    "ens": "npt",
                    "dt": 2,
                    "nsteps": 2000,
                    "temps": [1000],
                    "press": [1, 1000, 10000],
                    "trj_freq": 10,
                }
            ]
        ],
    },
    "fp": {
        "type": "vasp",
        "run_config": {"command": "mpirun -n 16 vasp_std"},
        "inputs_config": {"incar": "INCAR.fp", "pp_files": {"Si": "POTCAR"}, "kspacing": 0.2},
    },
    "init_fp": {},
    "train": {
        "type": "dp",
        "config": {"impl": "pytorch", "head": "Domains_SemiCond"},
        "template_script": "train.json",
    },
}
DISTIL = FINETUNE | {
    "name": "silicon-dist",
    "task": {"type": "dist", "max_iter": 4},
    "evaluate": {"test_size": 0.2, "model": "dp", "converge": {"type": "force_rmse", "RMSE": 0.05}},
    "exploration": FINETUNE["exploration"] | {"config": {"calculator": "dp"}},
    "select_confs": {"max_sel": 1500, "frame_filter": [], "h_filter": {}},
    "fp": {"type": "ase", "run_config": {"model_style": "dp", "model_args": {}}, "inputs_config": {"batch_size": 500}},
    "train": {"type": "dp", "config": {"impl": "pytorch"}, "template_script": "train.json"},
}
MATTERSIM = FINETUNE | {
    "inputs": {"base_model_path": "pretrained.pt", "init_confs": {"confs_paths": ["one.extxyz"]}},
    "evaluate": {"test_size": 0.2, "model": "mattersim", "converge": {"type": "energy_rmse", "RMSE": 0.01}},
    "exploration": FINETUNE["exploration"] | {"config": {"calculator": "mattersim", "device": "cpu"}},
    "train": {"type": "mattersim", "config": {"epochs": 20, "batch_size": 8}},
}
CALYPSO = MATTERSIM | {
    "inputs": {"base_model_path": "pretrained.pt", "init_confs": {"prefix": "./", "confs_paths": []}},
    "exploration": {
        "type": "calypso",
        "config": {"calculator": "mattersim", "device": "cuda"},
        "stages": [
            [
                {
                    "numb_of_species": 1,
                    "name_of_atoms": ["Si"],
                    "atomic_number": [14],
                    "numb_of_atoms": [4],
                    "distance_of_ions": [[2.0]],
                    "max_step": 1,
                    "vsc": False,
                    "pop_size": 10,
                    "pressure": 0,
                    "opt_step": 1000,
                }
            ]
        ],
    },
    "fp": {"type": "ase", "run_config": {"model_style": "mattersim", "model_args": {"model": "other.pth"}}},
}
SLURM = FINETUNE | {
    "step_configs": {
        "run_fp_config": {
            "executor": {
                "type": "dispatcher",
                "host": "login.hpc",
                "username": "ada",
                "port": 22,
                "private_key_file": None,
                "remote_root": "/scratch/ada",
                "queue_name": "cpu",
                "machine_dict": {"remote_profile": {"timeout": 600}},
                "resources_dict": {
                    "source_list": ["/opt/intel/oneapi/setvars.sh"],
                    "module_list": ["vasp/6.4"],
                    "custom_flags": ["#SBATCH --account=abc"],
                    "cpu_per_node": 32,
                    "number_node": 2,
                },
            },
            "template_slice_config": {"group_size": 4, "pool_size": 1},
            "continue_on_success_ratio": 0.9,
        }
    }
}


def bohrium_step(image: str, machine: str) -> dict:
    """A step that ran on Bohrium."""
    data = {"job_type": "container", "platform": "ali", "scass_type": machine}
    machine_dict = {"batch_type": "Bohrium", "context_type": "Bohrium", "remote_profile": {"input_data": data}}
    executor = {"type": "dispatcher", "image_pull_policy": "IfNotPresent", "machine_dict": machine_dict}
    return {"template_config": {"image": image}, "executor": executor}


BOHRIUM = FINETUNE | {
    "bohrium_config": {"username": "ada", "project_id": 123456, "host": "https://workflows.example.org"},
    "default_step_config": bohrium_step("ubuntu:24.04", "c2_m4_cpu"),
    "step_configs": {
        "run_fp_config": bohrium_step("vasp:6", "c16_m64_cpu"),
        "run_train_config": bohrium_step("deepmd:3.1", "1 * NVIDIA V100"),
        "run_explore_config": bohrium_step("deepmd:3.1", "1 * NVIDIA V100"),
        "select_confs_config": bohrium_step("deepmd:3.1", "1 * NVIDIA V100"),
        "run_evaluate_config": bohrium_step("deepmd:3.1", "1 * NVIDIA V100"),
    },
}
EXAMPLES = {
    "finetune": FINETUNE,
    "distil": DISTIL,
    "mattersim": MATTERSIM,
    "calypso": CALYPSO,
    "slurm": SLURM,
    "bohrium": BOHRIUM,
}


def edited(content: dict, key: str, value: object) -> dict:
    """An older input with one dotted key set; ``...`` as the value removes it."""
    tree = copy.deepcopy(content)
    *parents, last = [int(part) if part.isdigit() else part for part in key.split(".")]
    place = tree
    for part in parents:
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
    if value is ...:
        place.pop(last, None)
    else:
        place[last] = value
    return tree


def write_files(folder: Path) -> None:
    """The files that the examples name."""
    write_frames(folder / "many.extxyz", [bulk("Si", cubic=True, a=5.40 + 0.01 * index) for index in range(7)])
    write_frames(folder / "one.extxyz", [bulk("Si", cubic=True)])
    (folder / "pretrained.pt").write_text("a checkpoint")
    (folder / "other.pth").write_text("another")
    (folder / "train.json").write_text('{"learning_rate": {"type": "exp", "start_lr": 0.001}}')
    (folder / "INCAR.fp").write_text("ENCUT = 400\n")
    (folder / "POTCAR").write_text("no POTCAR")
