"""What VASP is told: INCAR from file and keys, POTCARs by element, k-points, spin, U; and the level of theory."""

import gzip
import io
import re

import numpy as np
import pytest
from ase.build import bulk, fcc111, molecule
from ase.constraints import FixAtoms
from pydantic import ValidationError
from tests.label.conftest import write_potcar

from pfd.errors import InputError, SettingError
from pfd.label.k_mesh import k_divisions
from pfd.label.labeler import make_labeler
from pfd.label.vasp.incar import incar_text, incar_value, read_incar
from pfd.label.vasp.input import vasp_input
from pfd.label.vasp.labeler import Vasp
from pfd.label.vasp.recipe import VaspRecipe


@pytest.fixture
def vasp(potcar_dir):
    def make(**settings):
        given = {
            "potcar_dir": potcar_dir,
            "potcars": {"Fe": "Fe_pv", "O": "O", "Al": "Al", "Si": "Si", "H": "H"},
            "incar": {"ENCUT": 520},
            "kspacing_per_A": 0.3,
        }
        return Vasp(Vasp.Settings.model_validate(given | settings))

    return make


@pytest.fixture
def given(vasp):
    """The input of a frame under some settings."""

    def make(frame, **settings):
        return vasp_input(VaspRecipe(vasp(**settings).settings), frame)

    return make


def silicon():
    return bulk("Si")


# INCAR


def test_an_incar_is_read_as_vasp_reads_it():
    text = "System = a  b # c\n! all\nENCUT=520.0 ; ISMEAR = 0\nALGO = F\nlasph = t\n"
    text += "ROPT = 1d-3 \\\n 2*-5E-4\nLREAL=.FALSE.\n"
    assert read_incar(text) == {
        "SYSTEM": "a  b",
        "ENCUT": 520,
        "ISMEAR": 0,
        "ALGO": "F",
        "LASPH": True,
        "ROPT": (0.001, -0.0005, -0.0005),
        "LREAL": False,
    }


@pytest.mark.parametrize(
    "text",
    ["ENCUT 520", "ENCUT =", "ENCUT = 400\nENCUT = 500", 'WANNIER90_WIN = "\nnum_wann = 3\n"', "KERNEL { ENCUT = 4 }"],
)
def test_what_is_no_incar_is_refused(text):
    with pytest.raises(ValueError, match=r"KEY = value|stands twice"):
        read_incar(text)


def test_an_incar_is_written_so_that_it_reads_back():
    keys = {
        "ENCUT": 520,
        "EDIFF": 1e-7,
        "LASPH": True,
        "GGA": "PS",
        "MAGMOM": (*[5.0] * 200, *(round(0.001 * n, 6) for n in range(90))),
    }
    keys["MAGMOM"] = incar_value("MAGMOM", keys["MAGMOM"])
    text = incar_text(keys)
    assert "200*5 " in text
    assert max(map(len, text.splitlines())) <= 124
    assert read_incar(text) == keys


@pytest.mark.parametrize(
    ("one", "other"), [(520, "520."), (1e-6, "1E-06"), (True, ".True."), ([1, 2], "1 2.0"), ([0.5], "0.5")]
)
def test_one_value_has_one_form(one, other):
    assert incar_value("LASPH", one) == incar_value("LASPH", other)


def test_a_static_run_with_stress_and_without_large_files_is_written(given):
    keys = given(silicon()).incar
    expected = {"NSW": 0, "IBRION": -1, "ISIF": 2, "ISTART": 0, "ICHARG": 2, "LWAVE": False, "LCHARG": False}
    assert {key: keys[key] for key in expected} == expected
    assert {key: keys[key] for key in ("PREC", "EDIFF", "NELM", "ISMEAR", "SIGMA", "ENCUT")} == {
        "PREC": "Accurate",
        "EDIFF": 1e-6,
        "NELM": 100,
        "ISMEAR": 0,
        "SIGMA": 0.05,
        "ENCUT": 520,
    }
    assert not {"MAGMOM", "ISPIN", "NELECT", "LDAU", "KSPACING", "LDIPOL"} & set(keys)


