"""What ABACUS is told: INPUT, STRU, KPT, pseudopotentials and orbitals by element, spin, U; and the level of theory."""

import re

import numpy as np
import pytest
from ase.build import bulk, fcc111, molecule
from ase.constraints import FixAtoms
from pydantic import ValidationError

from pfd.errors import InputError, SettingError
from pfd.label.abacus.labeler import Abacus
from pfd.label.labeler import make_labeler

ORBITALS = {element: f"{element}.orb" for element in ("Fe", "O", "Al", "H", "Si")}


@pytest.fixture
def abacus(pseudo_dir):
    def make(**settings):
        given = {
            "pseudo_dir": pseudo_dir,
            "pseudopotentials": {element: f"{element}.upf" for element in ("Fe", "O", "Al", "H", "Si")},
            "ecutwfc_Ry": 60,
        }
        return Abacus(Abacus.Settings.model_validate(given | settings))

    return make


@pytest.fixture
def written(abacus, tmp_path):
    """The files of a frame under some settings, and the keys of INPUT."""
    count = iter(range(100))

    def make(frame, **settings):
        folder = tmp_path / f"written-{next(count)}"
        folder.mkdir()
        abacus(**settings).prepare(frame).write(folder, {})
        lines = (folder / "INPUT").read_text().splitlines()
        assert lines[0] == "INPUT_PARAMETERS"
        return folder, dict(line.split(maxsplit=1) for line in lines[1:])

    return make


def iron_oxide():
    frame = bulk("NaCl", "rocksalt", a=4.2, cubic=True)
    frame.symbols[:] = ["Fe", "O"] * 4
    return frame


def test_the_input_of_a_plain_crystal(written, pseudo_dir):
    folder, keys = written(bulk("Si"))
    expected = {
        "suffix": "pfd",
        "calculation": "scf",
        "esolver_type": "ksdft",
        "basis_type": "pw",
        "ntype": "1",
        "stru_file": "STRU",
        "kpoint_file": "KPT",
        "pseudo_dir": "./",
        "orbital_dir": "./",
        "ecutwfc": "60",
        "scf_thr": "1e-09",
        "scf_nmax": "100",
        "mixing_beta": "0.4",
        "smearing_method": "gauss",
        "smearing_sigma": "0.01",
        "cal_force": "1",
        "cal_stress": "1",
        "init_chg": "atomic",
    }
    assert keys == expected
    assert (folder / "Si.upf").resolve() == (pseudo_dir / "Si.upf").resolve()
    assert (folder / "KPT").read_text() == "K_POINTS\n0\nGamma\n11 11 11 0 0 0\n"  # 2 pi sqrt(3) / 5.43 / 0.2 = 10.02


@pytest.mark.parametrize("orbitals", [False, True])
def test_dpdata_reads_the_structure_that_was_meant(written, orbitals):
    dpdata = pytest.importorskip("dpdata", reason="the extra `data` is not installed")
    frame = iron_oxide() * (2, 1, 1)
    frame.set_cell(frame.cell.array + np.random.default_rng(0).normal(0, 0.2, (3, 3)), scale_atoms=True)
    frame.rattle(0.3, seed=2)
    frame.set_constraint(FixAtoms([0]))
    folder, _ = written(frame, **({"basis": "lcao", "orbitals": ORBITALS} if orbitals else {}))
    data = dpdata.System(str(folder / "STRU"), fmt="abacus/stru").data
    order = [*range(0, 16, 2), *range(1, 16, 2)]
    assert [data["atom_names"][kind] for kind in data["atom_types"]] == [frame.symbols[index] for index in order]
    scale = frame.cell[0, 0] / data["cells"][0][0, 0]  # its Bohr differs from ours in the tenth digit
    np.testing.assert_allclose(data["cells"][0] * scale, frame.cell.array, atol=1e-6)
    np.testing.assert_allclose(data["coords"][0] * scale, frame.positions[order], atol=1e-6)
    assert scale == pytest.approx(1.0, abs=1e-8)


