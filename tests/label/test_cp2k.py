"""What CP2K is told: its input, its data files, and the settings that are refused. No engine needed."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.constraints import FixAtoms

from pfd.errors import InputError, MissingError, SettingError
from pfd.label.cp2k.sections import leaves, merged, written
from pfd.label.cp2k.settings import OWNED
from pfd.label.labeler import make_labeler

NESTED = {"FORCE_EVAL": {"DFT": {"SCF": {"MIXING": {"NBUFFER": 8}}}}}


@pytest.fixture
def cp2k(cp2k_data):
    def make(**settings):
        basis_sets = dict.fromkeys(("H", "O", "Si", "Fe", "Al"), "DZVP-TEST-GTH")
        return make_labeler({"method": "cp2k", "data_dir": str(cp2k_data), "basis_sets": basis_sets} | settings)

    return make


def values(given):
    """The input's keys; of sections that repeat, lists."""
    found = {}
    for path, value in leaves(given.sections):
        found.setdefault(path, []).append(value)
    return {path: each[0] if len(each) == 1 else each for path, each in found.items()}


def ferrite():
    """Two iron atoms with opposite moments and an oxygen, neither element in one piece."""
    frame = Atoms("FeOFe", positions=[[0, 0, 0], [2, 0, 0], [4, 0, 0]], cell=[6, 4, 4], pbc=True)
    frame.set_initial_magnetic_moments([4.0, 0.0, -3.0])
    return frame


def test_the_input_of_a_plain_crystal(cp2k, tmp_path):
    given = cp2k(kspacing_per_A=0.55).prepare(bulk("Si"))
    told = values(given)
    dft = "FORCE_EVAL/DFT"
    expected = {
        "GLOBAL/RUN_TYPE": "ENERGY_FORCE",
        "FORCE_EVAL/STRESS_TENSOR": "ANALYTICAL",
        f"{dft}/MGRID/CUTOFF": 200.0,
        f"{dft}/MGRID/REL_CUTOFF": 60.0,
        f"{dft}/CHARGE": 0,
        f"{dft}/MULTIPLICITY": 1,
        f"{dft}/UKS": False,
        f"{dft}/POISSON/PERIODIC": "XYZ",
        f"{dft}/POISSON/POISSON_SOLVER": "PERIODIC",
        f"{dft}/KPOINTS/SCHEME": ["MACDONALD", 4, 4, 4, 0.125, 0.125, 0.125],
        f"{dft}/SCF/SMEAR/METHOD": "FERMI_DIRAC",
        f"{dft}/SCF/ADDED_MOS": -1,
        "FORCE_EVAL/SUBSYS/KIND/ELEMENT": "Si",
        "FORCE_EVAL/SUBSYS/KIND/POTENTIAL": "GTH-PBE",
    }
    assert {path: told[path] for path in expected} == expected
    given.write(tmp_path, {"FORCE_EVAL": {"DFT": {"SCF": {"MAX_SCF": 7, "MIXING": {"ALPHA": 0.1}}}}})
    text = (tmp_path / "cp2k.inp").read_text()
    assert "      MAX_SCF 7\n" in text
    assert text.count("MAX_SCF") == text.count("ALPHA") == 1
    assert "Si_1 1.3575 1.3575 1.3575\n" in text
    assert (tmp_path / "BASIS").read_text().startswith("Si DZVP-TEST-GTH DZVP-TEST-GTH-q4\n 1\n")
    assert (tmp_path / "POTENTIAL").read_text().startswith("Si GTH-PBE-q4 GTH-PBE\n")