def test_keys_of_the_user_win_over_ours_but_not_over_the_run(given, tmp_path):
    keys = given(silicon(), incar={"ENCUT": 300, "ISMEAR": 1, "nelm": 40, "LWAVE": True, "NSW": 0, "ISIF": 3}).incar
    assert (keys["ISMEAR"], keys["NELM"], keys["LWAVE"], keys["ISIF"]) == (1, 40, True, 3)
    assert "SIGMA" not in keys  # VASP's own belongs to the smearing that the user chose
    (tmp_path / "INCAR").write_text("ENCUT = 400\nPREC = Normal\nKSPACING = 0.5\n")
    filed = given(silicon(), incar={"EDIFF": 1e-7}, incar_file=tmp_path / "INCAR", kspacing_per_A=None)
    assert {key: filed.incar[key] for key in ("ENCUT", "PREC", "EDIFF")} == {
        "ENCUT": 400,
        "PREC": "Normal",
        "EDIFF": 1e-7,
    }
    assert filed.kpoints.splitlines()[2:4] == ["Gamma", "5 5 5"]


MISTAKES = {
    "misspelt": ({"ENCTU": 520}, "unknown key; did you mean ENCUT?"),
    "a relaxation": ({"NSW": 50}, "labels are static calculations, with NSW = 0"),
    "molecular dynamics": ({"IBRION": 0}, "labels are static calculations"),
    "from a charge": ({"ICHARG": 11}, "labels are static calculations"),
    "no stress": ({"ISIF": 0}, "VASP computes no stress below ISIF = 2"),
    "moments by hand": ({"MAGMOM": "8*5"}, "finetune.label.magmoms"),
    "U by hand": ({"LDAUU": "5.3 0"}, "finetune.label.hubbard"),
    "electrons by hand": ({"NELECT": 100}, "the charge is that of the frame"),
    "no number": ({"NELM": "many"}, "write a whole number of electronic steps"),
    "a force field": ({"ML_LMLFF": True}, "those of a force field"),
    "pressure": ({"PSTRESS": 10}, "labels hold none"),
    "twice": ({"ENCUT": 1, "encut": 2}, "a key stands twice"),
}


@pytest.mark.parametrize(("incar", "told"), MISTAKES.values(), ids=MISTAKES)
def test_keys_that_would_spoil_labels_are_refused_in_the_input(vasp, incar, told):
    with pytest.raises(ValidationError, match=re.escape(told)):
        vasp(incar={"ENCUT": 520} | incar if told[:5] != "a key" else incar)


@pytest.mark.parametrize(("incar", "told"), [each for name, each in MISTAKES.items() if name != "twice"])
def test_keys_that_would_spoil_labels_are_refused_in_the_file(vasp, tmp_path, incar, told):
    path = tmp_path / "INCAR"
    path.write_text("".join(f"{key} = {value}\n" for key, value in incar.items()))
    with pytest.raises(SettingError, match=re.escape(told)) as caught:
        vasp(incar_file=path).level_of_theory()
    assert str(path) in caught.value.where


def test_what_vasp_does_anyway_may_be_written_and_new_keys_may_be_named(vasp):
    plain = vasp().level_of_theory()
    usual = {
        "ENCUT": 520.0,
        "NSW": 0,
        "ISIF": 2,
        "ISPIN": 1,
        "LREAL": ".FALSE.",
        "PSTRESS": 0,
        "LDAU": False,
        "KGAMMA": True,
    }
    assert vasp(incar=usual).level_of_theory() == plain
    named = vasp(incar={"ENCUT": 520, "LBRANDNEW": True}, incar_also_known=["LBRANDNEW"]).level_of_theory()
    assert "LBRANDNEW T" in named


