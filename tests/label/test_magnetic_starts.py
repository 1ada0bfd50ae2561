"""Several magnetic starts: each is a run, the lowest sound energy is the label, and the record tells of the others."""

from typing import ClassVar, Literal

import numpy as np
import pytest
from ase.build import bulk

from pfd.errors import InputError, LabelRejected, SettingError, TransientError
from pfd.frames import Labels, frame_id
from pfd.label import labeler as module
from pfd.label.judge import label_frame, record_label
from pfd.label.labeler import Labeler, Outcome, make_labeler
from pfd.label.magnetic_starts import StartSettings, start_moments, start_name, starting_frames
from pfd.theory import theory_of


class SpinSettings(StartSettings):
    method: Literal["spin"] = "spin"


class SpinModel(Labeler):
    """An energy that the initial moments decide; the moments end where they began, half as large."""

    name = "spin"
    Settings = SpinSettings
    honours = frozenset({"initial_magmoms", "spin"})
    energies: ClassVar[dict] = {(3.0, 3.0): -2.0, (3.0, -3.0): -2.5, (0.0, 0.0): -1.0}
    failures: ClassVar[dict] = {}

    def level_of_theory(self):
        return "PBE"

    def run(self, frame, scratch):
        moments = tuple(frame.get_initial_magnetic_moments())

        if moments in self.failures:
            kind, what = self.failures[moments]
            raise kind(what, where=f"frame {frame_id(frame)}", hint="wait")
        (scratch / "output").write_text("moments")
        labels = Labels(self.energies[moments], np.zeros((2, 3)), np.zeros(6))
        extra = {"local_magmoms": [moment / 2 for moment in moments]}
        return Outcome(labels, converged=self.energies[moments] > -90, echoed=frame, extra=extra)


@pytest.fixture
def spin(monkeypatch):
    def make(*starts, failures=None, energies=None, **settings):
        monkeypatch.setattr(module, "load_plugin", lambda *_, **__: SpinModel)
        monkeypatch.setattr(SpinModel, "failures", failures or {})
        monkeypatch.setattr(SpinModel, "energies", SpinModel.energies | (energies or {}))
        return make_labeler({"method": "spin", "magnetic_starts": list(starts), **settings})

    return make


def iron(*moments):
    frame = bulk("Fe", cubic=True)
    del frame.arrays["initial_magmoms"]  # ASE's own
    if moments:
        frame.set_initial_magnetic_moments(moments)
    return frame


FERRO, ANTIFERRO, NONE = {"Fe": 3}, {"Fe": [3, -3]}, {"Fe": 0}


def test_the_lowest_energy_is_the_label_and_the_others_are_on_record(spin, tmp_path):
    frame = iron()
    record, labels = record_label(spin(FERRO, ANTIFERRO, NONE), frame, tmp_path)
    assert labels.energy == -2.5
    assert record.sound
    assert record.id == frame_id(frame)
    assert record.notes == {
        "magnetic_start": "Fe 3/-3",
        "other_starts_meV_per_atom": "Fe 3: +250.00; Fe 0: +750.00",
    }
    assert record.extra["local_magmoms"] == [1.5, -1.5]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["start-1", "start-2", "start-3"]
    assert "initial_magmoms" not in frame.arrays


def test_starts_are_part_of_the_level_of_theory_whatever_their_order(spin):
    plain, both = spin(), spin(FERRO, ANTIFERRO)
    assert plain.level_of_theory() == "PBE"
    assert both.level_of_theory() == "PBE, magnetic starts Fe 3 | Fe 3/-3"
    assert spin(ANTIFERRO, FERRO).level_of_theory() == both.level_of_theory()
    assert spin(FERRO).level_of_theory() != both.level_of_theory()
    assert theory_of(both.level_of_theory()) == theory_of(plain.level_of_theory())
    assert isinstance(both, SpinModel)
    assert both.name == "spin"