def test_the_cutoff_follows_the_sharpest_gaussian_of_all_basis_sets(cp2k, cp2k_data):
    file = cp2k_data / "BASIS_MOLOPT"
    sharp = file.read_text().replace("      1.25 ", "      10.39 ", 1)
    file.write_text(sharp)
    assert sharp.index("10.39") < sharp.index(" O ")  # hydrogen's
    assert values(cp2k().prepare(bulk("Si")))["FORCE_EVAL/DFT/MGRID/CUTOFF"] == 650.0
    assert "cutoff 650 Ry" in cp2k().level_of_theory()
    assert "cutoff 450 Ry" in cp2k(rel_cutoff_Ry=40).level_of_theory()
    assert "cutoff 200 Ry" in cp2k(basis_sets={"Si": "DZVP-TEST-GTH"}).level_of_theory()
    assert values(cp2k(cutoff_Ry=310).prepare(bulk("Si")))["FORCE_EVAL/DFT/MGRID/CUTOFF"] == 310.0


def test_meshes_hold_gamma_and_gamma_alone_is_no_mesh(cp2k):
    cell = bulk("Al", "sc", a=5.0)  # 2 pi / 5 / 0.45 = 2.8
    assert values(cp2k(kspacing_per_A=0.45).prepare(cell))["FORCE_EVAL/DFT/KPOINTS/SCHEME"] == [
        *("MACDONALD", 3, 3, 3, 0.0, 0.0, 0.0),
    ]
    assert not any("KPOINTS" in path for path in values(cp2k(kspacing_per_A=1.3).prepare(cell)))


def test_constraints_do_not_reach_cp2k(cp2k):
    frame = bulk("Si")
    frame.set_constraint(FixAtoms([0]))
    assert cp2k().prepare(frame).sections == cp2k().prepare(bulk("Si")).sections


def test_atoms_keep_their_order_and_each_moment_is_a_kind(cp2k):
    told = values(cp2k().prepare(ferrite()))
    assert [row.split()[0] for row in told["FORCE_EVAL/SUBSYS/COORD/*"]] == ["Fe_1", "O_1", "Fe_2"]
    assert told["FORCE_EVAL/SUBSYS/KIND/_"] == ["Fe_1", "O_1", "Fe_2"]
    assert told["FORCE_EVAL/SUBSYS/KIND/MAGNETIZATION"] == [4.0, 0.0, -3.0]
    assert told["FORCE_EVAL/DFT/UKS"] is True
    assert told["FORCE_EVAL/DFT/SCF/ADDED_MOS"] == [-1, -1]
    assert told["FORCE_EVAL/DFT/MULTIPLICITY"] == 1  # 38 electrons: no or two unpaired ones are as close to 1


def test_moments_of_an_element_serve_frames_without_any(cp2k):
    frame = ferrite()
    del frame.arrays["initial_magmoms"]
    told = values(cp2k(magmoms={"Fe": 5.0}).prepare(frame))
    assert told["FORCE_EVAL/SUBSYS/KIND/MAGNETIZATION"] == [5.0, 0.0]
    assert told["FORCE_EVAL/DFT/MULTIPLICITY"] == 11
    assert values(cp2k(magmoms={"Fe": 5.0}).prepare(bulk("Si")))["FORCE_EVAL/DFT/UKS"] is False


def test_a_negative_sum_of_moments_is_turned_around(cp2k):
    frame = ferrite()
    frame.set_initial_magnetic_moments([-4.0, 0.0, -4.0])
    given = cp2k().prepare(frame)
    assert given.electrons.flipped
    assert values(given)["FORCE_EVAL/SUBSYS/KIND/MAGNETIZATION"] == [4.0, 0.0]
    assert given.electrons.multiplicity == 9


