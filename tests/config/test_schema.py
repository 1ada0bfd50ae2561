"""The schema knows every key that the reader takes, and refuses what the reader refuses."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from tests.config.test_bad_input import DROP, GOOD, GROUP, MD, edited
from tests.config.test_reference import ours

from pfd.config.schema import input_schema
from pfd.config.sections import DistillSettings

ROOT = Path(__file__).parents[2]
BESIDE_EXAMPLES = ROOT / "examples" / "pfd.schema.json"
README = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def schema():
    return input_schema()


@pytest.fixture(scope="module")
def found(schema):
    """The mistakes that the schema finds in a raw tree."""
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    return lambda tree: [error.message for error in validator.iter_errors(tree)]


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/input.yaml")), ids=lambda path: path.parent.name)
def test_editors_find_the_schema_of_the_examples(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.partition("=")[2]).resolve() == BESIDE_EXAMPLES


def test_the_schema_beside_the_examples_is_up_to_date():
    there = json.loads(BESIDE_EXAMPLES.read_text(encoding="utf-8"))
    assert there == input_schema(ours), "run: pfd schema > examples/pfd.schema.json"


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/input.yaml")), ids=lambda path: path.parent.name)
def test_the_examples_are_valid(path, found):
    assert found(yaml.safe_load(path.read_text(encoding="utf-8"))) == []


def test_the_example_of_the_readme_is_valid(found):
    inputs = [tree for text in README if "teacher" in (tree := yaml.safe_load(text))]
    assert inputs
    assert all(found(tree) == [] for tree in inputs)


GROUPS = {
    "lammps": MD | {"method": "lammps"},
    "rattle": {"method": "rattle", "temperatures_K": [300], "frames": 5},
    "relax": {"method": "relax", "cell": "full", "pressures_GPa": [0, 5]},
    "anneal": {"method": "anneal", "ramp_K": [3000, 300], "steps": 100},
    "swap": {"method": "swap", "temperatures_K": [900], "steps": 100, "swap_every": 5},
    "random": {"method": "random", "formulas": ["Cu4"], "volume_factor": [1.2, 2]},
    "pool": {"method": "pool", "file": "pool.extxyz", "labels": {"energy": "E"}},
}
ESPRESSO = {"method": "espresso", "pseudo_dir": "p", "pseudopotentials": {"Cu": "Cu.upf"}, "ecutwfc_Ry": 40}
VASP = {"method": "vasp", "potcar_dir": "p", "hubbard": {"Cu": {"orbital": "d", "U_eV": 4}}}
ABACUS = {"method": "abacus", "pseudo_dir": "p", "pseudopotentials": {"Cu": "Cu.upf"}, "ecutwfc_Ry": 80}
CP2K = {"method": "cp2k", "basis_sets": {"Cu": "DZVP-MOLOPT-SR-GTH"}}
ALIKE = {
    "as it is": {},
    "one group": {"finetune.explore": MD},
    "one list of groups": {"finetune.explore": [MD, MD]},
    "keys of the campaign": {"finetune.label": {"method": "tblite", "max_total": 30, "max_core_hours": 2.5}},
    "espresso": {"finetune.label": ESPRESSO | {"namelists": {"system": {"vdw_corr": "dft-d3"}}}},
    "vasp": {"finetune.label": VASP | {"potcars": {"Cu": "Cu_pv"}, "incar": {"ENCUT": 520, "DIPOL": [0, 0, 0.5]}}},
    "vasp with a preset": {"finetune.label": VASP | {"preset": "MatPES-PBE", "potcars": ["Cu"], "max_total": 5}},
    "abacus": {"finetune.label": ABACUS | {"magmoms": {"Cu": 1}, "input": {"vdw_method": "d3_bj"}}},
    "cp2k": {"finetune.label": CP2K | {"d3": True, "sections": {"FORCE_EVAL": {"DFT": {"XC": {"DENSITY_CUTOFF": 1}}}}}},
    "a model labels": {"finetune.label": {"method": "family", "family": "toy", "model": "soft-copper"}},
    "acceptance": {"finetune.label": {"method": "toy", "accept": {"max_force_eV_per_A": 30}}},
    "training": {"finetune.train": {"ridge": 1e-3, "continue": True, "valid_fraction": 0}},
    "another family": {
        "teacher": {"family": "chgnet", "model": "0.3.0"},
        "finetune.train": {"steps": 50, "loss": "squared", "valid_fraction": 0.2},
    },
    "pod": {"distill.student": {"family": "pod", "basis": {"radial": [8, 5, 5, 5, 4, 4]}}},
    "only a teacher to distil": {"finetune": DROP, "teacher": {"family": "pod", "model": "own"}},
    **{f"a group of {name}": {GROUP: group} for name, group in GROUPS.items()},
}


@pytest.mark.parametrize("edits", ALIKE.values(), ids=ALIKE)
def test_what_the_reader_takes_is_valid(edits, found):
    assert found(edited(edits)) == []


MISTAKES = {
    "key of another labeler": {"finetune.label": {"method": "toy", "hamiltonian": "GFN1-xTB"}},
    "misspelt key of the campaign": {"finetune.label": {"method": "toy", "max_totl": 3}},
    "no labeler": {"finetune.label": {}},
    "unknown labeler": {"finetune.label": {"method": "siesta"}},
    "cutoff missing": {"finetune.label": {key: ESPRESSO[key] for key in ("method", "pseudo_dir", "pseudopotentials")}},
    "unknown preset": {"finetune.label": VASP | {"preset": "MatPES-LDA", "potcars": ["Cu"]}},
    "unknown shell": {"finetune.label": VASP | {"hubbard": {"Cu": {"orbital": "g", "U_eV": 1}}, "potcars": ["Cu"]}},
    "training of another family": {"finetune.train": {"steps": 50}},
    "teacher that cannot be tuned": {"teacher.family": "pod"},
    "unknown family": {"teacher.family": "mase"},
    "student of another family": {"distill.student": {"family": "toy", "size": "S"}},
    "student that cannot be fitted": {"distill.student": {"family": "chgnet"}},
    "group without method": {f"{GROUP}.method": DROP},
    "key of another method": {GROUP: {"method": "pool", "file": "x", "steps": 5}},
    "no exploration": {"finetune.explore": DROP},
    "no stage": {"finetune.explore": []},
    "no limit": {"finetune.converge": {"confident": True}},
    "a limit that is no fraction": {"finetune.converge": {"force_rmse_relative": 10}},
    "nothing to do": {"finetune": DROP, "distill": DROP},
    "misspelt section": {"finetun": {}},
}


@pytest.mark.parametrize("edits", MISTAKES.values(), ids=MISTAKES)
def test_what_the_reader_refuses_is_not(edits, found):
    assert found(edited(edits))


def test_every_key_says_what_it_means(schema):
    for name, definition in schema["$defs"].items():
        for key, value in definition.get("properties", {}).items():
            assert value.get("description") or "method" in (key, name), f"{name}.{key}"


def test_it_is_built_without_any_of_the_packages():
    heavy = ("torch", "chgnet", "sevenn", "tblite", "lammps", "ase.io", "scipy")
    code = "import sys; sys.argv = ['pfd', 'schema']; from pfd.cli.main import app; app(standalone_mode=False); "
    code += f"sys.stderr.write(' '.join(set(sys.modules) & set({heavy})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_the_good_input_was_not_changed(found):
    tree = copy.deepcopy(GOOD)
    found(tree)
    assert tree == GOOD


def test_the_teacher_labels_more_frames_by_default():
    # Whether the section is left out, or names other keys only; what is named counts.
    base = {"student": {"family": "toy"}, "explore": {"method": "pool", "file": "x"}}
    base["converge"] = {"force_rmse_relative": 0.1}
    for select, expected in ((None, 120), ({"method": "random"}, 120), ({"max_frames": 24}, 24)):
        section = base if select is None else base | {"select": select}
        assert DistillSettings.model_validate(section).select.max_frames == expected
