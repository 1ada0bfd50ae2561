"""Structures to start from: alloys, defects, slabs, interfaces."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pfd.errors import SettingError
from pfd.frames import frame_id
from pfd.frames.alloy import AlloySettings, build_alloys, neighbour_shells, pair_error
from pfd.frames.defects import DefectSettings, voids, with_defects
from pfd.frames.neighbours import closest_contact
from pfd.frames.slab import InterfaceSettings, SlabSettings, build_interfaces, cut_slabs
from pfd.frames.structures import StructureSettings, build_structures


def copper(repeat: int = 2) -> Atoms:
    return bulk("Cu", cubic=True).repeat(repeat)


class TestAlloy:
    @given(st.floats(0.0, 1.0), st.integers(0, 100))
    def test_numbers_of_atoms_are_the_composition(self, gold: float, seed: int) -> None:
        (alloy,) = build_alloys(
            copper(), AlloySettings(elements=("Cu", "Au"), fractions=((1.0 - gold, gold),), count=1), seed
        )
        assert len(alloy) == 32
        assert abs((alloy.numbers == 79).sum() - 32 * gold) < 1.0

    def test_open_compositions_cover_the_range(self) -> None:
        alloys = build_alloys(copper(), AlloySettings(elements=("Cu", "Au"), count=16), 3)
        gold = np.sort([(alloy.numbers == 79).mean() for alloy in alloys])
        assert np.abs(gold - (np.arange(16) + 0.5) / 16).max() < 0.1  # chance alone would leave holes of 0.2

    def test_only_the_sites_asked_for_are_occupied(self) -> None:
        salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat(2)
        for alloy in build_alloys(salt, AlloySettings(elements=("Na", "K"), sites="Na", count=3), 0):
            assert (alloy.numbers == 17).sum() == 32
            assert (alloy.numbers[salt.numbers == 17] == 17).all()
        with pytest.raises(SettingError, match="no site of Mg"):
            build_alloys(salt, AlloySettings(elements=("Na", "K"), sites="Mg"), 0)

    def test_the_volume_follows_the_radii(self) -> None:
        gold = AlloySettings(elements=("Cu", "Au"), fractions=((0.0, 1.0),), count=1)
        (scaled,) = build_alloys(copper(), gold, 0)
        assert scaled.cell.volume == pytest.approx(copper().cell.volume * (1.36 / 1.32) ** 3)
        assert scaled.get_masses()[0] == pytest.approx(196.967, abs=0.01)
        (kept,) = build_alloys(copper(), gold.model_copy(update={"scale_volume": False}), 0)
        assert kept.cell.volume == pytest.approx(copper().cell.volume)

    def test_quasi_random_structures_have_the_correlations_of_chance(self) -> None:
        half = {"elements": ("Cu", "Au"), "fractions": ((0.5, 0.5),), "count": 4}
        shells = neighbour_shells(copper(), 2)
        assert [len(first) for first, _ in shells] == [32 * 12, 32 * 6]
        errors = {
            arrangement: [
                pair_error((alloy.numbers == 79).astype(int), shells, 2)
                for alloy in build_alloys(copper(), AlloySettings(**half, arrangement=arrangement), 5)
            ]
            for arrangement in ("random", "sqs")
        }
        assert max(errors["sqs"]) < 1e-4 < min(errors["random"])

    def test_an_ordered_alloy_is_as_correlated_as_can_be(self) -> None:
        ordered = copper()
        ordered.symbols[np.isclose(ordered.positions[:, 2] % 3.61, 0.0)] = "Au"  # L1_0: layers
        kinds = (ordered.numbers == 79).astype(int)
        (first, second), _ = neighbour_shells(copper(), 2)
        assert (kinds[first] != kinds[second]).mean() == pytest.approx(8 / 12)
        expected = 2 * (1 / 6 - 1 / 4) ** 2 + 2 * (1 / 3 - 1 / 4) ** 2
        assert pair_error(kinds, [(first, second)], 2) == pytest.approx(expected)

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"elements": ["Cu"]}, "at least 2"),
            ({"elements": ["Cu", "Cu"]}, "twice"),
            ({"elements": ["Cu", "Qq"]}, "no element"),
            ({"fractions": [[0.5, 0.6]]}, "adding up to 1"),
            ({"fractions": [[1.0]]}, "one for each of Cu, Au"),
            ({"shells": 3}, "arrangement sqs"),
        ],
    )
    def test_mistakes_are_refused(self, changes: dict[str, object], says: str) -> None:
        with pytest.raises(ValidationError, match=says):
            AlloySettings(**{"elements": ["Cu", "Au"], **changes})


class TestDefects:
    def test_a_vacancy_is_one_atom_less(self) -> None:
        copies = with_defects(copper(), DefectSettings(vacancies=1, count=5), 0)
        assert [len(copy) for copy in copies] == [31] * 5
        assert len({frame_id(copy) for copy in copies}) > 1

    def test_voids_of_fcc_are_its_octahedra(self) -> None:
        centres, radii = voids(copper())
        assert radii.max() == pytest.approx(3.61 / 2)  # octahedral; tetrahedral ones have sqrt(3)/4 a
        assert np.sum(np.isclose(radii, 3.61 / 2)) >= 32
        assert radii.min() > 0.4 * 3.61
        assert np.isfinite(centres).all()

    def test_an_interstitial_sits_in_a_void(self) -> None:
        (copy,) = with_defects(bulk("Si", cubic=True).repeat(2), DefectSettings(interstitials=1, count=1), 0)
        assert len(copy) == 65
        distances = copy.get_distances(64, range(64), mic=True)
        sites = (5.43 * np.sqrt(3) / 4, 5.43 * np.sqrt(11) / 8)  # tetrahedral, hexagonal
        assert min(abs(distances.min() - site) for site in sites) < 1e-6

    def test_in_a_slab_it_stays_between_the_atoms(self) -> None:
        slab = fcc111("Cu", (2, 2, 4), vacuum=10.0)
        for copy in with_defects(slab, DefectSettings(interstitials=1, count=4), 0):
            heights = slab.positions[:, 2]
            assert heights.min() <= copy.positions[-1, 2] <= heights.max()
            assert closest_contact(copy) > 0.5

    def test_what_cannot_be_taken_out_is_refused(self) -> None:
        with pytest.raises(SettingError, match="vacancies of Au"):
            with_defects(copper(), DefectSettings(vacancies=1, element="Au"), 0)
        with pytest.raises(SettingError, match="32 vacancies"):
            with_defects(copper(), DefectSettings(vacancies=32), 0)
        with pytest.raises(ValidationError, match="how many"):
            DefectSettings(count=2)
        with pytest.raises(SettingError, match="too few atoms"):
            voids(Atoms("H2", positions=[[0, 0, 0], [0, 0, 1]]))


class TestSurfaces:
    def test_terminations_and_sizes(self) -> None:
        pytest.importorskip("pymatgen")
        slabs = cut_slabs(bulk("NaCl", "rocksalt", a=5.6, cubic=True), SlabSettings(miller=(1, 1, 1)))
        assert len(slabs) >= 1
        for slab in slabs:
            heights = np.sort(slab.positions[:, 2])
            assert heights[-1] - heights[0] >= 8.0
            assert slab.cell.lengths()[2] - (heights[-1] - heights[0]) >= 14.0
            assert slab.pbc.all()
            assert (slab.numbers == 11).sum() == (slab.numbers == 17).sum()

    def test_an_interface_holds_both(self) -> None:
        pytest.importorskip("pymatgen")
        wanted = InterfaceSettings(file="Ge.cif", miller=(1, 0, 0), substrate_miller=(1, 0, 0), count=1)
        (interface,) = build_interfaces(bulk("Si", cubic=True), bulk("Ge", cubic=True), wanted)
        assert set(interface.get_chemical_symbols()) == {"Si", "Ge"}
        assert closest_contact(interface) > 0.7
        impossible = wanted.model_copy(update={"max_area_A2": 5.0})
        with pytest.raises(SettingError, match="no common cell"):
            build_interfaces(bulk("Si", cubic=True), bulk("Ge", cubic=True), impossible)

    def test_a_slab_of_a_slab_is_refused(self) -> None:
        with pytest.raises(SettingError, match="no crystal"):
            cut_slabs(fcc111("Cu", (2, 2, 3), vacuum=8.0), SlabSettings(miller=(1, 1, 1)))
        with pytest.raises(ValidationError, match="no surface"):
            SlabSettings(miller=(0, 0, 0))


def test_an_entry_builds_in_its_order_and_each_structure_is_a_source(tmp_path) -> None:
    ase.io.write(tmp_path / "Cu.cif", bulk("Cu", cubic=True))
    entry = StructureSettings(
        file="Cu.cif",
        supercell=(2, 2, 2),
        alloy={"elements": ["Cu", "Au"], "count": 2},
        defects={"vacancies": 1, "count": 1},
        perturb={"count": 1},
    )
    frames = build_structures([entry], tmp_path, 0)
    assert [len(frame) for frame in frames] == [32, 32, 31, 31] * 2
    assert len({frame.info["parent"] for frame in frames}) == 4
    assert {frame.info["structure"] for frame in frames} == {0}
    again = build_structures([entry], tmp_path, 0)
    assert [frame.info["id"] for frame in frames] == [frame.info["id"] for frame in again]
    with pytest.raises(ValidationError, match="exclude each other"):
        StructureSettings(
            file="Cu.cif",
            slab={"miller": [1, 1, 1]},
            interface={"file": "Ag.cif", "miller": [1, 1, 1], "substrate_miller": [1, 1, 1]},
        )