@pytest.mark.parametrize(
    ("symbols", "info", "settings", "polarised", "multiplicity"),
    [
        ("HH", {}, {}, False, 1),
        ("HH", {"spin": 1}, {}, False, 1),
        ("HH", {"spin": 3}, {}, True, 3),
        ("HH", {"charge": 1}, {}, False, 1),
        ("HH", {"charge": 1}, {"smearing": "none"}, True, 2),
        ("HH", {"charge": 1, "spin": 2}, {}, True, 2),
        ("HH", {}, {"spin_polarised": True}, True, 1),
        ("H", {}, {}, False, 1),
    ],
)
def test_charge_and_spin_are_honoured(cp2k, symbols, info, settings, polarised, multiplicity):
    frame = Atoms(symbols, positions=[[0, 0, 0.7 * i] for i in range(len(symbols))], cell=[5, 5, 5], pbc=True)
    frame.info |= info
    told = values(cp2k(kspacing_per_A=9, **settings).prepare(frame))
    assert told["FORCE_EVAL/DFT/CHARGE"] == info.get("charge", 0)
    assert told["FORCE_EVAL/DFT/UKS"] is polarised
    assert told["FORCE_EVAL/DFT/MULTIPLICITY"] == multiplicity
    kept = told.get("FORCE_EVAL/DFT/SCF/SMEAR/FIXED_MAGNETIC_MOMENT")
    assert kept == (multiplicity - 1 if polarised and "spin" in info else None)


def test_a_free_radical_is_computed_with_spin(cp2k):
    radical = Atoms("H", cell=[8, 8, 8])
    assert values(cp2k().prepare(radical))["FORCE_EVAL/DFT/UKS"] is True


def test_open_directions_have_their_coulomb_cut_off_and_their_atoms_in_the_middle(cp2k):
    slab = fcc111("Al", (1, 1, 2), vacuum=6.0)
    slab.positions[:, 2] += 100.0
    given = cp2k().prepare(slab)
    told = values(given)
    assert told["FORCE_EVAL/DFT/POISSON/PERIODIC"] == told["FORCE_EVAL/SUBSYS/CELL/PERIODIC"] == "XY"
    assert told["FORCE_EVAL/DFT/POISSON/POISSON_SOLVER"] == "ANALYTIC"
    assert told["FORCE_EVAL/STRESS_TENSOR"] == "NONE"
    assert told["FORCE_EVAL/DFT/KPOINTS/SCHEME"][3] == 1
    heights = [float(row.split()[3]) for row in told["FORCE_EVAL/SUBSYS/COORD/*"]]
    assert np.mean(heights) == pytest.approx(slab.cell[2, 2] / 2)
    np.testing.assert_allclose(given.shift[:2], 0.0, atol=1e-12)
    told = values(cp2k(open_boundaries="periodic").prepare(slab))
    assert told["FORCE_EVAL/DFT/POISSON/PERIODIC"] == told["FORCE_EVAL/SUBSYS/CELL/PERIODIC"] == "XYZ"
    assert told["FORCE_EVAL/STRESS_TENSOR"] == "NONE"
    box = molecule("H2O", vacuum=6.0)
    assert values(cp2k().prepare(box))["FORCE_EVAL/DFT/POISSON/PERIODIC"] == "NONE"
    assert "FORCE_EVAL/DFT/KPOINTS/SCHEME" not in values(cp2k().prepare(box))


def test_functionals_dispersion_and_plus_u(cp2k, cp2k_data, tmp_path):
    (cp2k_data / "dftd3.dat").write_text("C6\n")
    given = cp2k(functional="PBEsol", d3=True, hubbard={"Fe": {"orbital": "d", "U_eV": 4.0}}, kspacing_per_A=9).prepare(
        ferrite()
    )
    told = values(given)
    xc = "FORCE_EVAL/DFT/XC"
    assert told[f"{xc}/XC_FUNCTIONAL/PBE/PARAMETRIZATION"] == "PBESOL"
    assert told[f"{xc}/VDW_POTENTIAL/PAIR_POTENTIAL/TYPE"] == "DFTD3(BJ)"
    assert told[f"{xc}/VDW_POTENTIAL/PAIR_POTENTIAL/REFERENCE_FUNCTIONAL"] == "PBEsol"
    assert told["FORCE_EVAL/DFT/PLUS_U_METHOD"] == "MULLIKEN"
    assert told["FORCE_EVAL/STRESS_TENSOR"] == "NONE"
    assert not given.has_stress
    assert told["FORCE_EVAL/SUBSYS/KIND/DFT_PLUS_U/U_MINUS_J"] == ["[eV] 4", "[eV] 4"]
    assert told["FORCE_EVAL/SUBSYS/KIND/DFT_PLUS_U/L"] == [2, 2]
    given.write(tmp_path, {})
    assert (tmp_path / "dftd3.dat").read_text() == "C6\n"


