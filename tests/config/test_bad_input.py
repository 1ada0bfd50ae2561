"""Every mistake in an input: one message that names file, key, mistake and mend; exit code 2; nothing is started."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ase import Atoms
from ase.build import bulk, fcc111

from pfd.cli import main as cli
from pfd.config.reading import read_input
from pfd.frames import Labels, with_labels, write_frames

MD = {"method": "md", "temperatures_K": [300], "timestep_fs": 2.0, "steps": 20, "every": 10}
GOOD = {
    "name": "bad",
    "teacher": {"family": "toy", "model": "soft-copper"},
    "structures": [{"file": "Cu.extxyz", "supercell": [2, 2, 2]}],
    "finetune": {
        "explore": [[MD]],
        "select": {"max_frames": 4},
        "label": {"method": "toy"},
        "converge": {"force_rmse_relative": 0.05},
        "max_iterations": 1,
    },
    "distill": {
        "student": {"family": "toy", "functions": 10},
        "explore": [[MD]],
        "converge": {"force_rmse_relative": 0.05},
        "max_iterations": 1,
    },
    "evaluate": {"test_frames": 1, "speed_atoms": 0},
}
GROUP = "finetune.explore.0.0"
POOL = {"method": "pool", "file": "pool.extxyz"}
POOL_OF_TEN = {"method": "pool", "file": "ten.extxyz"}
DROP = object()

MISTAKES = {
    # unknown keys, at every level
    "top": ({"finetun": {}}, ["finetun: unknown key", "did you mean 'finetune'"]),
    "teacher": ({"teacher.modell": "x"}, ["teacher.modell: unknown key", "'model'"]),
    "structure": ({"structures.0.supercel": [1, 1, 1]}, ["structures.0.supercel: unknown key", "'supercell'"]),
    "a reference without its source": (
        {"evaluate.properties": [{"kind": "elastic", "structure": "Cu.extxyz", "reference": {"C11_GPa": 170}}]},
        ["input.yaml: evaluate.properties.0.reference.source: missing; add source"],
    ),
    "a reference that is no number": (
        {
            "evaluate.properties": [
                {"kind": "elastic", "structure": "Cu.extxyz", "reference": {"C11_GPa": "x", "source": "y"}}
            ]
        },
        ["evaluate.properties.0.reference.C11_GPa: a number is needed"],
    ),
    "unit": (
        {"finetune.converge": {"force_rmse_meV_per_A": 100}},
        ["did you mean 'force_rmse_eV_per_A' (another unit: convert the number)?"],
    ),
    "unit of time": (
        {f"{GROUP}.timestep_ps": 0.001},
        ["did you mean 'timestep_fs' (another unit: convert the number)?"],
    ),
    "perturb": ({"structures.0.perturb": {"cout": 1}}, ["structures.0.perturb.cout: unknown key", "'count'"]),
    "data": ({"data": [{"file": "labelled.extxyz", "lables": {}}]}, ["data.0.lables: unknown key", "'labels'"]),
    "loop": ({"finetune.max_iteration": 3}, ["finetune.max_iteration: unknown key", "'max_iterations'"]),
    "group": ({f"{GROUP}.temperature_K": [300]}, [f"{GROUP}.temperature_K: unknown key", "'temperatures_K'"]),
    "group of distil": ({"distill.explore.0.0.step": 5}, ["distill.explore.0.0.step: unknown key", "'steps'"]),
    "stop": ({f"{GROUP}.stop": {"min_distanze": 0.4}}, [f"{GROUP}.stop.min_distanze: unknown key", "'min_distance'"]),
    "pool group": ({GROUP: POOL | {"fil": "x"}}, [f"{GROUP}.fil: unknown key", "'file'"]),
    "select": ({"finetune.select.max_frame": 3}, ["finetune.select.max_frame: unknown key", "'max_frames'"]),
    "gate": (
        {"finetune.select.gate": {"max_force": 3}},
        ["finetune.select.gate.max_force: unknown key", "'max_force_eV_per_A'"],
    ),
    "label": ({"finetune.label.constant_ev": 1.0}, ["finetune.label.constant_ev: unknown key", "'constant_eV'"]),
    "label, common": ({"finetune.label.max_totl": 3}, ["finetune.label.max_totl: unknown key", "'max_total'"]),
    "accept": (
        {"finetune.label.accept": {"max_force": 1}},
        ["finetune.label.accept.max_force: unknown key", "'max_force_eV_per_A'"],
    ),
    "train": ({"finetune.train": {"rigde": 1e-3}}, ["finetune.train.rigde: unknown key", "'ridge'"]),
    "train, common": (
        {"finetune.train": {"valid_frac": 0.1}},
        ["finetune.train.valid_frac: unknown key", "'valid_fraction'"],
    ),
    "student": ({"distill.student.function": 10}, ["distill.student.function: unknown key", "'functions'"]),
    "converge": ({"finetune.converge": {"force_rmse": 0.1}}, ["finetune.converge.force_rmse: unknown key", "'force_"]),
    "evaluate": ({"evaluate.test_frame": 3}, ["evaluate.test_frame: unknown key", "'test_frames'"]),
    "resources": ({"resources": {"lable": {}}}, ["resources.lable: unknown key", "'label'"]),
    "resources of a step": (
        {"resources": {"label": {"memory_Gb": 2}}},
        ["resources.label.memory_Gb: unknown key", "'memory_GB'"],
    ),
    # names that are none
    "method of a group": ({f"{GROUP}.method": "mdd"}, [f"{GROUP}.method", "'mdd'", "md", "pool"]),
    "no method in a group": ({f"{GROUP}.method": DROP}, [f"{GROUP}.method: missing", "md", "pool"]),
    "family": ({"teacher.family": "toyy"}, ["teacher.family", "'toyy'", "did you mean 'toy'"]),
    "idle trust": ({"teacher.trust_file": True}, ["teacher.trust_file", "never read", "leave it out"]),
    "idle trust of the labels": (
        {"finetune.label": {"method": "family", "family": "toy", "model": "soft-copper", "trust_file": True}},
        ["finetune.label.trust_file", "never read", "leave it out"],
    ),
    "labeler": ({"finetune.label.method": "tblit"}, ["finetune.label.method", "did you mean 'tblite'"]),
    "no labeler": ({"finetune.label": {}}, ["finetune.label.method", "missing"]),
    "student family": ({"distill.student.family": "podd"}, ["distill.student.family", "did you mean 'pod'"]),
    "no student family": ({"distill.student": {}}, ["distill.student.family", "missing"]),
    "student that cannot be fitted": ({"distill.student": {"family": "chgnet"}}, ["distill.student.family", "use pod"]),
    "teacher that cannot be tuned": ({"teacher.family": "pod"}, ["teacher.family", "'pod'", "cannot be fine-tuned"]),
    "select method": ({"finetune.select.method": "entropie"}, ["finetune.select.method", "'entropie'", "entropy"]),
    "label name": (
        {"data": [{"file": "labelled.extxyz", "labels": {"force": "f"}}]},
        ["data.0.labels.force", "forces"],
    ),
    "weights": ({"teacher.model": "hard-copper"}, ["teacher.model", "'hard-copper'", "soft-copper"]),
    # wrong types and values
    "text for a number": ({f"{GROUP}.steps": "many"}, [f"{GROUP}.steps", "'many'", "integer"]),
    "number for a list": ({f"{GROUP}.temperatures_K": 300}, [f"{GROUP}.temperatures_K", "300", "[300]"]),
    "list for a section": ({"teacher": ["toy"]}, ["teacher", "section"]),
    "text for a section": ({"finetune": "yes"}, ["finetune", "'yes'", "section"]),
    "null top section": ({"teacher": None}, ["teacher", "empty"]),
    "null select": ({"finetune.select": None}, ["finetune.select", "empty"]),
    "null label": ({"finetune.label": None}, ["finetune.label", "empty"]),
    "null explore": ({"finetune.explore": None}, ["finetune.explore", "empty"]),
    "null group": ({GROUP: None}, [GROUP, "empty"]),
    "no stage": ({"finetune.explore": []}, ["finetune.explore", "at least one stage"]),
    "empty stage": ({"finetune.explore": [[]]}, ["finetune.explore", "at least one"]),
    "bool for a count": ({"finetune.select.max_frames": True}, ["finetune.select.max_frames", "true", "number"]),
    "bool for a length": ({f"{GROUP}.timestep_fs": True}, [f"{GROUP}.timestep_fs", "true", "number"]),
    "bool for a plug-in's number": (
        {"finetune.label.constant_eV": True},
        ["finetune.label.constant_eV", "true", "number"],
    ),
    "bool for the seed": ({"seed": True}, ["seed", "true", "number"]),
    "bool in a list": ({f"{GROUP}.temperatures_K": [True]}, [f"{GROUP}.temperatures_K.0", "true", "number"]),
    "fraction for a count": ({f"{GROUP}.steps": 10.5}, [f"{GROUP}.steps", "10.5", "integer"]),
    "name with a slash": ({"name": "a/b"}, ["name", "'a/b'", "letters, digits"]),
    "name that leads elsewhere": ({"name": ".."}, ["name", "'..'", "letters, digits"]),
    "no name": ({"name": DROP}, ["name: missing"]),
    "nothing to do": ({"finetune": DROP, "distill": DROP}, ["nothing to do", "finetune"]),
    "budget of labels 0": ({"finetune.label.max_total": 0}, ["finetune.label.max_total", "greater than or equal to 1"]),
    "budget of frames 0": ({"finetune.select.max_frames": 0}, ["finetune.select.max_frames", "or equal to 1"]),
    "budget of hours 0": ({"finetune.label.max_core_hours": 0}, ["finetune.label.max_core_hours", "greater than 0"]),
    "no iteration": ({"finetune.max_iterations": 0}, ["finetune.max_iterations", "or equal to 1"]),
    "min_success 2": ({"finetune.label.min_success": 2}, ["finetune.label.min_success", "less than or equal to 1"]),
    "negative steps": ({f"{GROUP}.steps": -5}, [f"{GROUP}.steps", "-5", "greater than or equal to 1"]),
    "negative temperature": ({f"{GROUP}.temperatures_K": [-3]}, [f"{GROUP}.temperatures_K.0", "greater than 0"]),
    "not a number": ({f"{GROUP}.temperatures_K": [float("nan")]}, [f"{GROUP}.temperatures_K.0", "finite"]),
    "endless": ({f"{GROUP}.coupling_fs": float("inf")}, [f"{GROUP}.coupling_fs", "finite"]),
    "no frame kept": ({f"{GROUP}.every": 100}, [GROUP, "no frame is kept", "raise steps or lower every"]),
    "all frames for validation": (
        {"finetune.train": {"valid_fraction": 1.0}},
        ["finetune.train.valid_fraction", "less than 1"],
    ),
    "all teacher's frames for validation": ({"distill.valid_fraction": 1.0}, ["distill.valid_fraction", "less than 1"]),
    "all of a pool for tests": ({"evaluate.pool_test_fraction": 1.0}, ["evaluate.pool_test_fraction", "less than 1"]),
    "a pool of one for tests": (
        {GROUP: POOL | {"file": "one.extxyz"}},
        ["evaluate.pool_test_fraction", "one.extxyz", "no training frame", "two frames at least"],
    ),
    "no limit": ({"finetune.converge": {}}, ["finetune.converge", "at least one limit"]),
    "walltime": ({"resources": {"label": {"walltime": "soon"}}}, ["resources.label.walltime", "'soon'", "2h"]),
    "no such structure": ({f"{GROUP}.structures": [7]}, [f"{GROUP}.structures", "no structure 7"]),
    "student while fine-tuning": ({f"{GROUP}.with": "student"}, [f"{GROUP}.with", "no student"]),
    "pressure without npt": ({f"{GROUP}.pressures_GPa": [1.0]}, [GROUP, "npt only"]),
    # files
    "no structure file": ({"structures.0.file": "Ag.cif"}, ["structures.0.file", "no such file", "Ag.cif"]),
    "a folder for a structure": ({"structures.0.file": "folder"}, ["structures.0.file", "folder"]),
    "empty structure file": ({"structures.0.file": "empty.cif"}, ["structures.0.file", "empty.cif", "empty"]),
    "binary structure file": ({"structures.0.file": "binary.cif"}, ["structures.0.file", "binary.cif", "not readable"]),
    "no structure for MD": ({"structures": DROP}, [GROUP, "structures"]),
    "no pool file": ({GROUP: POOL | {"file": "nowhere.xyz"}}, [f"{GROUP}.file", "no such file"]),
    "empty pool": ({GROUP: POOL | {"file": "empty.extxyz"}}, [f"{GROUP}.file", "no frame"]),
    "no labelled file": ({"data": [{"file": "nowhere.xyz"}]}, ["data.0.file", "no such file"]),
    "no labels at all": ({"data": [{"file": "Cu.extxyz"}]}, ["data.0.file", "label"]),
    "no forces": ({"data": [{"file": "energies.extxyz"}]}, ["data.0.file", "no forces", "labels: {"]),
    "wrong key of labels": (
        {"data": [{"file": "labelled.extxyz", "labels": {"forces": "dft_forces"}}]},
        ["data.0.file", "'dft_forces'", "the frame has", "energy"],
    ),
    "no test file": ({"evaluate.test_file": "nowhere.xyz"}, ["evaluate.test_file", "no such file"]),
    "test file without labels": (
        {"evaluate.test_file": "Cu.extxyz"},
        ["evaluate.test_file", "carries energy or forces"],
    ),
    # what the model does not know: adopted into a temporary folder to read its card
    "element": ({"structures.0.file": "Al.extxyz"}, ["structures", "does not know Al", "'soft-copper'"]),
    "element in data": ({"data": [{"file": "aluminium.extxyz"}]}, ["data", "does not know Al", "'soft-copper'"]),
    "element in a pool": ({GROUP: POOL | {"file": "aluminium.extxyz"}}, ["explore", "does not know Al"]),
    "head": ({"teacher.head": "pbe"}, ["teacher", "no head 'pbe'"]),
    "broken checkpoint": ({"teacher.model": "empty.cif"}, ["teacher", "no toy model", "soft-copper"]),
    "nothing can move": (
        {"structures.0": {"file": "primitive.extxyz"}},
        [GROUP, "nothing can move", "supercell"],
    ),
    "number for a name": ({"teacher.model": 0.3}, ["teacher.model", "0.3", "quotes"]),
    # explorers
    "rattle with the key of md": (
        {GROUP: {"method": "rattle", "temperatures_K": [300], "steps": 5}},
        [f"{GROUP}.steps: unknown key"],
    ),
    "a key two letters off": (
        {GROUP: {"method": "relax", "displacement": 0.1}},
        [f"{GROUP}.displacement: unknown key", "'displacement_A'"],
    ),
    "random search of what is no element": (
        {GROUP: {"method": "random", "formulas": ["Xy2"]}},
        [f"{GROUP}.formulas", "Xy", "no element"],
    ),
    "random search of an unknown element": (
        {GROUP: {"method": "random", "formulas": ["Cu2Au2"]}},
        [f"{GROUP}.formulas", "does not know Au"],
    ),
    "random search without room": (
        {GROUP: {"method": "random", "formulas": ["Cu8"], "volume_factor": [0.5, 0.5], "min_distance": 1.5}},
        [f"{GROUP}.formulas", "found no room", "volume_factor"],
    ),
    "swaps in one element": (
        {GROUP: {"method": "swap", "temperatures_K": [300], "steps": 20}},
        [f"{GROUP}.structures", "no two elements", "method: md"],
    ),
    "relaxing the cell of a slab": (
        {GROUP: {"method": "relax", "cell": "full"}, "structures.0": {"file": "slab.extxyz"}},
        [f"{GROUP}.cell", "bulk", "fixed"],
    ),
    "LAMMPS without a pair style": (
        {GROUP: MD | {"method": "lammps"}},
        [GROUP, "'toy' have no pair style", "method: md"],
    ),
    "annealing at constant pressure without LAMMPS": (
        {GROUP: {"method": "anneal", "ramp_K": [300, 900], "steps": 20, "ensemble": "npt"}},
        [GROUP, "'toy' have no pair style", "nvt"],
    ),
    "a ramp of one temperature": (
        {GROUP: {"method": "anneal", "ramp_K": [300], "steps": 20}},
        [f"{GROUP}.ramp_K", "at least 2"],
    ),
    # physics that cannot be
    "npt of a slab": (
        {f"{GROUP}.ensemble": "npt", "structures.0": {"file": "slab.extxyz"}},
        [f"{GROUP}.ensemble", "vacuum", "nvt"],
    ),
    "npt of a cluster": (
        {f"{GROUP}.ensemble": "npt", "structures.0": {"file": "cluster.extxyz"}},
        [f"{GROUP}.ensemble", "periodic", "nvt"],
    ),
    "supercell of a cluster": (
        {"structures.0.file": "cluster.extxyz"},
        ["structures.0", "supercell [2, 2, 2] does not fit"],
    ),
    "charge": ({"structures.0.file": "charged.extxyz"}, ["teacher.family", "cannot honour charge", "'toy'"]),
    "spin": ({"structures.0.file": "spin.extxyz"}, ["teacher.family", "cannot honour spin", "'toy'"]),
    "charge in data": ({"data": [{"file": "ion.extxyz"}]}, ["data.0.file", "'toy' cannot honour charge"]),
    "charge in the test file": (
        {"evaluate.test_file": "ion.extxyz"},
        ["evaluate.test_file", "'toy' cannot honour charge"],
    ),
    # what the student will not know, or cannot do in LAMMPS
    "element in the test file": (
        {"evaluate.test_file": "aluminium.extxyz"},
        ["evaluate.test_file", "does not know Al", "'soft-copper'"],
    ),
    # levels of theory
    "level of data that its frames name": (
        {"data": [{"file": "pbe.extxyz"}]},
        ["data.0.file", "labels of 'PBE' (first in frame 0) cannot be trained on beside labels of 'toy Morse"],
    ),
    "level of data that the input names": (
        {"data": [{"file": "labelled.extxyz", "level_of_theory": "PBE"}]},
        ["data.0.level_of_theory", "'PBE'", "'toy Morse"],
    ),
    # budgets that cannot work
    "fewer frames than conditions": (
        {f"{GROUP}.temperatures_K": [300, 400, 500, 600, 700]},
        ["finetune.select.max_frames", "4 frames for the 5 conditions", "5 is the smallest that works"],
    ),
    "fewer frames than temperatures x pressures": (
        {
            f"{GROUP}.ensemble": "npt",
            f"{GROUP}.temperatures_K": [300, 400],
            f"{GROUP}.pressures_GPa": [0, 1, 2],
        },
        ["finetune.select.max_frames", "4 frames for the 6 conditions", "6 is the smallest that works"],
    ),
    "fewer labels than the test set": (
        {"finetune.label.max_total": 2, f"{GROUP}.temperatures_K": [300, 400]},
        ["finetune.label.max_total", "2 labels for 2 test frames", "4 is the smallest that works"],
    ),
    "fewer labels than the starting frames": (
        {"finetune.label.max_total": 2, "finetune.initial": "label"},
        [
            "finetune.label.max_total",
            "2 labels for 1 test frame and 1 starting frame and",
            "3 is the smallest that works",
        ],
    ),
    # options without effect
    "coupling of nve": (
        {f"{GROUP}.ensemble": "nve", f"{GROUP}.coupling_fs": 50.0},
        [GROUP, "coupling_fs", "nve has none"],
    ),
    "a temperature twice": ({f"{GROUP}.temperatures_K": [300, 300.0]}, [GROUP, "temperatures_K holds 300 twice"]),
    "a pressure twice": (
        {f"{GROUP}.ensemble": "npt", f"{GROUP}.pressures_GPa": [1, 1]},
        [GROUP, "pressures_GPa holds 1 twice"],
    ),
    "a structure twice": ({f"{GROUP}.structures": [0, 0]}, [GROUP, "structures holds 0 twice"]),
    "labels of no test file": ({"evaluate.test_labels": {"energy": "E"}}, ["evaluate", "test_labels", "test_file"]),
    "hotter pools": (
        {"distill.explore": [[POOL_OF_TEN]], "distill.hotter": 2.0},
        ["distill.hotter", "without effect", "explores without"],
    ),
    "longer pools": (
        {"distill.explore": [[POOL_OF_TEN]], "distill.own_md_factor": 3},
        ["distill.own_md_factor", "without effect", "explores without"],
    ),
    "labels of no fine-tuning": (
        {"finetune": DROP, "distill.label_times": 5},
        ["distill.label_times", "without effect", "nothing is fine-tuned"],
    ),
    "labels too often": ({"distill.label_times": 1000}, ["distill.label_times", "100"]),
    "fraction of no pool": ({"evaluate.pool_test_fraction": 0.3}, ["evaluate.pool_test_fraction", "no pool"]),
    "min_success of labels": (
        {"resources": {"label": {"min_success": 0.5}}},
        ["resources.label.min_success: unknown key"],
    ),
    "min_success of training": (
        {"resources": {"train": {"min_success": 0.5}}},
        ["resources.train.min_success: unknown key"],
    ),
    "min_success of none": ({"resources": {"explore": {"min_success": 0}}}, ["resources.explore.min_success", "0"]),
    "min_success of a teacher that labels nothing": (
        {"distill": DROP, "resources": {"predict": {"min_success": 0.5}}},
        ["resources.predict.min_success", "without effect", "nothing is distilled"],
    ),
    "resources of no labels": (
        {"finetune": DROP, "resources": {"label": {"cores": 2}}},
        ["resources.label", "without effect"],
    ),
    "shape of no copies": (
        {"structures.0.perturb": {"displacement_A": 0.2, "strain": 0.1}},
        ["structures.0.perturb", "displacement_A and strain", "add count"],
    ),
    "style of no displacement": (
        {"structures.0.perturb": {"count": 1, "displacement_A": 0, "style": "const"}},
        ["structures.0.perturb", "style shape the displacements"],
    ),
    "bandwidth of random": (
        {"finetune.select.method": "random", "finetune.select.bandwidth_per_A": 0.1},
        ["finetune.select", "bandwidth_per_A", "without effect in method random"],
    ),
    "gain of farthest": (
        {"finetune.select.method": "farthest", "finetune.select.min_gain_nats": 0.0},
        ["finetune.select", "min_gain_nats", "without effect in method farthest"],
    ),
    "steps and epochs": (
        {"teacher": {"family": "chgnet", "model": "0.3.0"}, "finetune.train": {"steps": 5, "epochs": 3}},
        ["finetune.train", "steps take the place of epochs"],
    ),
    "size and basis": (
        {
            "distill.student": {
                "family": "pod",
                "size": "S",
                "basis": {"radial": [8, 5, 5, 5, 4, 4], "angular": [4, 4, 4, 3, 3]},
            }
        },
        ["distill.student", "basis takes the place of size"],
    ),
    "labels of no structure": (
        {"structures": DROP, "finetune.initial": "label", "finetune.explore": [[POOL_OF_TEN]], "distill": DROP},
        ["finetune.initial", "no structures to label"],
    ),
    "no fraction of a pool": (
        {GROUP: POOL_OF_TEN, "evaluate.pool_test_fraction": 0},
        ["evaluate.pool_test_fraction", "greater than 0"],
    ),
    # files that are cut or garbled
    "cut vasprun": ({"structures.0.file": "cut.vasprun.xml"}, ["structures.0.file", "not readable", "complete"]),
    "cut vasprun as data": ({"data": [{"file": "cut.vasprun.xml"}]}, ["data.0.file", "not readable"]),
    "types that are no numbers": ({"data": [{"file": "types"}]}, ["data.0.file", "whole number per atom"]),
    # what a newcomer writes
    "supercell as one number": (
        {"structures.0.supercell": 2},
        ["a list is needed (found 2); write supercell: [2, 2, 2]"],
    ),
    "supercell of one": ({"structures.0.supercell": [2]}, ["structures.0.supercell: 3 entries are needed (found 1)"]),
    "supercell of four": ({"structures.0.supercell": [2, 2, 2, 2]}, ["supercell: 3 entries are needed (found 4)"]),
    "no temperature": ({f"{GROUP}.temperatures_K": []}, ["temperatures_K: at least 1 entry is needed (found 0)"]),
    "a number in quotes for a list": (
        {f"{GROUP}.temperatures_K": "300"},
        ["write temperatures_K: [300]"],
    ),
    "a key outside of its sections": (
        {"max_frames": 3},
        ["max_frames: unknown key; did you mean finetune.select.max_frames?"],
    ),
    "structures as a list of names": ({"structures": ["POSCAR"]}, ["write structures: [{file: POSCAR}]"]),
    "structures as one section": ({"structures": {"file": "x"}}, ["a section of keys); write structures: [{file: x}]"]),
    "structures as a name": ({"structures": "POSCAR"}, ["write structures: [{file: POSCAR}]"]),
    "the second structure as a name": (
        {"structures": [{"file": "Cu.extxyz"}, "x"]},
        ["structures.1", "write {file: x}"],
    ),
    "teacher as a name": ({"teacher": "chgnet"}, ["write teacher: {family: ..., model: ...}"]),
    "labeler as a name": ({"finetune.label": "toy"}, ["write label: {method: toy, ...}"]),
    "student as a name": ({"distill.student": "pod"}, ["write student: {family: pod, ...}"]),
    "explore as a name": (
        {"finetune.explore": "md"},
        ["finetune.explore: a list is needed", "explore: {method: md, ...}"],
    ),
    "method misspelt": ({"finetune.select.method": "farthes"}, ["did you mean 'farthest'? write 'entropy', 'random'"]),
    "two near keys": (
        {"finetune.converge": {"force_rmse": 0.1}},
        ["did you mean 'force_rmse_eV_per_A' or 'force_rmse_relative'?"],
    ),
    "labeler of another version": ({"finetune.label.method": "siesta"}, ["there are: abacus", "has no others"]),
    "family of another version": ({"teacher.family": "orb"}, ["there are: ace, chgnet", "this version has no others"]),
    "supercell without a cell": ({"structures.0.file": "cluster.extxyz"}, ["does not fit: the file has no cell"]),
    "per cent for a fraction": (
        {"finetune.converge": {"force_rmse_relative": 10}},
        ["finetune.converge.force_rmse_relative: 10 would be 1000 %: it is a fraction, and 10 % is 0.1"],
    ),
    "displacement beyond the neighbours": (
        {"structures.0.perturb": {"count": 2, "displacement_A": 1.5}},
        ["structures.0.perturb.displacement_A", "1.5 Å is more than half the shortest distance", "2.55 Å", "Cu32"],
    ),
    "more cores than there are": (
        {"resources": {"cores": 2, "explore": {"cores": 3}}},
        ["resources.explore.cores: 3 cores for a task, and resources.cores allows 2", "at most 2"],
    ),
    "an element that the toy labeler takes for copper": (
        {"finetune.explore": [[MD]], "teacher.model": "silver.json", "structures.0.file": "Ag.extxyz"},
        ["finetune.label.method: the labeler 'toy' does not know Ag", "Cu only"],
    ),
    "partial periodicity": ({"structures.0": {"file": "slab.extxyz"}}, ["finetune.label.method", "partial_pbc"]),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with good and bad files beside the input; the working folder is an empty one below it."""
    copper = bulk("Cu", cubic=True)
    labels = Labels(-1.0, 0.0 * copper.positions, None, "")
    slab = fcc111("Cu", (2, 2, 3), vacuum=8.0)
    charged, spin = copper.copy(), copper.copy()
    charged.info["charge"], spin.info["spin"] = 1, 3
    sets = {
        "Cu": copper,
        "one": with_labels(copper, labels),
        "pool": copper,
        "labelled": with_labels(copper, labels),
        "energies": with_labels(copper, Labels(-1.0)),
        "slab": slab,
        "cluster": Atoms("Cu2", positions=[[0, 0, 0], [2.4, 0, 0]]),
        "charged": charged,
        "spin": spin,
        "Al": bulk("Al", cubic=True),
        "Ag": bulk("Ag", cubic=True),
        "primitive": bulk("Cu"),
    }
    for name, frame in sets.items():
        write_frames(tmp_path / f"{name}.extxyz", [frame])
    ion = with_labels(charged, labels)
    pbe = with_labels(copper, Labels(-1.0, 0.0 * copper.positions, None, "PBE"))
    write_frames(tmp_path / "ion.extxyz", [ion])
    write_frames(tmp_path / "pbe.extxyz", [pbe])
    write_frames(tmp_path / "ten.extxyz", [with_labels(copper, labels)] * 10)
    silver = {"elements": ["Ag"], "functions": 2, "coefficients": [0.0, 0.0], "constants_eV": {}}
    (tmp_path / "silver.json").write_text(json.dumps(silver))
    (tmp_path / "cut.vasprun.xml").write_text('<?xml version="1.0"?>\n<modeling>\n <generator>')
    (tmp_path / "types").mkdir()
    (tmp_path / "types" / "type.raw").write_text("0 0.5")
    (tmp_path / "types" / "type_map.raw").write_text("Cu")
    aluminium = with_labels(bulk("Al", cubic=True), labels)
    write_frames(tmp_path / "aluminium.extxyz", [aluminium] * 10)
    (tmp_path / "empty.cif").touch()
    (tmp_path / "empty.extxyz").touch()
    (tmp_path / "binary.cif").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "folder").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def edited(edits: dict) -> dict:
    """The good input with some values set or dropped, named by dotted paths."""
    tree = copy.deepcopy(GOOD)
    for path, value in edits.items():
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place = tree
        for part in parents:
            place = place[part]
        if value is DROP:
            del place[last]
        else:
            place[last] = value
    return tree