def test_contradictions_are_refused(vasp, tmp_path):
    path = tmp_path / "INCAR"
    path.write_text("ENCUT = 520\nKSPACING = 0.4\n")
    both = vasp(incar_file=path, kspacing_per_A=None)
    with pytest.raises(SettingError, match=r"label\.incar gives ENCUT too"):
        both.level_of_theory()
    path.write_text("KSPACING = 0.4\n")
    with pytest.raises(SettingError, match="k-points are given twice: kspacing_per_A, KSPACING"):
        vasp(incar_file=path).level_of_theory()
    with pytest.raises(ValidationError, match="kpoints_file and kspacing_per_A exclude each other"):
        vasp(kpoints_file=path)
    with pytest.raises(SettingError, match="no k-points are given"):
        vasp(kspacing_per_A=None).level_of_theory()
    with pytest.raises(SettingError, match="no ENCUT"):
        vasp(incar={}).level_of_theory()
    with pytest.raises(SettingError, match="ISPIN 1 exclude each other"):
        vasp(incar={"ENCUT": 520, "ISPIN": 1}, magmoms={"Fe": 5}).level_of_theory()
    with pytest.raises(SettingError, match="no POTCAR for Mn"):
        vasp(hubbard={"Mn": {"orbital": "d", "U_eV": 3.9}}).level_of_theory()
    with pytest.raises(SettingError, match="INCAR sets IDIPOL, LDIPOL too"):
        vasp(incar={"ENCUT": 520, "LDIPOL": True, "IDIPOL": 3}, dipole_correction=True).level_of_theory()
    with pytest.raises(ValidationError, match="name the POTCAR of each element"):
        vasp(potcars=["Si"])
    for file in ("incar_file", "kpoints_file"):
        with pytest.raises(SettingError, match="not readable"):
            vasp(**{file: tmp_path / "gone", "kspacing_per_A": None}).level_of_theory()


def test_mistakes_of_the_section_name_the_key(monkeypatch):
    monkeypatch.setattr("pfd.label.labeler.load_plugin", lambda *_args, **_options: Vasp)
    with pytest.raises(SettingError) as caught:
        make_labeler({"method": "vasp", "potcar_dir": ".", "potcars": {"Si": "Si"}, "kspacing": 0.3})
    assert caught.value.where == "finetune.label.kspacing"
    assert "did you mean 'kspacing_per_A'?" in caught.value.hint


# POTCAR


def test_potcars_are_joined_in_the_order_of_poscar(given, tmp_path):
    frame = molecule("H2O", vacuum=4.0)
    found = given(frame)
    assert [potcar.element for potcar in found.potcars] == ["O", "H"]
    found.write(tmp_path, {"NELM": 7})
    assert re.findall(r"VRHFIN =(\w+)", (tmp_path / "POTCAR").read_text()) == ["O", "H"]
    assert (tmp_path / "POSCAR").read_text().splitlines()[5:8] == [" O   H  ", "   1   2", "Direct"]
    assert "NELM = 7\n" in (tmp_path / "INCAR").read_text()


def test_potcars_are_found_in_the_usual_places(vasp, potcar_dir):
    text = (potcar_dir / "Si" / "POTCAR").read_text()
    plain = vasp(potcars={"Si": "Si"}).level_of_theory()
    for place, content in (
        ("gz/Si/POTCAR.gz", gzip.compress(text.encode())),
        ("flat/POTCAR.Si", text.encode()),
        ("both/POTCAR.Si.gz", gzip.compress(text.encode())),
    ):
        path = potcar_dir / place
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        found = vasp(potcars={"Si": "Si"}, potcar_dir=potcar_dir / place.split("/")[0])
        assert found.level_of_theory() == plain


def test_potcars_that_do_not_fit_are_named(vasp, potcar_dir):
    write_potcar(potcar_dir, "Al", "Al_LDA", 3.0, exchange="CA")
    text = (potcar_dir / "Si" / "POTCAR").read_text()
    for name, content in (("cut", text[: text.index("   End")]), ("two", text + text), ("none", "hello\n")):
        (potcar_dir / name).mkdir()
        (potcar_dir / name / "POTCAR").write_text(content)
    for named, told in (
        ({"Si": "Si_sv"}, "no POTCAR 'Si_sv' in"),
        ({"Si": "Al"}, "is of Al"),
        ({"Si": "cut"}, "cut short"),
        ({"Si": "none"}, "is no POTCAR"),
        ({"Si": "two"}, "holds 2 data sets"),
        ({"Si": "Si", "Al": "Al_LDA"}, "different functionals: CA, PE"),
    ):
        with pytest.raises(InputError, match=told) as caught:
            vasp(potcars=named).level_of_theory()
        assert caught.value.where.startswith("finetune.label.potcars")