def test_sections_of_ones_own_are_added(cp2k):
    own = {"force_eval": {"dft": {"scf": {"mixing": {"nbuffer": 8}}, "LS_SCF": [{"_": "ON"}, {"EPS": [1, 2]}]}}}
    text = written(cp2k(sections=own).prepare(bulk("Si")).sections)
    assert "        NBUFFER 8" in text
    assert text.count("    &LS_SCF") + text.count("    &LS_SCF ON") == 2
    assert "      EPS 1 2" in text


def test_every_key_that_the_labeler_writes_is_refused_in_sections(cp2k, cp2k_data):
    (cp2k_data / "dftd3.dat").write_text("C6\n")
    frame = ferrite()
    frame.info["spin"] = 1
    hubbard = {"Fe": {"orbital": "d", "U_eV": 4.0}}
    paths = values(cp2k(d3=True, hubbard=hubbard, kspacing_per_A=9).prepare(frame))
    paths |= values(cp2k().prepare(bulk("Si")))
    free = {"FORCE_EVAL/DFT/SCF/MIXING/METHOD"}
    for path in paths.keys() - free:
        assert any(f"{path}/".startswith(f"{own}/") for own in OWNED), path


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"sections": {"FORCE_EVAL": {"DFT": {"MGRID": {"cutoff": 100}}}}}, "write finetune.label.cutoff_Ry"),
        ({"sections": {"FORCE_EVAL": {"DFT": {"SCF": {"smear": {"_": "OFF"}}}}}}, "write finetune.label.smearing"),
        ({"sections": {"FORCE_EVAL": {"SUBSYS": {"KIND": [{"_": "Si"}]}}}}, "write finetune.label.basis_sets"),
        ({"sections": {"FORCE_EVAL": {"DFT": {"SCF": {"OT": {"_": "ON"}}}}}}, "diagonalisation"),
        ({"sections": {"FORCE_EVAL": {"DFT": {"SCF": {"IGNORE_CONVERGENCE_FAILURE": True}}}}}, "no label"),
        ({"sections": {"FORCE_EVAL": {"DFT": {"SURF_DIP": None}}}}, "write a number"),
        ({"sections": {"FORCE_EVAL": {"DFT": {"SURF": "1\n&END"}}}}, "write a number"),
        ({"sections": {"CUTOFF": 5}}, "stands in FORCE_EVAL or GLOBAL"),
        ({"sections": {"MOTION": {"MD": {"STEPS": 5}}}}, "stands in FORCE_EVAL or GLOBAL"),
        ({"sections": {"FORCE_EVAL": [{"DFT": {"SIC_METHOD": "AD"}}]}}, "FORCE_EVAL: the labeler writes this section"),
        ({"sections": {"force_eval": {"dft": {"scf": 5}}}}, "FORCE_EVAL/DFT/SCF: the labeler writes this section"),
        ({"potentials": {"Cu": "GTH-PBE"}}, "Cu has no basis set"),
        ({"magmoms": {"Cu": 1}}, "Cu has no basis set"),
        ({"hubbard": {"Fe": {"orbital": "d", "U_eV": 4, "J_eV": 1}}}, "U - J"),
        ({"smearing": "none", "electronic_temperature_K": 300}, "without effect"),
        ({"functional": "LDA", "d3": True}, "no parameters"),
        ({"functional": "PW91"}, "PBE"),
        ({"basis_sets": {}}, "at least 1"),
        ({"cutoff_Ry": 0}, "greater than 0"),
        ({"cutof_Ry": 400}, "did you mean 'cutoff_Ry'"),
    ],
)
def test_senseless_settings_are_refused(cp2k, settings, told):
    with pytest.raises(SettingError) as caught:
        cp2k(**settings)
    assert told in str(caught.value)
    assert caught.value.where.startswith("finetune.label")


