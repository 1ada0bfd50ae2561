"""Presets are pymatgen's sets: what they say reaches VASP, what the user says wins, and one campaign has one level."""

import pytest
from ase.build import bulk, fcc111
from tests.label.conftest import write_potcar

from pfd.errors import InputError, MissingError
from pfd.label.vasp.input import vasp_input
from pfd.label.vasp.labeler import Vasp
from pfd.label.vasp.recipe import VaspRecipe

pytest.importorskip("pymatgen", reason="the extra `structures` is not installed")


@pytest.fixture
def vasp(potcar_dir):
    def make(preset, **settings):
        given = {"preset": preset, "potcar_dir": potcar_dir, "potcars": ["Fe", "O"]}
        return Vasp(Vasp.Settings.model_validate(given | settings))

    return make


@pytest.fixture
def given(vasp):
    def make(frame, preset, **settings):
        return vasp_input(VaspRecipe(vasp(preset, **settings).settings), frame)

    return make


def iron_oxide():
    frame = bulk("NaCl", "rocksalt", a=4.2, cubic=True)
    frame.symbols[:] = ["O", "Fe"] * 4
    return frame


SETS = {
    "MatPES-PBE": ("MatPESStaticSet", {"xc_functional": "PBE"}),
    "MatPES-PBE+U": ("MatPESStaticSet", {"xc_functional": "PBE+U"}),
    "MatPES-r2SCAN": ("MatPESStaticSet", {"xc_functional": "R2SCAN"}),
    "MP-static": ("MPStaticSet", {}),
    "MP-r2SCAN-static": ("MPScanStaticSet", {}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SETS)
def test_every_key_of_the_set_reaches_vasp(given, name):
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.io.vasp import sets

    frame = iron_oxide()
    kind, options = SETS[name]
    theirs = getattr(sets, kind)(AseAtomsAdaptor.get_structure(frame), **options)
    assert [site.specie.symbol for site in theirs.structure] == ["Fe"] * 4 + ["O"] * 4  # it sorts; POSCAR is O, Fe here
    ours = given(frame, name)
    large_files = {"LAECHG", "LCHARG", "LELF", "LVHAR", "LVTOT", "LWAVE"}
    for key, value in theirs.incar.items():
        if key == "KSPACING":
            assert ours.kpoints.splitlines()[2:4] == ["Gamma", "7 7 7"]  # 2 pi / 4.2 / 0.22 = 6.8
        elif key == "MAGMOM":
            assert list(ours.incar[key]) == value[::-1]
        elif key in {"LDAUL", "LDAUU", "LDAUJ"}:
            none = -1 if key == "LDAUL" else 0
            expected = [none if u == 0 else each for each, u in zip(value, theirs.incar["LDAUU"], strict=True)]
            assert list(ours.incar[key]) == expected[::-1]
        elif key == "EDIFF":
            assert ours.incar[key] == min(value, 1e-5)
        elif key not in large_files:
            assert str(ours.incar[key]).lower() == str(value).lower().removesuffix(".0"), key
    assert not any(ours.incar.get(key) for key in large_files)
    if theirs.kpoints is not None:
        assert ours.kpoints.splitlines()[3] == " ".join(map(str, theirs.kpoints.kpts[0]))
        assert ours.kpoints.splitlines()[2] == theirs.kpoints.style.name
    assert [potcar.title.split()[1] for potcar in ours.potcars] == list(theirs.potcar_symbols)[::-1] == ["O", "Fe_pv"]
    assert (ours.incar["NSW"], ours.incar["IBRION"], ours.incar["ISIF"]) == (0, -1, 2)


def test_the_user_wins_over_the_preset(given, vasp):
    mine = {"incar": {"ENCUT": 700, "LCHARG": True}, "kspacing_per_A": 1.0, "magmoms": {"O": 0.0}}
    found = given(iron_oxide(), "MatPES-PBE", **mine)
    assert found.incar["ENCUT"] == 700
    assert found.incar["LCHARG"] is True
    assert found.incar["MAGMOM"] == (0, 0, 0, 0, 5, 5, 5, 5)
    assert found.kpoints.splitlines()[3] == "2 2 2"
    u = given(iron_oxide(), "MP-static", hubbard={"Fe": {"orbital": "d", "U_eV": 4}}).incar["LDAUU"]
    assert u == (0.0, 4.0)
    assert "ENCUT 700" in vasp("MatPES-PBE", **mine).level_of_theory()


def test_a_preset_is_the_same_level_as_its_keys(vasp):
    written = {
        "ENCUT": 680,
        "GGA": "PE",
        "ISMEAR": 0,
        "ISPIN": 2,
        "LASPH": True,
        "PREC": "Accurate",
        "SIGMA": 0.05,
        "KSPACING": 0.22,
    }
    by_hand = vasp(None, potcars={"Fe": "Fe_pv", "O": "O"}, magmoms={"Fe": 5, "O": 0.6}, incar=written)
    level = vasp("MatPES-PBE").level_of_theory()
    assert by_hand.level_of_theory() == level
    assert level.startswith("VASP PBE, ENCUT 680, kspacing 0.22/Å")
    levels = {name: vasp(name).level_of_theory() for name in SETS}
    assert len(set(levels.values())) == len(levels)
    assert levels["MatPES-r2SCAN"].startswith("VASP r2SCAN, ")
    assert levels["MP-static"].startswith("VASP PBE+U, ENCUT 520, k-points of MP-static")


def test_one_campaign_has_one_level(given):
    iron = bulk("Fe", cubic=True)
    assert "LDAU" not in given(iron, "MatPES-PBE").incar
    with pytest.raises(InputError, match="the preset MP-static chooses the Hubbard U by the frame"):
        given(iron, "MP-static")  # oxides get U, metals do not: one set cannot hold both
    assert given(iron, "MP-static", hubbard={"Fe": {"orbital": "d", "U_eV": 4}}).incar["LDAUU"] == (4.0,)
    given(iron, "MP-static", potcars=["Fe"])
    with pytest.raises(InputError, match="chooses ISMEAR by the frame"):
        given(iron_oxide() * (4, 4, 4), "MP-static")  # too few k-points for tetrahedra: the set turns to a smearing


def test_vacuum_gets_one_k_point_with_a_preset_too(given, potcar_dir):
    for element in ("Al", "Cu"):
        write_potcar(potcar_dir, element, element if element == "Al" else "Cu_pv", 3.0)
    slab = fcc111("Al", (1, 1, 3), vacuum=8.0)
    for name, counts in (("MatPES-PBE", (12, 12, 1)), ("MP-static", (None, None, 1))):
        mesh = [int(word) for word in given(slab, name, potcars=["Al"]).kpoints.splitlines()[3].split()]
        assert all(one == other for one, other in zip(mesh, counts, strict=True) if other is not None)
        assert mesh[0] > 4


def test_without_pymatgen_the_extra_is_named(vasp, monkeypatch):
    monkeypatch.setattr("pfd.plugins.find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"the preset MatPES-PBE needs pymatgen") as caught:
        vasp("MatPES-PBE").level_of_theory()
    assert "structures" in caught.value.hint


def test_an_element_that_the_set_does_not_know_is_named(vasp):
    with pytest.raises(InputError, match="does not know"):
        vasp("MatPES-PBE", potcars=["Lr"]).level_of_theory()