def submit(path: Path, monkeypatch: pytest.MonkeyPatch, command: str = "submit") -> int:
    """The exit code of a command on an input file, in this process."""
    monkeypatch.setattr(sys, "argv", ["pfd", command, str(path)])
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ending:
            cli.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    return ending.value.code


def refused(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> str:
    """What is said of an input that must be refused before anything is started."""
    assert submit(path, monkeypatch) == 2
    message = capsys.readouterr().err
    assert path.name in message
    assert "Traceback" not in message
    assert not any((path.parent / "here").iterdir()), "something was started"
    return message


def test_the_good_input_is_good(folder, monkeypatch, capsys):
    path = folder / "input.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    monkeypatch.setattr(sys, "argv", ["pfd", "check", str(path)])
    cli.app(standalone_mode=False)
    assert "no mistake found" in capsys.readouterr().out


@pytest.mark.parametrize("name", MISTAKES)
def test_one_mistake_one_message(name, folder, monkeypatch, capsys):
    edits, expected = MISTAKES[name]
    path = folder / "input.yaml"
    path.write_text(yaml.safe_dump(edited(edits)))
    message = refused(path, monkeypatch, capsys)
    for text in expected:
        assert text in message


def test_a_misspelt_key_that_is_needed_is_one_mistake(folder, monkeypatch, capsys):
    path = folder / "input.yaml"
    group = {"temperature_K" if key == "temperatures_K" else key: value for key, value in MD.items()}
    path.write_text(yaml.safe_dump(edited({"finetune.explore": group})))
    message = refused(path, monkeypatch, capsys)
    assert "finetune.explore.temperature_K: unknown key; did you mean 'temperatures_K'?" in message
    assert "missing" not in message
    assert "mistakes" not in message


def test_a_key_that_is_missing_beside_an_unknown_one_is_told(folder, monkeypatch, capsys):
    path = folder / "input.yaml"
    path.write_text(yaml.safe_dump(edited({f"{GROUP}.temperatures_K": DROP, f"{GROUP}.colour": 3})))
    message = refused(path, monkeypatch, capsys)
    assert "colour: unknown key" in message
    assert "temperatures_K: missing" in message


def test_no_word_of_pydantic_reaches_the_user(folder, monkeypatch, capsys):
    path = folder / "input.yaml"
    edits = {f"{GROUP}.temperatures_K": [], f"{GROUP}.steps": 1.5, f"{GROUP}.every": "x", "evaluate.scratch_student": 3}
    path.write_text(yaml.safe_dump(edited(edits | {"seed": -1, "structures.0.supercell": [1], "name": 5})))
    message = refused(path, monkeypatch, capsys)
    assert not [word for word in ("Input", "validation", "Tuple", "parse", "valid ", "should") if word in message]


def test_all_mistakes_of_a_file_are_told_at_once(folder, monkeypatch, capsys):
    path = folder / "input.yaml"
    path.write_text(yaml.safe_dump(edited({"seed": -1, "finetune.max_iteration": 3, f"{GROUP}.steps": -5})))
    message = refused(path, monkeypatch, capsys)
    assert all(key in message for key in ("seed", "finetune.max_iteration", f"{GROUP}.steps"))


FILES = {
    "key twice": (b"name: a\nname: b\n", ["line 2", "'name'", "twice"]),
    "key twice below": (b"teacher:\n  family: toy\n  family: pod\n", ["line 3", "'family'", "twice"]),
    "tab": (b"name: a\nteacher:\n\tfamily: toy\n", ["line 3", "spaces"]),
    "not closed": (b"name: [a\nteacher: {}\n", ["line 2", "not readable"]),
    "binary": (bytes(range(256)), ["not UTF-8"]),
    "zero byte": (b"name: a\x00b\n", ["not readable"]),
    "empty": (b"", ["no keys", "name:"]),
    "comment only": (b"# nothing\n", ["no keys"]),
    "list": (b"- name: a\n- teacher: b\n", ["list", "name:"]),
    "text": (b"hello\n", ["no keys"]),
    "two documents": (b"name: a\n---\nname: b\n", ["line 2", "document"]),
    "number as key": (b"name: a\n1: 2\n", ["1", "text"]),
    "list as key": (b"name: a\n? [1, 2]\n: b\n", ["line 2"]),
    "python object": (b"name: !!python/object/apply:os.getcwd []\n", ["line 1", "python/object"]),
    "large": (b"# " + b"x" * 5_000_001, ["5 MB"]),
    "alias of itself": (b"name: a\nteacher: &a\n  family: *a\n", ["alias"]),
    "alias bomb": (
        b"a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + b"".join(
            b"%c: &%c [%s]\n" % (c + 1, c + 1, b", ".join([b"*" + bytes([c])] * 10)) for c in range(ord("a"), ord("j"))
        ),
        ["alias"],
    ),
    "deep": (b"name: " + b"[" * 5000 + b"]" * 5000, ["nested"]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_input(name, folder, monkeypatch, capsys):
    content, expected = FILES[name]
    path = folder / "input.yaml"
    path.write_bytes(content)
    message = refused(path, monkeypatch, capsys)
    assert len(message) < 2000
    for text in expected:
        assert text in message


def test_json_with_a_key_twice(folder, monkeypatch, capsys):
    path = folder / "input.json"
    path.write_text('{"name": "a", "name": "b"}')
    assert "'name' stands twice" in refused(path, monkeypatch, capsys)


def test_broken_json_names_the_line(folder, monkeypatch, capsys):
    path = folder / "input.json"
    path.write_text('{"name": "a",\n "seed": }')
    assert "line 2" in refused(path, monkeypatch, capsys)


def test_no_such_input(folder, monkeypatch, capsys):
    assert "no such file" in refused(folder / "missing.yaml", monkeypatch, capsys)


def test_mistakes_of_all_sections_are_told_at_once(folder, monkeypatch, capsys):
    path = folder / "input.yaml"
    edits = {"seed": -1, "finetune.label": {"method": "toy", "delay": 1, "max_totl": 3}, "finetune.train": {"rigde": 1}}
    path.write_text(yaml.safe_dump(edited(edits | {"distill.student": {"family": "toy", "functions": 1}})))
    message = refused(path, monkeypatch, capsys)
    keys = ["seed", "finetune.label.delay", "finetune.label.max_totl", "finetune.train.rigde", "student.functions"]
    assert all(key in message for key in keys)
    assert "5 mistakes" in message


def test_short_forms_are_checked_too(folder, monkeypatch, capsys):
    path = folder / "input.yaml"
    path.write_text(yaml.safe_dump(edited({"finetune.explore": MD | {"every": True}, "distill.explore": [MD]})))
    message = refused(path, monkeypatch, capsys)
    assert "finetune.explore.every: a number is needed (found true" in message  # as far as it was written
    path.write_text(yaml.safe_dump(edited({"finetune.explore": [MD, MD | {"stpes": 1}], "distill.explore": MD})))
    assert "finetune.explore.1.stpes: unknown key" in refused(path, monkeypatch, capsys)
    path.write_text(yaml.safe_dump(edited({"finetune.explore": MD | {"structures": [7]}})))
    assert "finetune.explore.structures: " in refused(path, monkeypatch, capsys)


def test_aliases_may_share_a_section(folder):
    path = folder / "input.yaml"
    path.write_text("""
name: shared
teacher: {family: toy, model: soft-copper}
structures: [{file: Cu.extxyz}]
finetune:
  explore: &hot [[{method: md, temperatures_K: [300], steps: 20}]]
  label: {method: toy}
  converge: &limit {force_rmse_relative: 0.1}
distill:
  student: {family: toy}
  explore: *hot
  converge: {<<: *limit, energy_rmse_meV_per_atom: 5}
""")
    tree = read_input(path).input
    assert tree.finetune.explore == tree.distill.explore
    assert tree.distill.converge.force_rmse_relative == 0.1


def test_numbers_that_yaml_takes_for_text_are_numbers(folder):
    path = folder / "input.yaml"
    path.write_text(yaml.safe_dump(edited({"finetune.train": {"ridge": "1e-3"}})))
    assert read_input(path).tuning.ridge == 1e-3


def test_the_real_command_line_says_the_same(folder):
    path = folder / "input.yaml"
    path.write_text(yaml.safe_dump(edited({"finetune.max_iteration": 3})))
    command = [sys.executable, "-m", "pfd.cli.main", "submit", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"})
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "input.yaml: finetune.max_iteration: unknown key; did you mean 'max_iterations'?" in done.stderr
    assert not any((folder / "here").iterdir())