def test_the_unit_of_length_is_a_whole_number_of_bohr(written):
    text = (written(bulk("Al") * (3, 1, 1))[0] / "STRU").read_text()
    assert re.search(r"LATTICE_CONSTANT\n17\n", text)  # 3 x 2.864 Å is 16.2 Bohr
    numbers = re.search(r"LATTICE_VECTORS\n(.*?)\n\n", text, re.DOTALL)[1].split()
    assert max(abs(float(number)) for number in numbers) <= 1.0


def test_k_points_follow_the_cell_and_stop_at_vacuum(written):
    slab = fcc111("Al", (1, 1, 3), vacuum=6.0)
    folder, keys = written(slab)
    assert (folder / "KPT").read_text().splitlines()[3].split()[2] == "1"
    assert keys["cal_stress"] == "0"
    assert "1 1 1 0 0 0" in (written(molecule("H2", vacuum=6.0))[0] / "KPT").read_text()


def test_a_kpt_file_is_used_as_it_is_and_must_know_the_vacuum(written, abacus, tmp_path):
    path = tmp_path / "KPT"
    path.write_text("K_POINTS\n0\nGamma\n4 4 1 0 0 0\n")
    slab = fcc111("Al", (1, 1, 3), vacuum=6.0)
    assert (written(slab, kpt_file=path)[0] / "KPT").read_text() == path.read_text()
    one = abacus(kpt_file=path).level_of_theory()
    path.write_text("K_POINTS\n0\nGamma\n4 4 4 0 0 0\n")
    assert abacus(kpt_file=path).level_of_theory() != one
    with pytest.raises(InputError, match="one k-point along"):
        written(slab, kpt_file=path)
    with pytest.raises(ValidationError, match="exclude each other"):
        abacus(kpt_file=path, kspacing_per_A=0.1)
    with pytest.raises(SettingError, match="not readable"):
        abacus(kpt_file=tmp_path / "gone").level_of_theory()


def test_orbitals_are_named_linked_and_checked(written, abacus, pseudo_dir, tmp_path):
    own = tmp_path / "orbitals"
    own.mkdir()
    for element in ("Fe", "O"):
        (own / f"{element}.orb").write_text((pseudo_dir / f"{element}.orb").read_text())
    two = {element: f"{element}.upf" for element in ("Fe", "O")}
    settings = {
        "basis": "lcao",
        "orbitals": {"Fe": "Fe.orb", "O": "O.orb"},
        "orbital_dir": own,
        "pseudopotentials": two,
    }
    folder, keys = written(iron_oxide(), **settings)
    assert (folder / "O.orb").resolve() == (own / "O.orb").resolve()
    assert (keys["basis_type"], keys["scf_thr"]) == ("lcao", "1e-07")
    assert "NUMERICAL_ORBITAL\nFe.orb\nO.orb\n" in (folder / "STRU").read_text()
    level = abacus(**settings).level_of_theory()
    assert ", lcao, ecutwfc 60 Ry," in level
    (own / "O.orb").write_text((own / "O.orb").read_text().replace("Lmax                        2", "Lmax  3"))
    assert abacus(**settings).level_of_theory() != level
    for content, told in (
        (None, "no such orbital file"),
        ("hello", "is no file of numerical"),
        ("Fe", "holds orbitals of Fe"),
    ):
        (own / "O.orb").unlink(missing_ok=True)
        if content is not None:
            (own / "O.orb").write_text((own / "Fe.orb").read_text() if content == "Fe" else content)
        with pytest.raises(InputError, match=told) as caught:
            abacus(**settings).level_of_theory()
        assert caught.value.where == "finetune.label.orbitals.O"


