"""Slabs and molecules with every engine: one k-point along vacuum, the dipole corrected if asked, no stress."""

import re

import numpy as np
import pytest
from ase.build import bulk, fcc111, molecule

from pfd.errors import InputError
from pfd.frames import Labels
from pfd.label.judge import sound_labels
from pfd.label.labeler import Outcome, make_labeler

SLAB = fcc111("Al", (1, 1, 3), vacuum=6.0)
SIDEWAYS = SLAB.copy()
SIDEWAYS.set_cell(SLAB.cell.array[[1, 2, 0]])
SIDEWAYS.pbc = (True, False, True)
MOLECULE = molecule("H2O", vacuum=6.0)
CRYSTAL = bulk("Al")


@pytest.fixture
def keys_of(pseudo_dir, potcar_dir, tmp_path):
    """What an engine is told of a frame: its k-points, and the keys of its input in lower case."""
    count = iter(range(100))
    files = {element: f"{element}.upf" for element in ("Al", "O", "H")}

    def make(method, frame, **settings):
        own = {
            "espresso": {"pseudo_dir": str(pseudo_dir), "pseudopotentials": files, "ecutwfc_Ry": 20},
            "abacus": {"pseudo_dir": str(pseudo_dir), "pseudopotentials": files, "ecutwfc_Ry": 20},
            "vasp": {
                "potcar_dir": str(potcar_dir),
                "potcars": {element: element for element in files},
                "incar": {"ENCUT": 400},
            },
        }[method]
        labeler = make_labeler({"method": method, "kspacing_per_A": 0.3, **own, **settings})
        given = labeler.prepare(frame)
        if method == "espresso":
            text = labeler.input_text(frame)
            found = re.search(r"K_POINTS automatic\s+(\d+) (\d+) (\d+)", text)
            points = found.groups() if found else ("1", "1", "1")
        else:
            folder = tmp_path / f"input-{next(count)}"
            folder.mkdir()
            given.write(folder, {})
            text = (folder / {"abacus": "INPUT", "vasp": "INCAR"}[method]).read_text()
            points = (folder / {"abacus": "KPT", "vasp": "KPOINTS"}[method]).read_text().splitlines()[3].split()[:3]
        pairs = re.findall(r"^\s*(\w+)\s*(?:=|\s)\s*(.*?)\s*$", text, re.MULTILINE)
        return [int(each) for each in points], {key.lower(): value.lower() for key, value in pairs}

    return make


ENGINES = pytest.mark.parametrize("method", ["espresso", "abacus", "vasp"])
AXIS = {
    "espresso": lambda keys: int(keys["edir"]) - 1,
    "abacus": lambda keys: int(keys["efield_dir"]),
    "vasp": lambda keys: int(keys["idipol"]) - 1,
}
SIGN = {"espresso": "dipfield", "abacus": "dip_cor_flag", "vasp": "ldipol"}


@ENGINES
@pytest.mark.parametrize(("frame", "axis"), [(SLAB, 2), (SIDEWAYS, 1)], ids=["slab", "sideways"])
def test_a_slab_has_one_k_point_along_the_vacuum_and_its_dipole_is_corrected_there(keys_of, method, frame, axis):
    points, keys = keys_of(method, frame)
    assert points[axis] == 1
    assert all(count > 1 for index, count in enumerate(points) if index != axis)
    assert SIGN[method] not in keys
    _, corrected = keys_of(method, frame, dipole_correction=True)
    assert SIGN[method] in corrected
    assert AXIS[method](corrected) == axis


@ENGINES
def test_a_molecule_has_one_k_point(keys_of, method):
    assert keys_of(method, MOLECULE)[0] == [1, 1, 1]
    if method == "vasp":
        assert keys_of(method, MOLECULE, dipole_correction=True)[1]["idipol"] == "4"
    else:
        with pytest.raises(InputError, match="slabs only"):
            keys_of(method, MOLECULE, dipole_correction=True)


@ENGINES
def test_a_crystal_is_left_alone(keys_of, method):
    points, keys = keys_of(method, CRYSTAL, dipole_correction=True)
    assert min(points) > 1
    assert SIGN[method] not in keys


@pytest.mark.parametrize(
    ("method", "key", "yes", "no"), [("espresso", "tstress", ".true.", ".false."), ("abacus", "cal_stress", "1", "0")]
)
def test_the_stress_is_asked_of_crystals_only(keys_of, method, key, yes, no):
    """VASP computes it with the forces of any frame (ISIF 2)."""
    assert [keys_of(method, frame)[1][key] for frame in (CRYSTAL, SLAB, MOLECULE)] == [yes, no, no]


@pytest.mark.parametrize("frame", [SLAB, SIDEWAYS, MOLECULE], ids=["slab", "sideways", "molecule"])
def test_the_stress_of_a_slab_or_a_molecule_is_no_label(frame):
    labels = Labels(-1.0, np.zeros((3, 3)), np.ones(6))
    assert sound_labels(frame, Outcome(labels, converged=True)).stress is None