@pytest.mark.parametrize(
    ("change", "settings", "told"),
    [
        (lambda frame: frame.set_chemical_symbols(["Cu", "Si"]), {}, "no basis set for Cu"),
        (lambda frame: frame.set_cell(None), {}, "needs a cell"),
        (lambda frame: frame.info.update(spin=2), {}, "8 valence electrons have no spin 2S+1 = 2"),
        (lambda frame: frame.info.update(spin=11), {}, "8 valence electrons have no spin 2S+1 = 11"),
        (lambda frame: frame.info.update(charge=0.5), {}, "whole charges only"),
        (lambda frame: frame.info.update(spin=3), {}, "both smearing and k-points"),
        (lambda frame: frame.set_initial_magnetic_moments(np.ones((2, 3))), {}, "vectors"),
        (lambda frame: None, {"hubbard": {"Si": {"orbital": "p", "U_eV": 4}}}, "DFT+U at Gamma only"),
        (lambda frame: frame.set_pbc([True, True, False]), {}, "at right angles"),
    ],
)
def test_frames_that_cannot_be_computed_are_refused_before_anything_runs(cp2k, change, settings, told):
    frame = bulk("Si")
    change(frame)
    with pytest.raises(InputError) as caught:
        cp2k(command="true", **settings).check([bulk("Al", cubic=True), frame])
    assert told in caught.value.what
    assert caught.value.where.startswith("frame")
    assert caught.value.hint


def test_a_box_that_is_too_small_to_cut_the_coulomb_off_is_refused_with_the_size_it_needs(cp2k):
    box = molecule("H2O", vacuum=3.0)
    with pytest.raises(InputError, match=r"9.05 Å(.|\n)*open_boundaries: periodic"):
        cp2k().prepare(box)
    box.center(vacuum=5.0)
    cp2k().prepare(box)


def test_a_slab_that_stands_on_edge_is_refused(cp2k):
    slab = fcc111("Al", (1, 1, 2), vacuum=8.0)
    slab.rotate(90, "x", rotate_cell=True)
    with pytest.raises(InputError, match="does not lie along z"):
        cp2k().prepare(slab)
    cp2k(open_boundaries="periodic").prepare(slab)


def test_what_is_not_in_the_files_is_named_with_what_is(cp2k):
    with pytest.raises(InputError, match=r"Si has no TZVP in BASIS_MOLOPT(.|\n)*it has: DZVP-TEST-GTH") as caught:
        cp2k(basis_sets={"Si": "TZVP"}).level_of_theory()
    assert caught.value.where == "finetune.label.basis_sets.Si"
    assert "BASIS_MOLOPT_UZH" in str(caught.value)
    with pytest.raises(InputError, match="Al has no GTH-BLYP"):
        cp2k(functional="BLYP").level_of_theory()
    with pytest.raises(InputError, match="GTH-PBE-q8 has 8 valence electrons, and DZVP-TEST-GTH is made for 16"):
        cp2k(potentials={"Fe": "GTH-PBE-q8"}).level_of_theory()
    with pytest.raises(InputError, match=r"Xx has no DZVP-TEST-GTH(.|\n)*check the element"):
        cp2k(basis_sets={"Xx": "DZVP-TEST-GTH"}).level_of_theory()
    with pytest.raises(InputError, match=r"dftd3.dat"):
        cp2k(d3=True).level_of_theory()


def test_names_are_found_case_apart_and_the_first_file_counts(cp2k, cp2k_data, tmp_path):
    level = cp2k(basis_sets={"Si": "dzvp-test-gth-Q4"}).prepare(bulk("Si"))
    assert level.basis.startswith("Si DZVP-TEST-GTH DZVP-TEST-GTH-q4")
    mine = tmp_path / "MINE"
    mine.write_text("Si DZVP-TEST-GTH-q4 DZVP-TEST-GTH\n 1\n 9 9 9\n")
    given = cp2k(basis_files=(str(mine), "BASIS_MOLOPT"), basis_sets={"Si": "DZVP-TEST-GTH"}).prepare(bulk("Si"))
    assert given.basis == "Si DZVP-TEST-GTH-q4 DZVP-TEST-GTH\n 1\n 9 9 9\n"


