"""Any calculator of ASE, in a process of its own: right labels, and every way to fail has its class of error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from pydantic import ValidationError

from pfd.errors import InputError, LabelRejected, MissingError, TransientError
from pfd.label.ase_calculator.labeler import AseCalculator
from pfd.label.ase_calculator.program import SCRIPT
from pfd.label.judge import label_frame, record_label

OWN = '''
import os, time
from ase.calculators.calculator import Calculator, SCFError, CalculatorSetupError
from ase.calculators.lj import LennardJones
import numpy as np


class KohnShamConvergenceError(Exception):
    pass


class Own(LennardJones):
    """Fails as it is told."""

    def __init__(self, mode="", **keywords):
        super().__init__(**keywords)
        self.mode = mode
        if mode == "setup":
            raise CalculatorSetupError("no executable configured")

    def calculate(self, atoms=None, properties=(), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        if self.mode == "scf":
            raise SCFError("60 cycles")
        if self.mode == "kohn-sham":
            raise KohnShamConvergenceError
        if self.mode == "math":
            raise ZeroDivisionError("overlap")
        if self.mode == "element":
            raise NotImplementedError("no parameters of Cu")
        if self.mode == "memory":
            raise MemoryError
        if self.mode == "module":
            import no_such_module
        if self.mode == "exit":
            os._exit(0)
        if self.mode == "hang":
            time.sleep(60)
        if self.mode == "moves":
            atoms.positions += 0.1
        if self.mode == "free":
            self.results["free_energy"] = self.results["energy"] - 0.5
            self.results["magmoms"] = np.linspace(0.0, 1.0, len(atoms))
            self.results["magmom"] = 2.0
        if self.mode == "no stress":
            del self.results["stress"]


def make(mode="", **keywords):
    return Own(mode, **keywords)
'''
LJ = {"sigma": 2.3, "epsilon": 0.1, "rc": 5.0, "smooth": True}


def copper():
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.05, seed=1)
    return frame


@pytest.fixture
def own(tmp_path):
    """A calculator in a file of the user's, which fails as it is told."""
    path = tmp_path / "own.py"
    path.write_text(OWN)

    def make(mode="", **settings):
        given = {"calculator": "own:Own", "parameters": {"mode": mode, **LJ}, "input_files": [path]}
        return labeler(**given | settings)

    return make


def labeler(**settings):
    return AseCalculator(AseCalculator.Settings.model_validate(settings))


