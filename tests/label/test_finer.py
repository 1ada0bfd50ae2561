"""What a preflight compares with: cutoff and k-points one step finer, each alone, and a level of theory of its own."""

from __future__ import annotations

import pytest
from ase.build import bulk, molecule

from pfd.label.abacus.labeler import Abacus
from pfd.label.espresso.labeler import Espresso
from pfd.label.gpaw.labeler import GPAW
from pfd.label.k_mesh import k_divisions
from pfd.label.tblite import TBLite
from pfd.label.vasp.labeler import Vasp
from pfd.label.vasp.recipe import VaspRecipe


def finer(labeler, **settings):
    made = labeler(labeler.Settings.model_validate({"method": labeler.name, **settings}))
    return {each.setting: each for each in made.finer()}


PLANE_WAVES = {"pseudo_dir": ".", "pseudopotentials": {"Si": "Si.upf"}, "ecutwfc_Ry": 40}


@pytest.mark.parametrize("labeler", [Espresso, Abacus])
def test_cutoff_and_k_points_each_alone(labeler):
    found = finer(labeler, **PLANE_WAVES)
    assert {name: (each.now, each.finer) for name, each in found.items()} == {
        "ecutwfc_Ry": ("40", "52"),
        "kspacing_per_A": ("0.2", "0.14"),
    }
    assert (found["ecutwfc_Ry"].settings.ecutwfc_Ry, found["ecutwfc_Ry"].settings.kspacing_per_A) == (52, 0.2)
    assert (found["kspacing_per_A"].settings.ecutwfc_Ry, found["kspacing_per_A"].settings.kspacing_per_A) == (40, 0.14)


def test_k_points_are_made_finer_until_there_are_more_of_them():
    made = Espresso(Espresso.Settings.model_validate({"method": "espresso", **PLANE_WAVES, "kspacing_per_A": 0.75}))
    silicon = bulk("Si", cubic=True)  # 1.16/Å: two points at 0.75, and at 0.525 three
    assert [each.finer for each in made.finer([silicon])] == ["52", "0.525"]
    coarse = Espresso(Espresso.Settings.model_validate({"method": "espresso", **PLANE_WAVES, "kspacing_per_A": 1.1}))
    assert [each.finer for each in coarse.finer([silicon])] == ["52", "0.539"]  # 0.77 makes two, as 1.1 does
    molecule = molecule_in_a_box()
    assert [each.setting for each in made.finer([molecule])] == ["ecutwfc_Ry"]


def molecule_in_a_box():
    frame = molecule("H2O")
    frame.center(vacuum=5.0)
    return frame


def test_the_cutoff_of_the_density_goes_along():
    assert finer(Espresso, **PLANE_WAVES, ecutrho_Ry=320)["ecutwfc_Ry"].settings.ecutrho_Ry == pytest.approx(416)


def test_k_points_of_a_file_stay():
    assert set(finer(Abacus, **PLANE_WAVES, kpt_file="KPT")) == {"ecutwfc_Ry"}


def test_gpaw_counts_in_eV():
    found = finer(GPAW, ecut_eV=500)
    assert {name: (each.now, each.finer) for name, each in found.items()} == {
        "ecut_eV": ("500", "650"),
        "kspacing_per_A": ("0.2", "0.14"),
    }


def test_what_an_incar_key_says_is_compared():
    own = {"potcar_dir": ".", "potcars": {"Si": "Si"}, "kspacing_per_A": 0.2}
    found = finer(Vasp, **own, incar={"encut": 400, "ISMEAR": 0})
    assert {name: (each.now, each.finer) for name, each in found.items()} == {
        "incar.ENCUT": ("400", "520"),
        "kspacing_per_A": ("0.2", "0.14"),
    }
    assert found["incar.ENCUT"].settings.incar_keys() == {"ENCUT": 520, "ISMEAR": 0}


def vasp(**settings):
    given = {"method": "vasp", "potcar_dir": ".", "potcars": {"Si": "Si"}, **settings}
    return Vasp(Vasp.Settings.model_validate(given))


def test_what_an_incar_file_says_is_compared_with_all_its_keys_kept(tmp_path):
    (tmp_path / "INCAR").write_text("ENCUT = 400\nSIGMA = 0.02\nISMEAR = 0\nKSPACING = 0.2\n")
    cutoff, mesh = vasp(incar_file=tmp_path / "INCAR").finer([bulk("Si")])
    assert (cutoff.setting, cutoff.now, cutoff.finer) == ("incar.ENCUT", "400", "520")
    assert cutoff.settings.incar == {"ENCUT": 520, "SIGMA": 0.02, "ISMEAR": 0}
    assert (cutoff.settings.incar_file, cutoff.settings.kspacing_per_A) == (None, 0.2)
    assert (mesh.settings.incar["ENCUT"], mesh.settings.kspacing_per_A) == (400, 0.14)


@pytest.mark.parametrize(
    ("preset", "cutoff", "now"), [("MatPES-PBE", "680", "0.22"), ("MP-static", "520", "of MP-static")]
)
def test_what_a_preset_says_is_compared(preset, cutoff, now):
    pytest.importorskip("pymatgen", reason="the extra `structures` is not installed")
    silicon = bulk("Si", cubic=True)
    labeler = vasp(preset=preset, potcars=["Si"])
    higher, denser = labeler.finer([silicon])
    assert (higher.setting, higher.now, higher.finer) == ("incar.ENCUT", cutoff, f"{1.3 * float(cutoff):g}")
    assert higher.settings.preset == preset
    assert (denser.setting, denser.now) == ("kspacing_per_A", now)
    recipe = VaspRecipe(labeler.settings)
    before = recipe.preset(silicon).mesh[0] if now.startswith("of") else k_divisions(silicon, float(now))
    after = k_divisions(silicon, denser.settings.kspacing_per_A)
    assert all(more > fewer for more, fewer in zip(after, before, strict=True))


def test_a_method_without_a_basis_to_choose_has_none():
    assert not finer(TBLite, hamiltonian="GFN1-xTB")