# k-points, cell, slabs and molecules


def test_the_mesh_is_that_of_kspacing(given):
    cell = bulk("Al", "sc", a=5.0)
    assert k_divisions(cell, 0.2) == (7, 7, 7)  # 2 pi / 5 / 0.2 = 6.28
    assert k_divisions(cell, 2 * np.pi / 5 / 4 * (1 - 1e-9)) == (4, 4, 4)
    assert given(cell, kspacing_per_A=0.2).kpoints == "k-points\n0\nGamma\n7 7 7\n0 0 0\n"
    slab = fcc111("Al", (1, 1, 3), vacuum=6.0)
    assert given(slab).kpoints.splitlines()[3].endswith(" 1")
    assert given(molecule("H2", vacuum=6.0)).kpoints.splitlines()[3] == "1 1 1"


def test_a_kpoints_file_is_used_as_it_is_and_must_know_the_vacuum(given, vasp, tmp_path):
    path = tmp_path / "KPOINTS"
    path.write_text("mine\n0\nMonkhorst-Pack\n 4 4 1\n0. 0. 0.\n")
    here = {"kpoints_file": path, "kspacing_per_A": None}
    assert given(silicon(), **here).kpoints == path.read_text()
    assert given(fcc111("Al", (1, 1, 3), vacuum=6.0), **here).kpoints == path.read_text()
    one = vasp(**here).level_of_theory()
    path.write_text("mine\n0\nMonkhorst-Pack\n 4 4 4\n0. 0. 0.\n")
    assert vasp(**here).level_of_theory() != one
    with pytest.raises(InputError, match="one k-point along"):
        given(fcc111("Al", (1, 1, 3), vacuum=6.0), **here)
    path.write_text("list\n1\nReciprocal\n0 0 0 1\n")
    given(silicon(), **here)
    with pytest.raises(InputError, match="one k-point along"):
        given(molecule("H2", vacuum=6.0), **here)


def test_tetrahedra_need_four_points(given):
    with pytest.raises(InputError, match="needs 4 k-points, and the frame has 1"):
        given(silicon() * (4, 4, 4), incar={"ENCUT": 520, "ISMEAR": -5}, kspacing_per_A=1.0)


def test_frames_without_an_input_are_named_before_anything_runs(vasp, stand_in):
    labeler = vasp(command=stand_in("stand_in_vasp.py"))
    labeler.check([silicon()])
    left = silicon()
    left.set_cell(left.cell[[1, 0, 2]])
    for frame, told in (
        (bulk("Cu"), "no POTCAR for Cu"),
        (molecule("H2"), "needs a cell"),
        (left, "right-handed cells only"),
    ):
        with pytest.raises(InputError, match=told):
            labeler.check([silicon(), frame])


def test_constraints_and_velocities_do_not_reach_vasp(given):
    import ase.io

    frame = silicon() * (2, 1, 1)
    frame.set_constraint(FixAtoms([0]))
    frame.set_velocities(np.ones((4, 3)))
    poscar = given(frame).poscar
    assert poscar == given(silicon() * (2, 1, 1)).poscar
    back = ase.io.read(io.StringIO(poscar), format="vasp")
    np.testing.assert_allclose(back.positions, frame.positions, atol=1e-12)
    np.testing.assert_allclose(back.cell.array, frame.cell.array, atol=1e-12)