def test_charge_spin_and_moments_are_honoured(written):
    frame = iron_oxide()
    frame.set_initial_magnetic_moments([4, 0, -4, 0.5, 4, 0, -4, 0])
    frame.info |= {"charge": -1, "spin": 2}
    folder, keys = written(frame, magmoms={"O": 1.0})
    assert (keys["nspin"], keys["nupdown"], keys["nelec"]) == ("2", "1", str(4 * 16 + 4 * 6 + 1))
    moments = re.findall(r" mag (\S+)", (folder / "STRU").read_text())
    assert [float(moment) for moment in moments] == [4, -4, 4, -4, 0, 0.5, 0, 0]
    plain = iron_oxide()
    assert not {"nspin", "nupdown", "nelec"} & set(written(plain)[1])
    folder, keys = written(plain, magmoms={"Fe": 5})
    assert keys["nspin"] == "2"
    assert re.findall(r" mag (\S+)", (folder / "STRU").read_text()) == ["5.000000"] * 4 + ["0.000000"] * 4
    with pytest.raises(InputError, match=r"label\.input says nspin 1"):
        written(frame, input={"nspin": 1})
    plain.set_initial_magnetic_moments(np.ones((8, 3)))
    with pytest.raises(InputError, match="moments are vectors"):
        written(plain)


def test_u_goes_by_element_in_the_order_of_stru(written, abacus):
    corrected = {"hubbard": {"Fe": {"orbital": "d", "U_eV": 5.3}}}
    keys = written(iron_oxide()[::-1], **corrected)[1]
    assert (keys["dft_plus_u"], keys["orbital_corr"], keys["hubbard_u"]) == ("1", "-1 2", "0 5.3")
    assert "dft_plus_u" not in written(bulk("Si"), **corrected)[1]
    with pytest.raises(SettingError, match="no pseudopotential for Mn"):
        abacus(hubbard={"Mn": {"orbital": "d", "U_eV": 3.9}}).level_of_theory()


def test_the_dipole_correction_goes_along_the_vacuum_of_slabs(written):
    keys = written(fcc111("Al", (1, 1, 3), vacuum=6.0), dipole_correction=True)[1]
    assert (keys["efield_flag"], keys["dip_cor_flag"], keys["efield_dir"], keys["efield_amp"]) == ("1", "1", "2", "0")
    assert "efield_flag" not in written(bulk("Si"), dipole_correction=True)[1]
    with pytest.raises(InputError, match="slabs only"):
        written(molecule("H2", vacuum=6.0), dipole_correction=True)


def test_more_keys_reach_abacus(written):
    keys = written(bulk("Si"), input={"VDW_method": "d3_bj", "mixing_gg0": 1.5, "symmetry": -1, "out_chg": [0, 3]})[1]
    assert (keys["vdw_method"], keys["mixing_gg0"], keys["symmetry"], keys["out_chg"]) == ("d3_bj", "1.5", "-1", "0 3")


MISTAKES = {
    "a key of the labeler": ({"input": {"ecutwfc": 50}}, "write finetune.label.ecutwfc_Ry"),
    "in upper case": ({"input": {"NELEC": 50}}, "the charge is that of the frame"),
    "k-points in 1/Bohr": ({"input": {"kspacing": 0.1}}, "ABACUS counts in 1/Bohr"),
    "free spins": ({"input": {"nspin": 4}}, "moments are collinear here"),
    "spin-orbit coupling": ({"input": {"lspinorb": True}}, "moments are collinear here"),
    "orbitals missing": ({"basis": "lcao", "orbitals": {"Fe": "Fe.orb"}}, "needs those of Al, H, O, Si too"),
    "orbitals for plane waves": ({"orbitals": ORBITALS}, "write basis: lcao"),
    "exchange": ({"hubbard": {"Fe": {"orbital": "d", "U_eV": 5, "J_eV": 1}}}, "write U - J as U_eV"),
    "an s shell": ({"hubbard": {"Fe": {"orbital": "s", "U_eV": 5}}}, "corrects p, d and f shells"),
    "no command": ({"command": " "}, "the command is empty"),
    "no time": ({"wall_time": 0}, "must be positive"),
}


