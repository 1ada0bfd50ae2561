"""A labeler is made from its section of the input; mistakes there name the key and the nearest known one."""

from pathlib import Path

import pytest
from ase.calculators.emt import EMT

from pfd.errors import InputError, SettingError
from pfd.label.labeler import make_labeler


def test_every_registered_labeler_of_this_room_can_be_made():
    espresso = {"method": "espresso", "pseudo_dir": ".", "pseudopotentials": {"Si": "Si.UPF"}, "ecutwfc_Ry": 20}
    vasp = {"method": "vasp", "potcar_dir": ".", "potcars": {"Si": "Si"}}
    abacus = {"method": "abacus", "pseudo_dir": ".", "pseudopotentials": {"Si": "Si.upf"}, "ecutwfc_Ry": 20}
    cp2k = {"method": "cp2k", "basis_sets": {"Si": "DZVP-MOLOPT-SR-GTH"}}
    for settings in ({"method": "tblite"}, {"method": "family"}, {"method": "stored"}, espresso, vasp, abacus, cp2k):
        assert make_labeler(settings).name == settings["method"]


@pytest.mark.parametrize(
    ("settings", "where", "told"),
    [
        ({}, "finetune.label.method", "method: tblite"),
        ({"method": "tblight"}, "finetune.label.method", "did you mean 'tblite'?"),
        ({"method": "tblite", "max_scf_step": 3}, "finetune.label.max_scf_step", "did you mean 'max_scf_steps'?"),
        ({"method": "tblite", "max_scf_steps": 0}, "finetune.label.max_scf_steps", "greater than or equal to 1"),
        (
            {"method": "tblite", "accept": {"max_force_eV_per_A": -1}},
            "finetune.label.accept.max_force_eV_per_A",
            "greater than 0",
        ),
        ({"method": "espresso", "pseudo_dir": ".", "pseudopotentials": {}}, "finetune.label.ecutwfc_Ry", "required"),
    ],
)
def test_mistakes_name_the_key(settings, where, told):
    with pytest.raises(SettingError) as caught:
        make_labeler(settings)
    assert caught.value.where == where
    assert told in str(caught.value)


def test_models_and_files_are_refused_where_they_make_no_sense():
    labeler = make_labeler({"method": "tblite"})
    with pytest.raises(InputError, match="takes no model"):
        labeler.use_model(EMT(), "EMT")
    with pytest.raises(InputError, match="takes no files"):
        labeler.use_files([Path("a.extxyz")])


def test_a_run_finds_what_lay_beside_its_first_input(tmp_path):
    from pfd.kept import ORIGIN
    from pfd.label.espresso.labeler import Espresso

    (tmp_path / "work" / "pseudo").mkdir(parents=True)
    run = tmp_path / "run"
    run.mkdir()
    own = {"method": "espresso", "pseudo_dir": "pseudo", "pseudopotentials": {"Si": "Si.upf"}, "ecutwfc_Ry": 30}
    settings = Espresso.Settings.model_validate(own)
    assert settings.starting_at(run).pseudo_dir == run / "pseudo"
    (run / ORIGIN).write_text(f"{tmp_path / 'work'}\n")
    assert settings.starting_at(run).pseudo_dir == tmp_path / "work" / "pseudo"
    (run / "pseudo").mkdir()
    assert settings.starting_at(run).pseudo_dir == run / "pseudo"