def test_starts_that_are_the_same_run_once(spin, tmp_path):
    record, _ = record_label(spin("given", "ferro", FERRO), iron(3, 3), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["start-1"]
    assert record.notes == {}


def test_the_frames_own_moments_and_their_absolute_values_are_starts(spin, tmp_path):
    record, labels = record_label(spin("given", "ferro"), iron(3, -3), tmp_path)
    assert labels.energy == -2.5
    assert record.notes == {"magnetic_start": "given", "other_starts_meV_per_atom": "ferro: +250.00"}


def test_a_start_that_is_rejected_leaves_the_others(spin, tmp_path):
    failures = {(3.0, -3.0): (LabelRejected, "did not converge")}
    record, labels = record_label(spin(FERRO, ANTIFERRO, NONE, failures=failures), iron(), tmp_path)
    assert labels.energy == -2.0
    assert record.notes["other_starts_meV_per_atom"] == "Fe 3/-3: rejected; Fe 0: +500.00"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["start-1", "start-3"]  # an empty folder is removed


def test_the_lowest_energy_of_all_does_not_count_if_it_is_unsound(spin, tmp_path):
    record, labels = record_label(spin(FERRO, ANTIFERRO, energies={(3.0, -3.0): -99.0}), iron(), tmp_path)
    assert labels.energy == -2.0
    assert record.notes["magnetic_start"] == "Fe 3"


def test_if_all_starts_are_rejected_so_is_the_label(spin, tmp_path):
    failures = dict.fromkeys(SpinModel.energies, (LabelRejected, "did not converge"))
    record, labels = record_label(spin(FERRO, ANTIFERRO, failures=failures), iron(), tmp_path)
    assert labels is None
    assert "any of the 2 magnetic starts" in record.reason
    assert "did not converge" in record.reason
    record, _ = record_label(spin(FERRO, failures=failures), iron(), tmp_path)
    assert record.reason.startswith(f"frame {frame_id(iron())}: did not converge")


@pytest.mark.parametrize("kind", [TransientError, InputError])
def test_what_is_no_rejection_ends_them_all_and_names_the_frame(spin, tmp_path, kind):
    labeler = spin(FERRO, ANTIFERRO, failures={(3.0, -3.0): (kind, "no")})
    with pytest.raises(kind) as caught:
        record_label(labeler, iron(), tmp_path)
    assert caught.value.where == f"frame {frame_id(iron())}"


def test_of_several_starts_the_lowest_is_the_state_asked_for(spin, tmp_path):
    assert label_frame(spin(FERRO, ANTIFERRO), iron(3, 3), tmp_path / "a").energy == -2.5
    record, _ = record_label(spin(FERRO, ANTIFERRO), iron(3, 3), tmp_path / "b")
    assert record.measures.moments_reversed is None


def test_one_start_is_the_state_asked_for(spin, tmp_path, monkeypatch):
    record, _ = record_label(spin(ANTIFERRO), iron(3, 3), tmp_path / "a")
    assert record.measures.moments_reversed == 0
    honest = SpinModel.run

    def losing(self, frame, scratch):
        outcome = honest(self, frame, scratch)
        outcome.extra["local_magmoms"] = [1.4, 1.4]
        return outcome

    monkeypatch.setattr(SpinModel, "run", losing)
    with pytest.raises(LabelRejected, match="1 atom reversed"):
        label_frame(spin(ANTIFERRO), iron(), tmp_path / "b")


def test_moments_by_element_go_round_the_atoms_of_the_element():
    oxide = bulk("FeO", "rocksalt", a=4.3) * (2, 1, 1)
    np.testing.assert_array_equal(start_moments(oxide, {"Fe": [4, -4], "O": 0.1, "Ni": 2}), [4, 0.1, -4, 0.1])
    np.testing.assert_array_equal(start_moments(oxide, "ferro"), np.zeros(4))
    assert start_name({"O": 0.5, "Fe": [4, -4]}) == "Fe 4/-4 O 0.5"


def test_a_list_that_does_not_go_round_is_refused(spin):
    with pytest.raises(InputError, match="3 moments do not go round the 2 atoms of Fe"):
        spin({"Fe": [3, 3, -3]}).check([iron()])


def test_vectors_are_refused_and_elements_may_replace_them():
    frame = iron([0, 0, 3], [0, 0, -3])
    with pytest.raises(InputError, match="vectors"):
        starting_frames(frame, ["given"])
    (start,) = starting_frames(frame, [FERRO]).values()
    np.testing.assert_array_equal(start.get_initial_magnetic_moments(), [3, 3])


def test_starts_without_any_moment_are_refused(spin):
    for starts in (["given", "ferro"], [{"Ni": 2}], [NONE]):
        with pytest.raises(InputError, match="no start gives any atom of any frame a moment"):
            spin(*starts).check([iron(), bulk("Si")])
    spin("given", NONE).check([iron(3, 3), bulk("Si")])


@pytest.mark.parametrize("start", ["antiferro", {"Xx": 3}, {"Fee": 3}, {"Fe": []}, {"Fe": float("nan")}, {"Fe": "up"}])
def test_senseless_starts_are_refused(spin, start):
    with pytest.raises(SettingError, match="magnetic_starts"):
        spin(start)


def test_a_labeler_without_moments_knows_no_starts():
    with pytest.raises(SettingError, match="magnetic_starts"):
        make_labeler({"method": "tblite", "magnetic_starts": ["ferro"]})


@pytest.mark.parametrize("method", ["espresso", "vasp", "abacus"])
def test_engines_that_honour_moments_know_starts(method, pseudo_dir, potcar_dir):
    given = {
        "espresso": {"pseudo_dir": str(pseudo_dir), "pseudopotentials": {"Fe": "Fe.upf"}, "ecutwfc_Ry": 20},
        "abacus": {"pseudo_dir": str(pseudo_dir), "pseudopotentials": {"Fe": "Fe.upf"}, "ecutwfc_Ry": 20},
        "vasp": {
            "potcar_dir": str(potcar_dir),
            "potcars": {"Fe": "Fe_pv"},
            "incar": {"ENCUT": 400},
            "kspacing_per_A": 0.3,
        },
    }[method]
    plain = make_labeler({"method": method, **given})
    started = make_labeler({"method": method, "magnetic_starts": [FERRO, ANTIFERRO], **given})
    assert started.level_of_theory() == f"{plain.level_of_theory()}, magnetic starts Fe 3 | Fe 3/-3"
    for start in starting_frames(iron(), started.settings.magnetic_starts).values():
        started.prepare(start)
    assert started.finer()[0].settings.magnetic_starts == started.settings.magnetic_starts
    again = make_labeler(started.settings.model_dump(mode="json"))
    assert again.level_of_theory() == started.level_of_theory()


def test_moments_by_element_belong_into_the_starts(pseudo_dir):
    own = {"pseudo_dir": str(pseudo_dir), "pseudopotentials": {"Fe": "Fe.upf"}, "ecutwfc_Ry": 20}
    with pytest.raises(SettingError, match="magnetic_starts and magmoms exclude each other"):
        make_labeler({"method": "abacus", **own, "magmoms": {"Fe": 2.2}, "magnetic_starts": [{"Fe": 0}, {"Fe": 3}]})