@pytest.mark.parametrize(("settings", "told"), MISTAKES.values(), ids=MISTAKES)
def test_senseless_settings_are_refused(abacus, settings, told):
    with pytest.raises(ValidationError, match=re.escape(told)):
        abacus(**settings)


def test_mistakes_of_the_section_name_the_key(monkeypatch):
    monkeypatch.setattr("pfd.label.labeler.load_plugin", lambda *_args, **_options: Abacus)
    with pytest.raises(SettingError) as caught:
        make_labeler({"method": "abacus", "pseudo_dir": ".", "pseudopotentials": {"Si": "Si.upf"}, "ecutwfc": 60})
    assert caught.value.where in {"finetune.label.ecutwfc", "finetune.label.ecutwfc_Ry"}


def test_frames_without_an_input_are_named_before_anything_runs(abacus, stand_in):
    labeler = abacus(command=stand_in("stand_in_abacus.py"))
    labeler.check([bulk("Si")])
    with pytest.raises(InputError, match="no pseudopotential for Cu"):
        labeler.check([bulk("Si"), bulk("Cu")])
    with pytest.raises(InputError, match="needs a cell"):
        labeler.check([molecule("H2")])
    mixed = abacus(command=stand_in("stand_in_abacus.py"), pseudopotentials={"Si": "Si.upf", "Al": "Al_lda.upf"})
    with pytest.raises(InputError, match="different functionals: PBE, PZ"):
        mixed.check([])


def test_the_level_holds_the_physics_and_nothing_else(abacus, pseudo_dir):
    level = abacus().level_of_theory()
    for part in ("ABACUS PBE, pw, ecutwfc 60 Ry, kspacing 0.2/Å, smearing gaussian 0.01 Ry, pseudopotentials ",):
        assert level.startswith(part)
    assert str(pseudo_dir) not in level
    aids = {
        "ks_solver": "cg",
        "mixing_type": "pulay",
        "mixing_gg0": 0,
        "symmetry": 0,
        "kpar": 2,
        "out_chg": 1,
        "nspin": 1,
    }
    same = abacus(
        command="mpirun -np 4 abacus",
        wall_time="1d",
        ladder=False,
        mixing_beta=0.1,
        max_scf_steps=7,
        scf_thr=1e-6,
        input=aids,
    )
    assert same.level_of_theory() == level
    changed = [
        *(abacus(ecutwfc_Ry=61), abacus(kspacing_per_A=0.3), abacus(smearing="cold"), abacus(sigma_Ry=0.02)),
        *(abacus(smearing="none"), abacus(magmoms={"Fe": 5}), abacus(dipole_correction=True)),
        *(abacus(hubbard={"Fe": {"orbital": "d", "U_eV": 5.3}}), abacus(input={"vdw_method": "d3_bj"})),
        *(abacus(input={"dft_functional": "pbesol"}), abacus(input={"nspin": 2}), abacus(input={"ecutrho": 300})),
        *(abacus(basis="lcao", orbitals=ORBITALS), abacus(pseudopotentials={"Si": "Si.upf"})),
    ]
    levels = [level, *(each.level_of_theory() for each in changed)]
    assert len(set(levels)) == len(levels)
    decided = abacus(pseudopotentials={"Si": "Si.upf", "Al": "Al_lda.upf"}, input={"dft_functional": "pbe"})
    assert decided.level_of_theory().startswith("ABACUS PBE,")
    assert abacus(hubbard={"Fe": {"orbital": "d", "U_eV": 5.3}}).level_of_theory().startswith("ABACUS PBE+U,")


def test_the_ranks_of_the_command_are_told(abacus):
    assert abacus(command="mpirun -np 4 abacus").cores() == (4, "command")
    assert abacus().cores() is None