def test_the_folder_of_data_is_found(cp2k, cp2k_data, tmp_path, monkeypatch):
    monkeypatch.setenv("CP2K_DATA_DIR", str(cp2k_data))
    level = cp2k().level_of_theory()
    assert cp2k(data_dir=None).level_of_theory() == level
    monkeypatch.delenv("CP2K_DATA_DIR")
    program = tmp_path / "prefix" / "bin" / "cp2k.psmp"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(MissingError, match="basis sets and pseudopotentials is not found"):
        cp2k(data_dir=None, command=str(program)).level_of_theory()
    (tmp_path / "prefix" / "share").mkdir()
    Path(tmp_path / "prefix" / "share" / "cp2k").symlink_to(cp2k_data)
    assert cp2k(data_dir=None, command=f"mpirun -np 2 {program}").level_of_theory() == level
    with pytest.raises(InputError, match="no such folder"):
        cp2k(data_dir=str(tmp_path / "nowhere")).level_of_theory()


def test_the_level_of_theory_holds_the_physics_and_nothing_else(cp2k, cp2k_data):
    (cp2k_data / "dftd3.dat").write_text("C6\n")
    level = cp2k().level_of_theory()
    for part in ("CP2K PBE,", "cutoff 200 Ry", "rel_cutoff 60 Ry", "kspacing 0.2/Å", "fermi-dirac 1000 K", "DZVP-TEST"):
        assert part in level
    assert str(cp2k_data) not in level
    harmless = merged(NESTED, {"GLOBAL": {"PREFERRED_DIAG_LIBRARY": "SL"}, "FORCE_EVAL": {"DFT": {"PRINT": {"MO": 1}}}})
    same = cp2k(
        command="mpirun -np 4 cp2k.psmp",
        max_scf_steps=9,
        mixing_alpha=0.1,
        eps_scf=1e-8,
        ladder=False,
        wall_time="1h",
        sections=harmless,
    )
    assert same.level_of_theory() == level
    changes = [
        {"cutoff_Ry": 500.0},
        {"rel_cutoff_Ry": 50.0},
        {"eps_default": 1e-10},
        {"kspacing_per_A": 0.3},
        {"smearing": "none"},
        {"electronic_temperature_K": 300.0},
        {"functional": "PBEsol"},
        {"d3": True},
        {"spin_polarised": True},
        {"open_boundaries": "periodic"},
        {"magmoms": {"Fe": 4.0}},
        {"hubbard": {"Fe": {"orbital": "d", "U_eV": 4.0}}},
        {"basis_sets": {"Si": "DZVP-TEST-GTH"}},
        {"sections": {"FORCE_EVAL": {"DFT": {"XC": {"XC_GRID": {"XC_SMOOTH_RHO": "NN10"}}}}}},
    ]
    levels = [level, *(cp2k(**change).level_of_theory() for change in changes)]
    assert len(set(levels)) == len(levels)


def test_a_changed_file_is_another_level_of_theory(cp2k, cp2k_data):
    before = cp2k().level_of_theory()
    file = cp2k_data / "GTH_POTENTIALS"
    file.write_text(file.read_text().replace("-6.26", "-6.27"))
    assert cp2k().level_of_theory() != before


def test_a_missing_program_is_missing(cp2k, tmp_path):
    labeler = cp2k(command="no-such-cp2k")
    for attempt in (lambda: labeler.check([]), lambda: labeler.run(bulk("Si"), tmp_path / "scratch")):
        with pytest.raises(MissingError, match="apt install cp2k"):
            attempt()


def test_an_excited_state_is_another_level_of_theory(cp2k):
    excited = {"FORCE_EVAL": {"DFT": {"SCF": {"MOM": {"_": "ON", "DEOCC_ALPHA": 4}}}}}
    assert cp2k(sections=excited).level_of_theory() != cp2k().level_of_theory()