@pytest.mark.parametrize("stress", [True, False])
def test_a_registered_calculator_labels_as_it_does_here(tmp_path, stress):
    emt, frame = labeler(calculator="emt", stress=stress), copper()
    emt.check([frame])
    labels = label_frame(emt, frame, tmp_path / "scratch")
    from ase.calculators.emt import EMT

    frame.calc = EMT()
    assert labels.energy == pytest.approx(frame.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(labels.forces, frame.get_forces(), atol=1e-7)
    if stress:
        np.testing.assert_allclose(labels.stress, frame.get_stress(), atol=1e-9)
    else:
        assert labels.stress is None
    assert labels.level_of_theory.startswith("ASE calculator emt, ase 3.")


@pytest.mark.parametrize("name", ["ase.calculators.lj:LennardJones", "lj"])
def test_its_keywords_reach_it(tmp_path, name):
    frame = copper()
    labels = label_frame(labeler(calculator=name, parameters=LJ), frame, tmp_path / "scratch")
    frame.calc = LennardJones(**LJ)
    assert labels.energy == pytest.approx(frame.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(labels.forces, frame.get_forces(), atol=1e-7)
    assert '"epsilon":0.1' in labels.level_of_theory


def test_other_keywords_or_files_are_another_level_of_theory(own, tmp_path):
    level = own().level_of_theory()
    assert own().level_of_theory() == level
    assert own(command="mpirun -np 2", wall_time="1h").level_of_theory() == level
    assert own("free").level_of_theory() != level
    (tmp_path / "own.py").write_text(OWN + "\n# another\n")
    assert own().level_of_theory() != level
    many = labeler(calculator="lj", parameters={f"keyword_{number}": number for number in range(50)})
    assert len(many.level_of_theory()) < 120


def test_a_calculator_of_the_users_own_or_a_function_that_makes_one(own, tmp_path):
    first = label_frame(own(), copper(), tmp_path / "class")
    second = label_frame(own(calculator="own:make"), copper(), tmp_path / "function")
    assert first.energy == second.energy


def test_the_free_energy_is_the_label_and_moments_stand_beside_it(own, tmp_path):
    plain = label_frame(own(), copper(), tmp_path / "plain").energy
    record, labels = record_label(own("free"), copper(), tmp_path / "scratch")
    assert labels.energy == pytest.approx(plain - 0.5)
    assert record.extra["energy_sigma0_eV"] == pytest.approx(plain)
    assert record.extra["total_magmom"] == 2.0
    np.testing.assert_allclose(record.extra["local_magmoms"], np.linspace(0.0, 1.0, 4), atol=1e-8)


@pytest.mark.parametrize(
    ("mode", "kind", "words"),
    [
        ("scf", LabelRejected, r"did not converge \(SCFError: 60 cycles\)"),
        ("kohn-sham", LabelRejected, "did not converge"),
        ("math", LabelRejected, "ZeroDivisionError: overlap"),
        ("moves", LabelRejected, "other positions"),
        ("setup", InputError, "CalculatorSetupError: no executable configured"),
        ("element", InputError, "NotImplementedError: no parameters of Cu"),
        ("no stress", InputError, "PropertyNotImplementedError: .*stress"),
        ("module", MissingError, "no_such_module"),
        ("memory", TransientError, "MemoryError"),
        ("exit", TransientError, r"wrote no output \(code 0\)"),
        ("hang", TransientError, "time limit"),
    ],
)
def test_every_failure_has_its_class(own, tmp_path, mode, kind, words):
    frame = copper()
    with pytest.raises(kind, match=words) as caught:
        label_frame(own(mode, **({"wall_time": 5} if mode == "hang" else {})), frame, tmp_path / "scratch")
    assert type(caught.value) is kind
    assert caught.value.hint
    assert caught.value.where.startswith("frame f")


def test_an_unknown_keyword_is_the_inputs_fault(tmp_path):
    strict = labeler(calculator="ase.calculators.tip3p:TIP3P", parameters={"no_such_keyword": 1})
    with pytest.raises(InputError, match=r"TypeError: .*no_such_keyword"):
        label_frame(strict, copper(), tmp_path / "scratch")


@pytest.mark.parametrize(
    ("settings", "kind", "words", "where"),
    [
        ({"calculator": "no_such"}, MissingError, "no_such", "finetune.label.calculator"),
        ({"calculator": "no_such_package:Calculator"}, MissingError, "no_such_package", "finetune.label.calculator"),
        ({"calculator": "ase.calculators.lj:NoSuch"}, InputError, "NoSuch", "finetune.label.calculator"),
        ({"calculator": "emt", "python": "no-such-python"}, MissingError, "no-such-python", "finetune.label.python"),
        (
            {"calculator": "emt", "command": "no-such-mpirun -np 2"},
            MissingError,
            "no-such-mpirun",
            "finetune.label.command",
        ),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_started(settings, kind, words, where):
    with pytest.raises(kind, match=words) as caught:
        labeler(**settings).check([copper()])
    assert caught.value.where == where
    assert caught.value.hint


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"calculator": "emt", "python": "bin/python"}, "relative"),
        ({"calculator": "emt", "command": "mpirun -np 2 python"}, "leave out 'python'"),
        ({"calculator": "import os"}, "calculator"),
        ({"calculator": "emt", "parameters": {"x": float("nan")}}, "only numbers"),
    ],
)
def test_senseless_settings_are_refused(settings, words):
    with pytest.raises(ValidationError, match=words):
        labeler(**settings)


def test_settings_survive_the_way_into_a_task():
    settings = labeler(calculator="emt").settings
    assert AseCalculator.Settings.model_validate(settings.model_dump(mode="json")) == settings


def test_a_frame_with_a_state_is_refused_unless_it_is_honoured(own):
    frame = copper()
    frame.set_initial_magnetic_moments([1, 0, 0, 0])
    with pytest.raises(InputError, match="initial_magmoms"):
        own().check([frame])
    own(honours=["initial_magmoms"]).check([frame])


def test_the_script_needs_ase_alone(tmp_path):
    """It runs isolated, where pfd cannot be imported."""
    loaded = f"""
import runpy, sys
sys.path = [entry for entry in sys.path if "pfd" not in entry or "site-packages" in entry]
sys.modules["pfd"] = None
sys.argv = [{str(SCRIPT)!r}]
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""
    from ase.io import read, write

    write(tmp_path / "frame.extxyz", copper())
    (tmp_path / "calculation.json").write_text('{"calculator": "emt", "parameters": {}, "stress": true}')
    done = subprocess.run([sys.executable, "-c", loaded], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "labelled.extxyz").get_forces().shape == (4, 3)
    assert not [
        line for line in Path(SCRIPT).read_text().splitlines() if line.strip().startswith(("import pfd", "from pfd"))
    ]
