"""Quantum ESPRESSO's input, output and ways to fail, with recorded outputs and stand-ins for pw.x: no engine needed."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, fcc111, molecule

from pfd.errors import InputError, LabelRejected, MissingError, SettingError, TransientError
from pfd.label.espresso.output import read_pw_output
from pfd.label.judge import label_frame
from pfd.label.labeler import make_labeler
from pfd.units import A_PER_BOHR, EV_PER_RYDBERG

RECORDED = Path(__file__).parent / "recorded"
GOOD, UNCONVERGED, REFUSED = (
    (RECORDED / f"pw-si2-{name}.out").read_text() for name in ("converged", "unconverged", "refused")
)
UPF = """<UPF version="2.0.1">
<PP_HEADER element="{symbol}" pseudo_type="{kind}" is_ultrasoft="{soft}" is_paw="false"
functional="{functional}" z_valence="{valence}" />
"""


def silicon():
    """The frame of the recorded outputs."""
    frame = bulk("Si")
    frame.positions[1] += [0.05, 0.02, -0.03]
    return frame


@pytest.fixture
def pseudos(tmp_path):
    folder = tmp_path / "pseudos"
    folder.mkdir()
    for symbol, valence, functional in (("Si", 4.0, "PBE"), ("Fe", 8.0, "PBE"), ("Al", 3.0, "PZ")):
        text = UPF.format(symbol=symbol, kind="NC", soft="false", functional=functional, valence=valence)
        (folder / f"{symbol}.UPF").write_text(text)
    (folder / "soft.UPF").write_text(UPF.format(symbol="Si", kind="US", soft="true", functional="PBE", valence=4.0))
    return folder


@pytest.fixture
def espresso(pseudos):
    def make(**settings):
        return make_labeler(
            {
                "method": "espresso",
                "pseudo_dir": str(pseudos),
                "pseudopotentials": {"Si": "Si.UPF", "Fe": "Fe.UPF"},
                "ecutwfc_Ry": 20.0,
            }
            | settings
        )

    return make


@pytest.fixture
def stand_in(tmp_path):
    """A program in place of pw.x: a shell script that can cat the texts it is given."""

    def make(script: str, **texts: str) -> str:
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        program = tmp_path / "pw-stand-in"
        program.write_text(f"#!/bin/sh\ncounter={shlex.quote(str(tmp_path))}\n{script}\n")
        program.chmod(0o755)
        return str(program)

    return make


def value_in(text: str, key: str) -> str:
    lines = [line.partition("=")[2].strip() for line in text.splitlines() if line.partition("=")[0].strip() == key]
    assert len(lines) <= 1
    return lines[0] if lines else ""


# What pw.x wrote


def test_a_converged_output_is_read_in_full():
    output = read_pw_output(GOOD)
    assert output.started
    assert output.iterating
    assert output.done
    assert output.converged is True
    assert output.scf_steps == 6
    assert output.error == ""
    energy_Ry = float(GOOD.split("!    total energy              =")[1].split()[0])
    assert output.labels.energy == pytest.approx(energy_Ry * EV_PER_RYDBERG, abs=1e-9)
    line = next(line for line in GOOD.splitlines() if "atom    2 type" in line)
    expected = np.array(line.split("=")[1].split(), dtype=float) * EV_PER_RYDBERG / A_PER_BOHR
    np.testing.assert_allclose(output.labels.forces[1], expected, atol=1e-12)
    pressure_kbar = float(GOOD.split("P=")[1].split()[0])
    assert -output.labels.stress[:3].mean() * 1602.1766 == pytest.approx(pressure_kbar, abs=0.02)
    assert output.echoed.get_chemical_symbols() == ["Si", "Si"]
    np.testing.assert_allclose(output.echoed.positions, silicon().positions, atol=1e-5)
    np.testing.assert_allclose(output.echoed.cell.array, silicon().cell.array, atol=1e-5)


def test_the_energy_is_the_one_with_the_smearing_term():
    free = float(GOOD.split("!    total energy              =")[1].split()[0])
    smearing = float(GOOD.split("smearing contrib. (-TS)   =")[1].split()[0])
    internal = float(GOOD.split("internal energy E=F+TS    =")[1].split()[0])
    assert free == pytest.approx(internal + smearing, abs=2e-8)


def test_an_unconverged_output_says_so_and_has_no_energy():
    output = read_pw_output(UNCONVERGED)
    assert output.done
    assert output.converged is False
    assert output.scf_steps == 2
    assert output.labels.energy is None


def test_an_error_is_quoted():
    assert read_pw_output(REFUSED).error == "Error in routine set_dft_from_name (1): NONSENSE: unrecognized dft"


@pytest.mark.parametrize(
    ("broken", "lost"),
    [
        (GOOD.replace("     atom    2 type  1   force =", "     atom    2 type  1   force = **********"), "none"),
        (GOOD.replace("atom    2 type  1   force =    -0", "atom    2 type  1   force =    *.****"), "forces"),
        (GOOD[: GOOD.index("     atom    2 type")], "forces"),
        (GOOD[: GOOD.index("total   stress")], "stress"),
        (GOOD.replace("!    total energy", "     total energy"), "energy"),
        (GOOD.replace("tau(   2)", "xxx"), "echoed"),
    ],
)
def test_garbled_numbers_are_missing_and_not_guessed(broken, lost):
    output = read_pw_output(broken)
    missing = {name for name in ("energy", "forces", "stress") if getattr(output.labels, name) is None}
    missing |= {"echoed"} if output.echoed is None else set()
    if lost != "none":
        assert lost in missing


# How runs end


def test_a_good_run_is_a_label(espresso, stand_in, tmp_path):
    labeler = espresso(command=stand_in('cat "$counter/good"', good=GOOD))
    labels = label_frame(labeler, silicon(), tmp_path / "scratch")
    assert labels.energy == pytest.approx(read_pw_output(GOOD).labels.energy)
    assert labels.level_of_theory == labeler.level_of_theory()


def test_the_output_of_another_frame_is_rejected(espresso, stand_in, tmp_path):
    other = silicon()
    other.positions[1] += 0.001
    with pytest.raises(LabelRejected, match="other positions"):
        label_frame(espresso(command=stand_in('cat "$counter/good"', good=GOOD)), other, tmp_path / "scratch")


CUT = GOOD[: GOOD.index("   JOB DONE.")]
CRASHED = GOOD[: GOOD.index("     iteration #  2")] + REFUSED[REFUSED.index(" %%%") :]
OVERLAP = REFUSED.replace("NONSENSE: unrecognized dft", "atoms #   1 and #   2 overlap!")


@pytest.mark.parametrize(
    ("script", "texts", "error", "told"),
    [
        ('cat "$counter/cut"', {"cut": CUT}, TransientError, "ends early (code 0)"),
        ('cat "$counter/cut"; exit 1', {"cut": CUT[:3000]}, TransientError, "ends early (code 1)"),
        ("true", {}, TransientError, "wrote no output"),
        ("sleep 60", {}, TransientError, "time limit"),
        ('cat "$counter/cut"; kill -9 $$', {"cut": CUT}, TransientError, "killed (code -9)"),
        ("exit 137", {}, TransientError, "killed (code 137)"),
        ("echo 'write: No space left on device' >&2; exit 2", {}, TransientError, "disk is full"),
        ("echo 'pw.x: error while loading shared libraries' >&2; exit 127", {}, MissingError, "shared libraries"),
        ('cat "$counter/no"; exit 1', {"no": REFUSED}, InputError, "NONSENSE: unrecognized dft"),
        ('cat "$counter/no"; exit 1', {"no": OVERLAP}, LabelRejected, "overlap"),
        ('cat "$counter/no"; exit 1', {"no": CRASHED}, LabelRejected, "Error in routine"),
        ('cat "$counter/no"; exit 2', {"no": UNCONVERGED}, LabelRejected, "did not converge in 2 SCF steps"),
        (
            'cat "$counter/no"',
            {"no": GOOD.replace("convergence has been achieved", "convergence is a matter of taste")},
            LabelRejected,
            "does not say that it converged",
        ),
    ],
)
def test_each_bad_end_has_its_kind(espresso, stand_in, tmp_path, script, texts, error, told):
    labeler = espresso(command=stand_in(script, **texts), wall_time=20 if "sleep" not in script else 0.5)
    with pytest.raises(error) as caught:
        label_frame(labeler, silicon(), tmp_path / "scratch")
    assert type(caught.value) is error
    assert told in caught.value.what


COUNT = 'echo x >> "$counter/runs"; if [ $(wc -l < "$counter/runs") -lt 3 ]; then cat "$counter/bad"; exit 2; fi\n'


def test_the_ladder_tries_gentler_and_records_it(espresso, stand_in, tmp_path):
    labeler = espresso(command=stand_in(COUNT + 'cat "$counter/good"', good=GOOD, bad=UNCONVERGED))
    outcome = labeler.run(silicon(), tmp_path / "scratch")
    assert outcome.converged
    assert outcome.notes == {
        "tries": "3",
        "mixing_beta": "0.14",
        "electron_maxstep": "320",
        "diagonalization": "cg",
    }
    assert outcome.max_scf_steps == 320
    inputs = [(tmp_path / "scratch" / f"try-{number}" / "pw.in").read_text() for number in (1, 2, 3)]
    assert [value_in(text, "mixing_beta") for text in inputs] == ["0.7", "0.35", "0.14"]
    assert [value_in(text, "electron_maxstep") for text in inputs] == ["80", "160", "320"]
    assert value_in(inputs[2], "diagonalization") == "'cg'"
    ways = ("mixing_beta", "electron_maxstep", "diagonalization")
    physics = [[line for line in text.splitlines() if not line.strip().startswith(ways)] for text in inputs]
    assert physics[0] == physics[1] == physics[2]


def test_without_the_ladder_there_is_one_try(espresso, stand_in, tmp_path):
    labeler = espresso(command=stand_in(COUNT + 'cat "$counter/good"', good=GOOD, bad=UNCONVERGED), ladder=False)
    with pytest.raises(LabelRejected, match=r"max_scf_steps \(80\).*mixing_beta \(0.7\)"):
        labeler.run(silicon(), tmp_path / "scratch")
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["try-1"]


def test_a_missing_program_is_missing(espresso, tmp_path):
    labeler = espresso(command="no-such-pw.x")
    for attempt in (lambda: labeler.check([]), lambda: labeler.run(silicon(), tmp_path / "scratch")):
        with pytest.raises(MissingError, match="apt install quantum-espresso"):
            attempt()


# What pw.x is told


def test_the_input_of_a_plain_crystal(espresso, pseudos):
    text = espresso().input_text(silicon())
    expected = {
        "calculation": "'scf'",
        "tstress": ".true.",
        "tprnfor": ".true.",
        "ecutwfc": "20.0",
        "ecutrho": "80.0",
        "smearing": "'cold'",
        "pseudo_dir": f"'{pseudos}'",
        "nspin": "",
        "tot_charge": "",
    }
    assert {key: value_in(text, key) for key in expected} == expected
    assert "Si 28.085 Si.UPF" in text


def test_constraints_do_not_reach_pw(espresso):
    from ase.constraints import FixAtoms

    frame = silicon()
    frame.set_constraint(FixAtoms([0]))
    assert espresso().input_text(frame) == espresso().input_text(silicon())


def test_charge_spin_and_moments_are_honoured(espresso):
    frame = bulk("Fe", cubic=True)
    frame.set_initial_magnetic_moments([4.0, -2.0])
    frame.info |= {"charge": -1, "spin": 2}
    text = espresso().input_text(frame)
    assert value_in(text, "nspin") == "2"
    assert value_in(text, "tot_charge") == "-1.0"
    assert value_in(text, "tot_magnetization") == "1.0"
    assert value_in(text, "starting_magnetization(1)") == "0.5"
    assert value_in(text, "starting_magnetization(2)") == "-0.25"
    np.testing.assert_array_equal(frame.get_initial_magnetic_moments(), [4.0, -2.0])


def test_k_points_follow_the_cell_and_stop_at_vacuum(espresso):
    labeler = espresso(kspacing_per_A=0.2, pseudopotentials={"Al": "Al.UPF"})
    cell = bulk("Al", "sc", a=5.0)
    assert labeler.k_points(cell) == (7, 7, 7)  # 2 pi / 5 / 0.2 = 6.28
    assert labeler.k_points(cell * (2, 1, 1)) == (4, 7, 7)
    slab = fcc111("Al", (1, 1, 2), vacuum=6.0)
    assert labeler.k_points(slab)[2] == 1
    assert labeler.k_points(slab)[0] > 1
    assert value_in(labeler.input_text(slab), "tstress") == ".false."
    box = molecule("H2", vacuum=6.0)
    assert labeler.k_points(box) == (1, 1, 1)


def test_frames_that_cannot_be_computed_are_refused_before_anything_runs(espresso, stand_in):
    labeler = espresso(command=stand_in("exit 1"))
    labeler.check([silicon()])
    with pytest.raises(InputError, match="no pseudopotential for Cu"):
        labeler.check([silicon(), bulk("Cu")])
    with pytest.raises(InputError, match="needs a cell"):
        labeler.check([silicon()[:1].__class__("Si")])
    with pytest.raises(InputError, match=r"no such pseudopotential"):
        espresso(command=stand_in("exit 1"), pseudopotentials={"Si": "gone.UPF"}).check([silicon()])


def test_the_level_of_theory_holds_the_physics_and_nothing_else(espresso, pseudos):
    level = espresso().level_of_theory()
    for part in ("PBE", "ecutwfc 20 Ry", "ecutrho 80 Ry", "kspacing 0.2/Å", "cold 0.01 Ry"):
        assert part in level
    same = espresso(
        command="mpirun -np 4 pw.x",
        max_scf_steps=9,
        mixing_beta=0.1,
        conv_thr_Ry=1e-10,
        ladder=False,
        wall_time="1h",
        namelists={"electrons": {"diagonalization": "cg"}, "control": {"verbosity": "high"}, "system": {"nosym": True}},
    )
    assert same.level_of_theory() == level
    others = [
        espresso(ecutwfc_Ry=21.0),
        espresso(ecutrho_Ry=200.0),
        espresso(kspacing_per_A=0.3),
        espresso(smearing="gaussian"),
        espresso(smearing="none"),
        espresso(degauss_Ry=0.02),
        espresso(namelists={"system": {"vdw_corr": "dft-d3"}}),
        espresso(namelists={"system": {"input_dft": "PBESOL"}}),
        espresso(namelists={"control": {"tefield": True}}),
        espresso(pseudopotentials={"Si": "soft.UPF", "Fe": "Fe.UPF"}, ecutrho_Ry=80.0),
    ]
    levels = [level, *(other.level_of_theory() for other in others)]
    assert len(set(levels)) == len(levels)
    assert str(pseudos) not in level


def test_soft_pseudopotentials_get_a_denser_grid(espresso):
    assert "ecutrho 160 Ry" in espresso(pseudopotentials={"Si": "soft.UPF"}).level_of_theory()


def test_mixed_functionals_need_a_decision(espresso):
    mixed = {"Si": "Si.UPF", "Al": "Al.UPF"}
    with pytest.raises(InputError, match="PBE, PZ"):
        espresso(pseudopotentials=mixed).level_of_theory()
    decided = espresso(pseudopotentials=mixed, namelists={"system": {"input_dft": "pbe"}})
    assert decided.level_of_theory().startswith("pw.x PBE,")


@pytest.mark.parametrize(
    "settings",
    [
        {"namelists": {"system": {"ecutwfc": 5}}},
        {"namelists": {"System": {"nosym": True}}},
        {"namelists": {"system": {"starting_magnetization(1)": 0.5}}},
        {"command": " "},
        {"wall_time": "soon"},
        {"wall_time": 0},
        {"kspacing_per_A": 0},
    ],
)
def test_senseless_settings_are_refused(espresso, settings):
    with pytest.raises(SettingError):
        espresso(**settings)