def test_the_dipole_correction_goes_along_the_vacuum(given):
    slab = fcc111("Al", (1, 1, 3), vacuum=6.0)
    keys = given(slab, dipole_correction=True).incar
    assert (keys["LDIPOL"], keys["IDIPOL"]) == (True, 3)
    assert keys["DIPOL"][2] == pytest.approx(0.5)
    assert given(molecule("H2", vacuum=6.0), dipole_correction=True).incar["IDIPOL"] == 4
    assert "LDIPOL" not in given(silicon(), dipole_correction=True).incar
    wire = fcc111("Al", (1, 1, 3), vacuum=6.0)
    wire.pbc = (True, False, False)
    with pytest.raises(InputError, match="not of wires"):
        given(wire, dipole_correction=True)


# Spin, charge and U


def iron_oxide():
    frame = bulk("NaCl", "rocksalt", a=4.2, cubic=True)
    frame.symbols[:] = ["Fe", "O"] * 4
    return frame


def test_moments_come_from_the_frame_before_the_input(given):
    frame = iron_oxide()
    assert given(frame, magmoms={"Fe": 5}).incar["MAGMOM"] == (5, 5, 5, 5, 0, 0, 0, 0)
    assert given(frame, magmoms={"Fe": 5}).incar["ISPIN"] == 2
    frame.set_initial_magnetic_moments([4, 0, -4, 0.1, 4, 0, -4, 0])
    assert given(frame, magmoms={"Fe": 5}).incar["MAGMOM"] == (4, -4, 4, -4, 0, 0.1, 0, 0)
    assert "MAGMOM" not in given(silicon(), magmoms={"Fe": 5}).incar


def test_the_spin_fixes_the_unpaired_electrons_and_the_charge_the_electrons(given):
    frame = iron_oxide()
    frame.info |= {"charge": -1, "spin": 2}
    keys = given(frame).incar
    assert (keys["ISPIN"], keys["NUPDOWN"], keys["NELECT"]) == (2, 1, 4 * 14 + 4 * 6 + 1)
    frame.info |= {"charge": 0, "spin": 1}
    assert not {"ISPIN", "NUPDOWN", "NELECT"} & set(given(frame).incar)
    frame.info["spin"] = 3
    with pytest.raises(InputError, match="2 unpaired electrons, and INCAR says otherwise"):
        given(frame, incar={"ENCUT": 520, "NUPDOWN": 4})
    with pytest.raises(InputError, match="INCAR says ISPIN 1"):
        given(frame, incar={"ENCUT": 520, "ISPIN": 1})


def test_moments_are_vectors_where_spins_are_free(given):
    frame = iron_oxide()
    free = {"ENCUT": 520, "LSORBIT": True}
    assert given(frame, incar=free, magmoms={"Fe": 5}).incar["MAGMOM"][:6] == (0, 0, 5, 0, 0, 5)
    frame.set_initial_magnetic_moments([[n, 0, 1] for n in range(8)])
    assert given(frame, incar=free).incar["MAGMOM"][:6] == (0, 0, 1, 2, 0, 1)
    with pytest.raises(InputError, match="moments are vectors"):
        given(frame)
    frame.info["spin"] = 3
    with pytest.raises(InputError, match="INCAR says otherwise"):
        given(frame, incar=free)


def test_u_goes_by_element_in_the_order_of_poscar(given):
    corrected = {"hubbard": {"Fe": {"orbital": "d", "U_eV": 5.3, "J_eV": 1}}}
    frame = iron_oxide()[::-1]
    keys = given(frame, **corrected).incar
    assert {key: keys[key] for key in keys if key.startswith("LDAU")} == {
        "LDAU": True,
        "LDAUTYPE": 2,
        "LDAUL": (-1, 2),
        "LDAUU": (0.0, 5.3),
        "LDAUJ": (0.0, 1.0),
    }
    assert keys["LMAXMIX"] == 4
    assert "LDAU" not in given(silicon(), **corrected).incar
    one = given(frame, incar={"ENCUT": 520, "LDAUTYPE": 1, "LMAXMIX": 6}, **corrected).incar
    assert (one["LDAUTYPE"], one["LMAXMIX"]) == (1, 6)


# The level of theory


