"""Every key of an older input is translated, refused with a reason, or told to be without effect; the physics stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.config.older.examples import (
    BOHRIUM,
    CALYPSO,
    DISTIL,
    EXAMPLES,
    FINETUNE,
    MATTERSIM,
    SLURM,
    edited,
    write_files,
)

from pfd.cli.convert import convert_file
from pfd.config.commented import commented_yaml
from pfd.config.given import read_given
from pfd.config.older.convert import convert, moved
from pfd.config.older.recognise import is_older
from pfd.config.reading import read_input
from pfd.config.resources import ResourceSettings
from pfd.config.sections import Input
from pfd.errors import SettingError

MERGED = {"cluster": "cluster" in ResourceSettings.model_fields, "argo": "argo" in Input.model_fields}
"""Which sections that a conversion may need are there in this version."""
GROUP, STAGE = "exploration.stages.0.0", "finetune.explore.0.0"
FP, EXECUTOR = "step_configs.run_fp_config", "step_configs.run_fp_config.executor"
NVT = edited(FINETUNE, f"{GROUP}.ens", "nvt")
FIRST = edited(FINETUNE, "task.init_fp", True)
DATA = edited(FINETUNE, "inputs.init_data_sys", ["set"])
OXIDE = {"name_of_atoms": ["Ti", "O"], "atomic_number": [22, 8], "numb_of_species": 2, "distance_of_ions": None}
TITANIA = edited(CALYPSO, GROUP, CALYPSO["exploration"]["stages"][0][0] | OXIDE)


@pytest.fixture
def folder(tmp_path):
    write_files(tmp_path)
    return tmp_path


def at(content, key):
    """The value of a dotted key."""
    for part in key.split("."):
        content = content[int(part)] if isinstance(content, list) else content[part]
    return content


# (an older input, key, value, today's key, its value)
TRANSLATED = [
    (FINETUNE, "name", "mine", "name", "mine"),
    (FINETUNE, "name", ..., "name", "pfd"),
    # task
    (FINETUNE, "task.max_iter", 7, "finetune.max_iterations", 7),
    (FINETUNE, "task.max_iter", ..., "finetune.max_iterations", 1),
    (FINETUNE, "task.init_fp", True, "finetune.initial", "label"),
    (DISTIL, "task.type", "distillation", "distill.max_iterations", 4),
    # inputs
    (FINETUNE, "inputs.init_confs.confs_paths", "one.extxyz", "structures", [{"file": "one.extxyz"}]),
    (FINETUNE, "inputs.init_confs", {"files": ["o*.extxyz"]}, "structures", [{"file": "one.extxyz"}]),
    (FINETUNE, "inputs.init_confs.prefix", "sub", "structures.0.file", "sub/many.extxyz"),
    (FINETUNE, "inputs.init_confs.fmt", "vasp/poscar", "structures.1.format", "vasp"),
    (FINETUNE, "inputs.init_confs.fmt", "cif", "structures.1.format", "cif"),
    (FIRST, "inputs.init_fp_confs.confs_paths", ["POSCAR"], "structures.2.file", "POSCAR"),
    (DATA, "inputs.init_data_prefix", "sets", "data", [{"file": "sets/set"}]),
    (DATA, "task.init_train", True, "data", [{"file": "set"}]),
    (FINETUNE, "inputs.base_model_path", ["m.pt"], "teacher.model", "m.pt"),
    (edited(FINETUNE, "inputs.base_model_path", ...), "inputs.teacher_model_path", "m.pt", "teacher.model", "m.pt"),
    (edited(FINETUNE, "inputs.base_model_path", ...), "inputs.pretrain_model_path", "m.pt", "teacher.model", "m.pt"),
    (edited(FINETUNE, "inputs.base_model_path", ...), "inputs.teacher_models_paths", ["m.pt"], "teacher.model", "m.pt"),
    # select_confs
    (FINETUNE, "select_confs.max_sel", 9, "finetune.select.max_frames", 9),
    (edited(FINETUNE, "select_confs.max_sel", ...), "evaluate.max_sel", 9, "finetune.select.max_frames", 9),
    (FINETUNE, "select_confs.h_filter", None, "finetune.select.method", "random"),
    (FINETUNE, "select_confs.h_filter.k", 16, "finetune.select.k", 16),
    (FINETUNE, "select_confs.h_filter.cutoff", 6.0, "finetune.select.cutoff_A", 6.0),
    (FINETUNE, "select_confs.h_filter.h", 0.02, "finetune.select.bandwidth_per_A", 0.02),
    (FINETUNE, "select_confs.frame_filter.0.safe_dist_ratio", 0.5, "finetune.select.gate.min_distance", 0.3),
    (
        *(FINETUNE, "select_confs.frame_filter.0", {"type": "box_skewness", "theta": 50}),
        *("finetune.select.gate.min_cell_angle_deg", 40.0),
    ),
    (
        FINETUNE,
        "select_confs.frame_filter.0",
        {"type": "box_skewness"},
        "finetune.select.gate.min_cell_angle_deg",
        30.0,
    ),
    (
        *(FINETUNE, "select_confs.frame_filter.0", {"type": "box_length", "length_ratio": 4}),
        *("finetune.select.gate.max_cell_aspect", 4),
    ),
    (FINETUNE, "select_confs.frame_filter.0", {"type": "box_length"}, "finetune.select.gate.max_cell_aspect", 5.0),
    # evaluate
    (FINETUNE, "evaluate.test_size", 0.1, "evaluate.test_frames", 2),  # 6 of 60 for three pressures
    (FINETUNE, "evaluate.test_size", ..., "evaluate.test_frames", 2),
    (edited(FINETUNE, "evaluate.test_size", ...), "select_confs.test_size", 0.2, "evaluate.test_frames", 4),
    (FINETUNE, "evaluate.head", "Domains_SemiCond", "teacher.head", "Domains_SemiCond"),
    (FINETUNE, "evaluate.model", "deepmd", "teacher.family", "deepmd"),
    (FINETUNE, "evaluate.converge.RMSE", 0.2, "finetune.converge.force_rmse_eV_per_A", 0.2),
    (FINETUNE, "evaluate.converge.RMSE", ..., "finetune.converge.force_rmse_eV_per_A", 0.01),
    (FINETUNE, "evaluate.converge.type", "force_rmse_idv", "finetune.converge.force_rmse_eV_per_A", 0.06),
    (FINETUNE, "evaluate.converge.type", "energy_rmse", "finetune.converge.energy_rmse_meV_per_atom", 60.0),
    (MATTERSIM, "evaluate.device", "cuda", "resources.predict.device", "cuda"),
    # exploration in ase
    (
        edited(FINETUNE, "exploration.config.calculator", ...),
        "exploration.config.calc",
        "dp",
        "teacher.family",
        "deepmd",
    ),
    (MATTERSIM, "exploration.config.calculator", "mattersim", "teacher.family", "mattersim"),
    (MATTERSIM, "exploration.config.device", "cuda:0", "resources.explore.device", "cuda"),
    (FINETUNE, "exploration.stages", FINETUNE["exploration"]["stages"][0], f"{STAGE}.steps", 2000),
    (FINETUNE, f"{GROUP}.conf_idx", [1], f"{STAGE}.structures", [7]),
    (FINETUNE, f"{GROUP}.conf_idx", [0, 1], f"{STAGE}.structures", [0, 3, 6, 7]),
    (FINETUNE, f"{GROUP}.n_sample", 1, f"{STAGE}.structures", [0]),
    (FINETUNE, f"{GROUP}.n_sample", 99, f"{STAGE}.structures", list(range(7))),
    (FINETUNE, f"{GROUP}.n_sample", ..., f"{STAGE}.structures", list(range(7))),
    (FINETUNE, f"{GROUP}.temps", [300, 600], f"{STAGE}.temperatures_K", [300, 600]),
    (FINETUNE, f"{GROUP}.press", [1, 1000, 10000], f"{STAGE}.pressures_GPa", [0.0001, 0.1, 1.0]),
    (FINETUNE, f"{GROUP}.ens", ..., f"{STAGE}.ensemble", "npt"),
    (FINETUNE, f"{GROUP}.ens", "nvt", f"{STAGE}.ensemble", "nvt"),
    (FINETUNE, f"{GROUP}.ens", "lbfgs", f"{STAGE}.method", "relax"),
    (FINETUNE, f"{GROUP}.dt", 0.5, f"{STAGE}.timestep_fs", 0.5),
    (FINETUNE, f"{GROUP}.dt", ..., f"{STAGE}.timestep_fs", 2.0),
    (FINETUNE, f"{GROUP}.nsteps", ..., f"{STAGE}.steps", 1000),
    (FINETUNE, f"{GROUP}.trj_freq", ..., f"{STAGE}.every", 100),
    (FINETUNE, f"{GROUP}.tau_t", 50, f"{STAGE}.coupling_fs", 50),
    (FINETUNE, f"{GROUP}.tau_t", ..., f"{STAGE}.coupling_fs", 100.0),
    (NVT, f"{GROUP}.tau_t", 50, f"{STAGE}.coupling_fs", 100.0),  # 50 steps of 2 fs
    (NVT, f"{GROUP}.tau_t", ..., f"{STAGE}.coupling_fs", 200.0),
    (edited(NVT, f"{GROUP}.dt", 0.5), f"{GROUP}.tau_t", 50, f"{STAGE}.coupling_fs", 25.0),
    # exploration by calypso
    (CALYPSO, f"{GROUP}.numb_of_atoms", [6], f"{STAGE}.formula", "Si6"),
    (TITANIA, f"{GROUP}.numb_of_atoms", [1, 2], f"{STAGE}.formula", "Ti1O2"),
    (CALYPSO, f"{GROUP}.distance_of_ions", [[1.11]], f"{STAGE}.min_distance", 0.5),  # Si has 1.11 Å
    (CALYPSO, f"{GROUP}.distance_of_ions", {"Si": 1.11}, f"{STAGE}.min_distance", 0.7),
    (CALYPSO, f"{GROUP}.pop_size", ..., f"{STAGE}.population", 30),
    (CALYPSO, f"{GROUP}.max_step", ..., f"{STAGE}.generations", 5),
    (CALYPSO, f"{GROUP}.pressure", 50, f"{STAGE}.pressure_GPa", 5.0),
    (CALYPSO, f"{GROUP}.fmax", 0.2, f"{STAGE}.fmax_eV_per_A", 0.2),
    (CALYPSO, f"{GROUP}.opt_step", 60, f"{STAGE}.steps", 60),
    (CALYPSO, f"{GROUP}.numb_of_formula", [1, 2], f"{STAGE}.formula_units", [1, 2]),
    (CALYPSO, f"{GROUP}.volume", 80, f"{STAGE}.volume_A3", 80),
    (CALYPSO, f"{GROUP}.max_time", 60, f"{STAGE}.wall_time_s", 60),
    # fp
    (FINETUNE, "fp.run_config.command", "srun vasp_std > vasp.log 2>&1", "finetune.label.command", "srun vasp_std"),
    (FINETUNE, "fp.run_config.command", ..., "finetune.label.command", "vasp_std"),
    (FINETUNE, "fp.run_config.command", "mpirun -np 4 vasp_std", "resources.label.cores", 4),
    (FINETUNE, "fp.inputs_config.incar", "INCAR", "finetune.label.incar_file", "INCAR"),
    (FINETUNE, "fp.inputs_config.kspacing", 0.3, "finetune.label.kspacing_per_A", 0.3),
    (FINETUNE, "fp.inputs_config.kgamma", True, "finetune.label.kspacing_per_A", 0.2),
    (FINETUNE, "fp.inputs_config.pp_files", {"Si": "pp/POTCAR.Si", "O": "pp/O"}, "finetune.label.potcar_dir", "pp"),
    (
        FINETUNE,
        "fp.inputs_config.pp_files",
        {"Si": "pp/Si/POTCAR", "O": "pp/O/POTCAR"},
        "finetune.label.potcars.O",
        "O/POTCAR",
    ),
    (CALYPSO, "fp.run_config.model_args", {"model": "x.pth"}, "finetune.label.model", "x.pth"),
    (CALYPSO, "fp.run_config.model_args", {"head": "b"}, "finetune.label.head", "b"),
    (CALYPSO, "fp.run_config.model_args", {"device": "cpu"}, "resources.predict.device", "cpu"),
    (CALYPSO, "fp.run_config", {"style": "emt"}, "finetune.label.calculator", "emt"),
    (CALYPSO, "fp.run_config", {"model": "lj", "model_args": {"rc": 5}}, "finetune.label.parameters", {"rc": 5}),
    (DISTIL, "fp.run_config", {"style": "dp"}, "teacher.family", "deepmd"),
    (DISTIL, "fp.run_config.model_args.head", "b", "teacher.head", "b"),
    # train
    (DISTIL, "train.type", "dp", "distill.student.family", "deepmd"),
    (FINETUNE, "train.config", {"backend": "pytorch"}, "finetune.train", {"settings_file": "train.json"}),
    (FINETUNE, "train.config.command", "dp", "finetune.train.settings_file", "train.json"),
    (FINETUNE, "train.template_script", ["train.json"], "finetune.train.settings_file", "train.json"),
    (FINETUNE, "train.template_script", {"loss": {}}, "finetune.train.settings_file", {"loss": {}}),
    (DISTIL, "train.template_script", "train.json", "distill.student.settings_file", "train.json"),
    (MATTERSIM, "train.config.epochs", ..., "finetune.train.epochs", 10),
    (MATTERSIM, "train.config.batch_size", 4, "finetune.train.batch_size", 4),
    (MATTERSIM, "train.config.lr", ..., "finetune.train.learning_rate", 2e-4),
    (MATTERSIM, "train.config.early_stop_patience", ..., "finetune.train.patience", 10),
    (MATTERSIM, "train.config.include_forces", False, "finetune.train.force_weight", 0.0),
    (MATTERSIM, "train.config.include_stresses", False, "finetune.train.stress_weight", 0.0),
    (MATTERSIM, "train.config.force_loss_ratio", 2.0, "finetune.train.force_weight", 2.0),
    (MATTERSIM, "train.config.stress_loss_ratio", 0.5, "finetune.train.stress_weight", 0.5),
    (MATTERSIM, "train.config.seed", 42, "seed", 42),
    # where steps run
    (SLURM, f"{EXECUTOR}.host", "other", "resources.cluster.host", "other"),
    (SLURM, f"{EXECUTOR}.username", "eve", "resources.cluster.user", "eve"),
    (SLURM, f"{EXECUTOR}.port", 2222, "resources.cluster.port", 2222),
    (SLURM, f"{EXECUTOR}.private_key_file", "k", "resources.cluster.key_file", "k"),
    (SLURM, f"{EXECUTOR}.remote_root", "/r", "resources.cluster.remote_folder", "/r"),
    (SLURM, f"{EXECUTOR}.queue_name", "gpu", "resources.label.queue", "gpu"),
    (SLURM, f"{EXECUTOR}.type", "dispatcher", "resources.label.engine", "hpc"),
    (SLURM, f"{EXECUTOR}.machine_dict.batch_type", "PBS", "resources.cluster.scheduler", "pbs"),
    (
        SLURM,
        f"{EXECUTOR}.machine_dict.context_type",
        "LazyLocalContext",
        "resources.cluster",
        {"scheduler": "slurm", "context": "shared"},
    ),
    (SLURM, f"{EXECUTOR}.resources_dict.number_node", 1, "resources.label.cores", 32),
    (SLURM, f"{EXECUTOR}.resources_dict.gpu_per_node", 2, "resources.label.gpus", 4),
    (SLURM, f"{EXECUTOR}.resources_dict.module_list", ["a", "b"], "resources.label.modules", ["a", "b"]),
    (SLURM, f"{EXECUTOR}.resources_dict.source_list", ["a", "b"], "resources.label.before", "source a && source b"),
    (
        SLURM,
        f"{EXECUTOR}.resources_dict.custom_flags",
        ["#SBATCH -A x"],
        "resources.label.directives",
        ["#SBATCH -A x"],
    ),
    (SLURM, f"{FP}.template_slice_config.group_size", 8, "resources.label.tasks_per_job", 8),
    (SLURM, f"{FP}.parallelism", 3, "resources.label.max_jobs", 3),
    (SLURM, f"{FP}.template_config", {"timeout": 3600}, "resources.label.walltime", 3600),
    (SLURM, f"{FP}.template_config", {"retry_on_transient_error": 4}, "resources.max_attempts", 5),
    (FINETUNE, f"{FP}.continue_on_success_ratio", 0.7, "finetune.label.min_success", 0.7),
    (FINETUNE, f"{FP}.continue_on_failed", True, "finetune.label.min_success", 0.0),
    (
        FINETUNE,
        "step_configs.run_train_config",
        SLURM["step_configs"]["run_fp_config"],
        "resources.train.engine",
        "hpc",
    ),
    (
        FINETUNE,
        "step_configs.run_explore_config",
        SLURM["step_configs"]["run_fp_config"],
        "resources.explore.engine",
        "hpc",
    ),
    (
        FINETUNE,
        "step_configs.select_confs_config",
        SLURM["step_configs"]["run_fp_config"],
        "resources.select.engine",
        "hpc",
    ),
    (
        FINETUNE,
        "step_configs.evaluate_config",
        SLURM["step_configs"]["run_fp_config"],
        "resources.predict.engine",
        "hpc",
    ),
    (DISTIL, "step_configs.run_fp_config", SLURM["step_configs"]["run_fp_config"], "resources.predict.engine", "hpc"),
    (BOHRIUM, "bohrium_config.project_id", 7, "resources.cluster.project", 7),
    (BOHRIUM, "bohrium_config.username", "bob", "argo.bohrium.username", "bob"),
    (BOHRIUM, "bohrium_config.host", "https://a", "argo.host", "https://a"),
    (BOHRIUM, "bohrium_config.k8s_api_server", "https://b", "argo.k8s_api_server", "https://b"),
    (BOHRIUM, "bohrium_config.repo_key", "r", "argo.s3.repo_key", "r"),
    (BOHRIUM, "step_configs.run_fp_config.template_config.image", "v:5", "resources.cluster.image", "v:5"),
    (BOHRIUM, "step_configs.run_train_config.template_config.image", "d:4", "argo.train.image", "d:4"),
    (BOHRIUM, "parallelism", 10, "argo.parallelism", 10),
    (
        BOHRIUM,
        "step_configs.run_explore_config.template_slice_config",
        {"group_size": 4, "pool_size": 2},
        "argo.explore.pool_size",
        2,
    ),
    (FINETUNE, "dflow_config", {"host": "https://argo:2746", "namespace": "n"}, "argo.namespace", "n"),
    (
        FINETUNE,
        "dflow_s3_config",
        {"endpoint": "s3:9000", "bucket_name": "b"},
        "argo.s3",
        {"endpoint": "s3:9000", "bucket": "b"},
    ),
    (FINETUNE, "default_step_config.template_config.image", "pfd:1", "argo.image", "pfd:1"),
]


@pytest.mark.parametrize(
    ("old", "key", "value", "today", "expected"), TRANSLATED, ids=[f"{row[1]} {row[3]}" for row in TRANSLATED]
)
def test_a_key_becomes_one_of_todays(old, key, value, today, expected, folder):
    content = convert(edited(old, key, value), folder, "old.json").content
    assert at(content, today) == expected
    text = commented_yaml(content, convert(edited(old, key, value), folder, "old.json").comments)
    assert yaml.safe_load(text) == content


# (an older input, key, value): the key is named among what has no effect
IGNORED = [
    (FINETUNE, "upload_python_packages", ["/my/pfd"]),
    (FINETUNE, "parallelism", 5),
    (FINETUNE, "task.init_ft", True),
    (FINETUNE, "task.init_train", True),
    (DISTIL, "task.init_fp", True),
    (FINETUNE, "inputs.init_fp_confs.confs_paths", ["POSCAR"]),
    (FINETUNE, "inputs.base_model_uri", "oss://model"),
    (DISTIL, "inputs.init_data_sys", ["set"]),
    (FINETUNE, "inputs.type_map", ["Si"]),
    (FINETUNE, "select_confs.h_filter.batch_size", 10),
    (FINETUNE, "select_confs.h_filter.chunk_size", 10),
    (FINETUNE, "select_confs.frame_filter.0.custom_safe_dist", {"Si": 2.0}),
    (FINETUNE, "select_confs.test_size", 0.3),
    (FINETUNE, "evaluate.max_sel", 30),
    (DISTIL, "evaluate.head", "x"),
    (FINETUNE, f"{GROUP}.tau_p", 300),
    (NVT, f"{GROUP}.press", [1]),
    (NVT, f"{GROUP}.tau_p", 300),
    (FINETUNE, f"{GROUP}.no_pbc", True),
    (FINETUNE, f"{GROUP}.colour", 3),
    (FINETUNE, "exploration.config.max_memory", 3),
    (CALYPSO, f"{GROUP}.ialgo", 1),
    (CALYPSO, f"{GROUP}.pso_ratio", 0.5),
    (CALYPSO, f"{GROUP}.conf_idx", [0]),
    (FINETUNE, "fp.extra_output_files", ["CHGCAR"]),
    (FINETUNE, "fp.run_config.log", "fp.log"),
    (FINETUNE, "fp.run_config.out", "data"),
    (FINETUNE, "fp.task_max", 100),
    (DISTIL, "fp.inputs_config", {"batch_size": 500}),
    (FINETUNE, "train.optional_files", ["x"]),
    (FINETUNE, "train.config.finetune_args", "--use-pretrain-script"),
    (FINETUNE, "train.config.train_args", "-v 3"),
    (FINETUNE, "train.config.mixed_type", True),
    (FINETUNE, "train.config.command", "/opt/dp"),
    (DISTIL, "train.config.impl", "pytorch"),
    (DISTIL, "train.config.head", "x"),
    (MATTERSIM, "train.config.cutoff", 5.0),
    (MATTERSIM, "train.config.threebody_cutoff", 4.0),
    (MATTERSIM, "train.config.re_normalize", True),
    (MATTERSIM, "train.template_script", "x.json"),
    (FINETUNE, "step_configs.prep_fp_config", {"executor": None}),
    (FINETUNE, "step_configs.prep_explore_config", {"executor": None}),
    (FINETUNE, "step_configs.collect_data_config", {"executor": None}),
    (FINETUNE, f"{FP}.template_slice_config.group_size", 5),
    (FINETUNE, f"{FP}.template_slice_config.pool_size", 5),
    (FINETUNE, f"{FP}.parallelism", 5),
    (FINETUNE, f"{FP}.continue_on_num_success", 5),
    (FINETUNE, "step_configs.run_explore_config.continue_on_success_ratio", 0.8),
    (SLURM, f"{EXECUTOR}.image_pull_policy", "Always"),
    (SLURM, f"{EXECUTOR}.resources_dict.para_deg", 2),
    (SLURM, f"{FP}.template_slice_config.pool_size", 2),
    (BOHRIUM, "bohrium_config.storage_client", "x"),
    (BOHRIUM, "step_configs.run_train_config.executor", BOHRIUM["step_configs"]["run_train_config"]["executor"]),
    (FINETUNE, "dflow_config", {"host": "https://argo:2746", "debug_workdir": "x"}),
]


@pytest.mark.parametrize(("old", "key", "value"), IGNORED, ids=[row[1] for row in IGNORED])
def test_what_has_no_effect_is_told_by_name(old, key, value, folder):
    notes = convert(edited(old, key, value), folder, "old.json").notes
    assert [note for note in notes if note.startswith(f"Without effect: {key}")], notes


# (an older input, key, value, words of the reason)
REFUSED = [
    (FINETUNE, "task.type", ..., "finetune or dist"),
    (FINETUNE, "task.type", "data_gen", "neither finetune nor dist"),
    (FINETUNE, "task.max_iter", "many", "a number is needed (found 'many')"),
    (FINETUNE, "conf_generation", {"init_confs": {}, "x": 1}, "before 0.10"),
    (FINETUNE, "inputs.base_model_path", ..., "missing"),
    (FINETUNE, "inputs.base_model_path", ["a", "b"], "2 models are named"),
    (FINETUNE, "inputs.init_confs.fmt", "deepmd/npy", "convert them"),
    (FINETUNE, "exploration.config.calculator", "emt", "no trained model"),
    (FINETUNE, "exploration.config.calculator", "x", "no model that is known"),
    (FINETUNE, "evaluate.head", "other", "two heads"),
    (FINETUNE, "exploration.type", "lmp", "neither ase nor calypso"),
    (FINETUNE, "exploration.stages", ..., "list of stages"),
    (FINETUNE, "exploration.config.device", "tpu", "neither cpu nor cuda"),
    (FINETUNE, f"{GROUP}.ens", "nve", "none of npt, nvt, lbfgs"),
    (FINETUNE, f"{GROUP}.temps", ..., "missing"),
    (FINETUNE, f"{GROUP}.press", ..., "npt needs"),
    (FINETUNE, f"{GROUP}.conf_idx", ..., "missing"),
    (FINETUNE, f"{GROUP}.conf_idx", [5], "there is no file 5"),
    (FINETUNE, f"{GROUP}.dt", 0, "greater than 0"),
    (FINETUNE, f"{GROUP}.n_sample", 0, "no number that is possible"),
    (CALYPSO, f"{GROUP}.vsc", True, "not offered"),
    (CALYPSO, f"{GROUP}.atomic_number", [13], "not the numbers of Si"),
    (CALYPSO, f"{GROUP}.numb_of_species", 2, "name_of_atoms has 1"),
    (CALYPSO, f"{GROUP}.name_of_atoms", ..., "as many symbols"),
    (CALYPSO, f"{GROUP}.distance_of_ions", [2.0], "matrix"),
    (FINETUNE, "select_confs.max_sel", ..., "missing"),
    (FINETUNE, "select_confs.frame_filter.0.type", "x", "none of distance"),
    (FINETUNE, "evaluate.test_size", 2, "between 0 and 1"),
    (FINETUNE, "evaluate.model", "mattersim", "one model here"),
    (FINETUNE, "evaluate.converge.type", ..., "missing"),
    (FINETUNE, "fp.type", "fpop_abacus", "neither vasp nor ase"),
    (FINETUNE, "fp.run_config.command", "ml vasp && vasp_std", "needs a shell"),
    (FINETUNE, "fp.inputs_config.incar", ..., "missing"),
    (FINETUNE, "fp.inputs_config.kspacing", ..., "missing"),
    (FINETUNE, "fp.inputs_config.kgamma", False, "centred at Gamma"),
    (FINETUNE, "fp.inputs_config.pp_files", {}, "missing"),
    (DISTIL, "fp.type", "vasp", "must be ase"),
    (DISTIL, "fp.run_config.model_style", "mattersim", "does not go with"),
    (FINETUNE, "train.type", ..., "missing"),
    (FINETUNE, "train.type", "mattersim", "does not go with"),
    (FINETUNE, "train.config.impl", "tensorflow", "by pytorch"),
    (FINETUNE, "train.template_script", ["a", "b"], "one input file"),
    (SLURM, f"{EXECUTOR}.type", "slurm", "the only kind"),
    (SLURM, f"{EXECUTOR}.machine_dict.batch_type", "Shell", "no queue"),
    (SLURM, f"{EXECUTOR}.remote_root", ..., "by ssh"),
    (BOHRIUM, "bohrium_config.project_id", ..., "needs it"),
    (BOHRIUM, "bohrium_config.username", ..., "needs it"),
]


@pytest.mark.parametrize(("old", "key", "value", "reason"), REFUSED, ids=[f"{row[1]} {row[3]}" for row in REFUSED])
def test_what_cannot_be_is_refused_with_its_key(old, key, value, reason, folder):
    with pytest.raises(SettingError) as told:
        convert(edited(old, key, value), folder, "old.json")
    lines = [line for line in str(told.value).splitlines() if reason in line]
    assert lines
    assert key.rsplit(".", 1)[0] in lines[0]


SECRETS = [
    ("bohrium_config.password", "BOHRIUM_PASSWORD"),
    ("bohrium_config.ticket", "BOHRIUM_TICKET"),
    ("dflow_s3_config.access_key", "DFLOW_S3_ACCESS_KEY"),
    ("dflow_s3_config.secret_key", "DFLOW_S3_SECRET_KEY"),
    ("dflow_config.token", "DFLOW_TOKEN"),
    (f"{EXECUTOR}.password", "PFD_SSH_PASSPHRASE"),
    (f"{EXECUTOR}.machine_dict.remote_profile.passphrase", "PFD_SSH_PASSPHRASE"),
    ("default_step_config.executor.machine_dict.remote_profile.password", "BOHRIUM_PASSWORD"),
]


@pytest.mark.parametrize(("key", "variable"), SECRETS)
def test_secrets_are_refused_and_not_repeated(key, variable, folder):
    old = edited(SLURM if key.startswith(EXECUTOR) else BOHRIUM, key, "hunter2")
    path = folder / "old.json"
    path.write_text(json.dumps(old))
    with pytest.raises(SettingError) as told:
        read_input(path)
    assert f"{key}: secrets do not stand in files" in str(told.value)
    assert variable in str(told.value)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_converts_and_loads(name, folder, monkeypatch):
    path, out = folder / "old.json", folder / "new.yaml"
    path.write_text(json.dumps(EXAMPLES[name]))
    assert is_older(EXAMPLES[name])
    convert_file(path, out)
    content = yaml.safe_load(out.read_text(encoding="utf-8"))
    for section, there in MERGED.items():
        if not there:  # what this version has no place for yet
            content.pop(section, None)
            content.get("resources", {}).pop(section, None)
    if not MERGED["cluster"]:
        content["resources"] = {
            key: {part: each for part, each in value.items() if part in {"cores", "device", "walltime"}}
            for key, value in content.get("resources", {}).items()
            if isinstance(value, dict)
        }
    out.write_text(yaml.safe_dump(content), encoding="utf-8")
    tree = read_input(out).input
    assert tree.name == EXAMPLES[name].get("name", "pfd")
    assert (tree.finetune is None) == (EXAMPLES[name]["task"]["type"] == "dist")


def test_the_physics_of_the_finetuning(folder):
    path = folder / "old.json"
    path.write_text(json.dumps(FINETUNE))
    resolved = read_input(path)
    (group,) = resolved.input.finetune.explore[0]
    assert (group.timestep_fs, group.steps, group.every, group.coupling) == (2.0, 2000, 10, 100.0)
    assert group.conditions() == [(1000.0, 1e-4), (1000.0, 0.1), (1000.0, 1.0)]
    assert group.equilibration == 0
    assert group.cell == "isotropic"
    label = resolved.labeler
    assert (label.method, label.command, label.kspacing_per_A) == ("vasp", "mpirun -n 16 vasp_std", 0.2)
    assert label.incar_file == folder / "INCAR.fp"
    assert label.potcars == {"Si": "POTCAR"}
    assert label.potcar_dir == folder
    assert resolved.input.resources.label.cores == 16
    assert "as many as fp.run_config.command starts processes" in read_given(path).text
    assert resolved.tuning.settings_file == {"learning_rate": {"type": "exp", "start_lr": 0.001}}
    assert resolved.input.finetune.converge.force_rmse_eV_per_A == 0.06


def test_relative_paths_follow_the_file(folder):
    content = convert(FINETUNE, folder, "old.json").content
    there = moved(content, folder, folder / "below" / "here")
    assert there["structures"][0]["file"] == "../../many.extxyz"
    assert there["teacher"]["model"] == "../../pretrained.pt"
    assert there["finetune"]["label"]["potcar_dir"] == "../.."
    assert there["finetune"]["label"]["potcars"] == {"Si": "POTCAR"}
    assert moved(content, folder, folder) == content


def test_a_file_that_is_there_is_not_overwritten(folder):
    path, out = folder / "old.json", folder / "new.yaml"
    path.write_text(json.dumps(FINETUNE))
    out.write_text("mine")
    with pytest.raises(SettingError, match="there already"):
        convert_file(path, out)
    assert out.read_text() == "mine"


def test_an_input_of_todays_is_not_converted(folder):
    path = folder / "new.yaml"
    path.write_text("name: a\nteacher: {family: toy, model: soft-copper}\n")
    with pytest.raises(SettingError, match="no input of PFD-kit"):
        convert_file(path, None)


def test_only_older_inputs_are_taken_for_one():
    shipped = sorted(Path(__file__).parents[3].glob("examples/*/input.yaml"))
    assert shipped
    assert not any(is_older(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in shipped)
    assert not is_older({"task": {}})


def test_the_page_names_every_key():
    page = (Path(__file__).parents[3] / "docs" / "older-input.md").read_text(encoding="utf-8")
    keys = {row[1].rsplit(".", 1)[-1] for row in [*TRANSLATED, *IGNORED]}
    others = {"colour", "max_memory", "task_max", "type_map"}
    missing = sorted(key for key in keys - others if not key.isdigit() and key not in page)
    assert missing == []