def test_the_level_holds_the_physics_and_nothing_else(vasp, potcar_dir, tmp_path):
    level = vasp().level_of_theory()
    for part in (
        "VASP PBE,",
        "ENCUT 520",
        "kspacing 0.3/Å",
        "ISMEAR 0",
        "SIGMA 0.05",
        "PREC ACCURATE",
        "PAW_PBE Fe_pv",
    ):
        assert part in level
    assert str(potcar_dir) not in level
    assert "\n" not in level
    path = tmp_path / "INCAR"
    path.write_text("ENCUT = 5.2E2\nALGO = All ; NELM = 7\nLREAL = F\n")
    aids = {
        "ENCUT": 520,
        "ALGO": "All",
        "NELM": 9,
        "EDIFF": 1e-8,
        "AMIX": 0.1,
        "KPAR": 2,
        "NCORE": 4,
        "ISYM": 0,
        "LORBIT": 11,
    }
    for same in (
        vasp(command="mpirun -np 4 vasp_gam", wall_time="1d", ladder=False),
        vasp(incar=aids),
        vasp(incar={}, incar_file=path),
        vasp(incar={"ENCUT": 520, "KSPACING": 0.3}, kspacing_per_A=None),
    ):
        assert same.level_of_theory() == level
    (potcar_dir / "Si" / "POTCAR").write_text((potcar_dir / "Si" / "POTCAR").read_text().replace("nobody", "somebody"))
    changed = [
        *(
            vasp(incar={"ENCUT": 520} | more)
            for more in ({"ENCUT": 521}, {"ISMEAR": 1}, {"SIGMA": 0.1}, {"PREC": "Normal"})
        ),
        *(
            vasp(incar={"ENCUT": 520} | more)
            for more in ({"GGA": "PS"}, {"METAGGA": "R2SCAN"}, {"IVDW": 12}, {"LREAL": "A"})
        ),
        *(
            vasp(incar={"ENCUT": 520} | more)
            for more in ({"ISPIN": 2}, {"LASPH": True}, {"NBANDS": 99}, {"LHFCALC": True})
        ),
        vasp(),
        vasp(kspacing_per_A=0.31),
        vasp(magmoms={"Fe": 5}),
        vasp(hubbard={"Fe": {"orbital": "d", "U_eV": 5.3}}),
        vasp(dipole_correction=True),
        vasp(potcars={"Fe": "Fe_pv", "O": "O"}),
    ]
    levels = [level, *(each.level_of_theory() for each in changed)]
    assert len(set(levels)) == len(levels)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "PBE"),
        ({"incar": {"GGA": "ps"}}, "PBEsol"),
        ({"incar": {"METAGGA": "R2SCAN", "IVDW": 13}}, "r2SCAN+D4"),
        ({"incar": {"GGA": "PE", "IVDW": 11}, "hubbard": {"Fe": {"orbital": "d", "U_eV": 4}}}, "PBE+D3+U"),
        ({"incar": {"LHFCALC": True, "HFSCREEN": 0.2}}, "PBE hybrid"),
        ({"incar": {"GGA": "ML", "LUSE_VDW": True}}, "vdW-DF2+nonlocal vdW"),
    ],
)
def test_the_functional_is_named(vasp, settings, name):
    settings = settings | {"incar": {"ENCUT": 520} | settings.get("incar", {})}
    assert vasp(**settings).level_of_theory().startswith(f"VASP {name}, ENCUT 520,")


def test_only_aids_are_worth_another_try_of_a_rejected_frame(vasp, tmp_path):
    assert vasp().aids() == vasp(command="srun vasp", incar={"ENCUT": 400}).aids()
    path = tmp_path / "INCAR"
    path.write_text("ALGO = All\n")
    other = vasp(incar_file=path).aids()
    assert other == {"incar": {"ALGO": "All"}, "ladder": True} == vasp(incar={"ENCUT": 520, "ALGO": "All"}).aids()
    assert vasp(ladder=False).aids() != vasp().aids()


def test_the_ranks_of_the_command_are_told(vasp):
    assert vasp(command="mpirun -np 4 vasp_std").cores() == (4, "command")
    assert vasp().cores() is None
