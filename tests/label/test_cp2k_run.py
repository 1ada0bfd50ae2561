"""CP2K's output and the ways in which a run ends, with recorded outputs in the place of CP2K: no engine needed."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from pfd.errors import InputError, LabelRejected, MissingError, TransientError
from pfd.label.cp2k.output import read_cp2k_output
from pfd.label.judge import label_frame
from pfd.label.labeler import make_labeler
from pfd.units import A_PER_BOHR, EV_PER_HARTREE, GPA_PER_EV_PER_A3

RECORDED = Path(__file__).parent / "recorded"
GOOD, UNCONVERGED, REFUSED, CLOSE = (
    (RECORDED / f"cp2k-h4-{name}.out").read_text() for name in ("converged", "unconverged", "refused", "close")
)
ENDS = "PROGRAM ENDED AT"
"""What the last lines of a normal end begin with."""
ABORTED = (
    UNCONVERGED[: UNCONVERGED.index(" *** WARNING")]
    + """
 *******************************************************************************
 *   ___                                                                       *
 *  /   \\                                                                      *
 * [ABORT]                                                                     *
 *  \\___/     SCF run NOT converged. To continue the calculation regardless,   *
 *    |             please set the keyword IGNORE_CONVERGENCE_FAILURE.         *
 *  O/|                                                                        *
 * /| |                                                                        *
 * / \\                                                            qs_scf.F:632 *
 *******************************************************************************
"""
)
"""How CP2K since 2024.1 ends where the cycle did not converge."""


def hydrogen():
    """The frame of the recorded outputs."""
    positions = [[0.1, 0, 0], [0.85, 0.05, 0], [1.9, 2.0, 1.8], [2.0, 2.1, 2.55]]
    return Atoms("HHHH", positions=positions, cell=[4, 4.2, 3.8], pbc=True)


def newer(text):
    """The layout of CP2K since 2025, from its documentation and printed examples."""
    head, _, rest = text.partition(" ATOMIC FORCES in [a.u.]")
    table, _, tail = rest.partition("\n SUM OF ATOMIC FORCES")
    rows = re.findall(r"^ +(\d+) +\d+ +H +(\S+) +(\S+) +(\S+)$", table, re.MULTILINE)
    lines = [" FORCES| Atomic forces [hartree/bohr]", " FORCES|   Atom     x      y      z      |f|"]
    for index, *force in rows:
        norm = np.linalg.norm(np.array(force, dtype=float))
        lines.append(f" FORCES| {index:>6} " + " ".join(f"{float(word):.12E}" for word in force) + f" {norm:.12E}")
    lines.append(" FORCES| Sum     0.0 0.0 0.0 0.0")
    head = head.replace("energy [a.u.]:", "energy [hartree]")
    return head + "\n".join(lines) + tail


def older(text):
    """The layout of CP2K up to 7.1."""
    text = text.replace("energy [a.u.]:", "energy (a.u.):")
    text = re.sub(r" STRESS\| Analytical stress tensor \[GPa\]\n[^\n]*\n", " STRESS TENSOR [GPa]\n\n   X  Y  Z\n", text)
    return re.sub(r"^ STRESS\| +([xyz]) ", lambda found: f"  {found[1].upper()} ", text, flags=re.MULTILINE)


@pytest.fixture
def cp2k(cp2k_data):
    def make(**settings):
        recorded = {
            "method": "cp2k",
            "data_dir": str(cp2k_data),
            "basis_sets": {"H": "DZVP-TEST-GTH"},
            "cutoff_Ry": 300,
            "rel_cutoff_Ry": 50,
            "kspacing_per_A": 0.9,
            "electronic_temperature_K": 20000,
        }
        return make_labeler(recorded | settings)

    return make


@pytest.fixture
def stand_in(tmp_path):
    """A program in the place of CP2K: a shell script that can cat the texts it is given."""

    def make(script, **texts):
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        program = tmp_path / "cp2k-stand-in"
        program.write_text(f"#!/bin/sh\nat={shlex.quote(str(tmp_path))}\n{script}\n")
        program.chmod(0o755)
        return str(program)

    return make


# What CP2K wrote


@pytest.mark.parametrize("layout", [str, older, newer])
def test_a_converged_output_is_read_in_full(layout):
    output = read_cp2k_output(layout(GOOD))
    assert (output.started, output.iterating, output.done, output.converged) == (True, True, True, True)
    assert output.scf_steps == 9
    assert output.error == ""
    assert output.labels.energy == pytest.approx(-2.344380183495884 * EV_PER_HARTREE, abs=1e-9)
    expected = np.array([-0.004552737217, -0.000282622699, 0.000067565673]) * EV_PER_HARTREE / A_PER_BOHR
    np.testing.assert_allclose(output.labels.forces[1], expected, atol=1e-12)
    xx, yz = -0.632936910559, -0.171361714175
    np.testing.assert_allclose(output.labels.stress[[0, 3]], np.array([-xx, -yz]) / GPA_PER_EV_PER_A3, atol=1e-12)
    assert output.echoed.get_chemical_symbols() == ["H"] * 4
    np.testing.assert_allclose(output.echoed.positions, hydrogen().positions, atol=1e-6)
    np.testing.assert_allclose(output.echoed.cell.array, hydrogen().cell.array, atol=1e-5)
    assert output.total_magmom is None
    assert output.local_magmoms is None
    assert output.settings == {
        "cutoff_Ry": 300.0,
        "rel_cutoff_Ry": 50.0,
        "multiplicity": 1.0,
        "charge": 0.0,
        "eps_scf": 1e-6,
        "electronic_temperature_K": 20000.0,
    }


def test_the_energy_is_the_one_with_the_smearing_term():
    parts = (
        "Overlap energy of the core charge distribution",
        "Self energy of the core charge distribution",
        "Core Hamiltonian energy",
        "Hartree energy",
        "Exchange-correlation energy",
        "Electronic entropic energy",
    )
    summed = sum(float(re.findall(rf"{part}:\s+(\S+)", GOOD)[-1]) for part in parts)
    output = read_cp2k_output(GOOD)
    assert output.labels.energy == pytest.approx(summed * EV_PER_HARTREE, abs=2e-4)  # the last step's, and the final
    assert output.entropy_eV < -2.0


@pytest.mark.parametrize("text", [UNCONVERGED, ABORTED])
def test_an_unconverged_output_says_so_whatever_else_it_prints(text):
    output = read_cp2k_output(text)
    assert output.converged is False
    assert output.scf_steps == 4
    assert (output.labels.energy is None) == (text is ABORTED)


def test_an_error_is_quoted():
    assert read_cp2k_output(REFUSED).error == "found an unknown keyword NO_SUCH_KEY in section SCF"
    assert read_cp2k_output(ABORTED).error.endswith("please set the keyword IGNORE_CONVERGENCE_FAILURE.")


FORCE, STRESS = "      2      1      H          -0.0045", " STRESS|      y       -4.24234398323E-02"


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        (FORCE, "      2      1      H          *******", "forces"),
        (STRESS, " STRESS|      y       ***************", "stress"),
        ("energy [a.u.]:               -2.34", "energy [a.u.]:               *****", "energy"),
        ("      2    1 H     1", "      2    1 H     *", "echoed"),
        ("      2    1 H     1", "      2    1 Q     1", "echoed"),
        (" CELL| Vector b [pm]", " CELL| Vector b [furlong]", "echoed"),
        (" CELL| Vector b [pm]", " CELL| Vector d [pm]", "echoed"),
    ],
)
def test_garbled_numbers_are_missing_and_not_guessed(old, new, lost):
    assert old in GOOD
    output = read_cp2k_output(GOOD.replace(old, new))
    assert (output.echoed if lost == "echoed" else getattr(output.labels, lost)) is None


MULLIKEN = """
 #  Atom  Element  Kind  Atomic population (alpha,beta) Net charge  Spin moment
       1     H        1         0.900000     0.100000     0.000000     0.800000
       2     H        1         0.900000     0.100000     0.000000     0.800000
       3     H        2         0.300000     0.700000     0.000000    -0.400000
       4     H        2         0.400000     0.600000     0.000000    -0.200000
 # Total charge and spin        2.500000     1.500000     0.000000     1.000000
"""
SPINS = GOOD.replace(" #  Atom  Element  Kind  Atomic population       ", f"{MULLIKEN}\n #")


def test_moments_are_read_where_there_are_two_spins():
    output = read_cp2k_output(SPINS)
    assert output.local_magmoms == [0.8, 0.8, -0.4, -0.2]
    assert output.total_magmom == 1.0


# How runs end


def test_a_good_run_is_a_label(cp2k, stand_in, tmp_path):
    labeler = cp2k(command=stand_in('cat "$at/good"', good=GOOD))
    outcome = labeler.run(hydrogen(), tmp_path / "scratch")
    assert outcome.notes == {}
    assert (outcome.scf_steps, outcome.max_scf_steps) == (9, 80)
    entropy = float(re.findall(r"Electronic entropic energy:\s+(\S+)", GOOD)[-1])
    expected = (-2.344380183495884 - entropy / 2) * EV_PER_HARTREE
    assert outcome.extra == {"energy_sigma0_eV": pytest.approx(expected, abs=1e-9)}
    labels = label_frame(labeler, hydrogen(), tmp_path / "again")
    assert labels.energy == outcome.labels.energy
    assert labels.level_of_theory == labeler.level_of_theory()


def test_moments_that_were_turned_around_are_turned_back(cp2k, stand_in, tmp_path):
    labeler = cp2k(command=stand_in('cat "$at/good"', good=SPINS))
    frame = hydrogen()
    frame.set_initial_magnetic_moments([-1, -1, 0, 0.5])
    with pytest.raises(LabelRejected, match="multiplicity is 1 in its output, and 3 was asked"):
        labeler.run(frame, tmp_path / "other")
    frame.set_initial_magnetic_moments([-1, -1, 0.5, 0.6])
    outcome = labeler.run(frame, tmp_path / "scratch")
    assert outcome.extra["local_magmoms"] == [-0.8, -0.8, 0.4, 0.2]
    assert outcome.extra["total_magmom"] == -1.0


def test_a_spin_that_was_not_kept_is_rejected(cp2k, stand_in, tmp_path):
    frame = hydrogen()
    frame.info["spin"] = 1
    labeler = cp2k(command=stand_in('cat "$at/good"', good=SPINS), spin_polarised=True, kspacing_per_A=9)
    with pytest.raises(LabelRejected, match=r"the total moment is 1\.00, and the frame asks for 0"):
        labeler.run(frame, tmp_path / "scratch")


def moved():
    frame = hydrogen()
    frame.positions[1] += 0.001
    return frame


def stretched():
    frame = hydrogen()
    frame.cell[2, 2] += 0.001
    return frame


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (moved(), "other positions"),
        (stretched(), "another cell"),
        (hydrogen()[[1, 0, 2, 3]], "other positions"),
        (hydrogen()[:3], "not echo the 3 atoms but 4"),
    ],
)
def test_the_output_of_another_frame_is_rejected(cp2k, stand_in, tmp_path, frame, told):
    with pytest.raises(LabelRejected, match=told):
        label_frame(cp2k(command=stand_in('cat "$at/good"', good=GOOD)), frame, tmp_path / "scratch")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"cutoff_Ry": 301}, "cutoff_Ry is 300 in its output, and 301 was asked"),
        ({"rel_cutoff_Ry": 60}, "rel_cutoff_Ry is 50"),
        ({"eps_scf": 1e-7}, "eps_scf is 1e-06"),
        ({"electronic_temperature_K": 1000}, "electronic_temperature_K is 20000"),
    ],
)
def test_a_run_with_other_settings_is_rejected(cp2k, stand_in, tmp_path, settings, told):
    with pytest.raises(LabelRejected, match=told):
        label_frame(cp2k(command=stand_in('cat "$at/good"', good=GOOD), **settings), hydrogen(), tmp_path / "scratch")


CUT = GOOD[: GOOD.index(ENDS)]
COARSE = GOOD.replace("0.004394469367", "0.104394469367")
SILENT = GOOD.replace("*** SCF run converged", "*** SCF run is what it is")
CRASHED = GOOD[: GOOD.index("     4 Broy")] + CLOSE[CLOSE.index(" ****") :].replace("GEOMETRY wrong or", "NaN, or")
ILL = CLOSE.replace(
    "               GEOMETRY wrong or EMAX_SPLINE too small!", "Cholesky decompose failed: the matrix is not positive"
).replace(" *    |     ", " *    | definite or ill-conditioned")
BAD_ENDS = {
    "cut at the end": ('cat "$at/text"', CUT, TransientError, "ends early (code 0)"),
    "cut in the forces": ('cat "$at/text"', GOOD[: GOOD.index(FORCE)], TransientError, "ends early (code 0)"),
    "cut in the cycle": ('cat "$at/text"; exit 1', GOOD[: GOOD.index("     4 Broy")], TransientError, "early (code 1)"),
    "no output": ("true", "", TransientError, "wrote no output"),
    "hung": ("sleep 60", "", TransientError, "time limit"),
    "killed": ('cat "$at/text"; kill -9 $$', CUT, TransientError, "killed (code -9)"),
    "killed, says mpirun": ("exit 137", "", TransientError, "killed (code 137)"),
    "disk": ("echo 'write: No space left on device' >&2; exit 2", "", TransientError, "disk is full"),
    "code 1 at the end": ('cat "$at/text"; exit 1', GOOD, TransientError, "although its output is complete"),
    "libraries": ("echo 'cp2k.psmp: shared libraries' >&2; exit 127", "", MissingError, "shared libraries"),
    "refused": ('cat "$at/text"; exit 1', REFUSED, InputError, "unknown keyword NO_SUCH_KEY in section SCF"),
    "close": ('cat "$at/text"; exit 1', CLOSE, LabelRejected, "GEOMETRY wrong"),
    "overlap": ('cat "$at/text"; exit 1', ILL, LabelRejected, "CP2K: Cholesky decompose failed: the matrix"),
    "in the cycle": ('cat "$at/text"; exit 1', CRASHED, LabelRejected, "CP2K: NaN, or EMAX_SPLINE"),
    "unconverged": ('cat "$at/text"', UNCONVERGED, LabelRejected, "did not converge in 4 SCF steps, nor in 2 gentler"),
    "unconverged, 2024": ('cat "$at/text"; exit 1', ABORTED, LabelRejected, "did not converge in 4 SCF steps"),
    "unconverged, killed": ('cat "$at/text"; kill -9 $$', UNCONVERGED, TransientError, "killed"),
    "says nothing": ('cat "$at/text"', SILENT, LabelRejected, "does not say that it converged"),
    "coarse grid": ('cat "$at/text"', COARSE, LabelRejected, "forces sum to 1.29 eV/Å per atom"),
    "nan": ('cat "$at/text"', GOOD.replace("0.004394469367", "NaN"), LabelRejected, "forces is not finite"),
    "stars": ('cat "$at/text"', GOOD.replace("0.004394469367", "**************"), LabelRejected, "no forces"),
    "no energy": ('cat "$at/text"', GOOD.replace("Total FORCE_EVAL", ""), LabelRejected, "no energy"),
    "no stress": ('cat "$at/text"', GOOD.replace("STRESS|", "stress|"), LabelRejected, "no stress"),
    "no echo": ('cat "$at/text"', GOOD.replace("ATOMIC COORDINATES", ""), LabelRejected, "does not echo the 4 atoms"),
}


@pytest.mark.parametrize(("script", "text", "error", "told"), BAD_ENDS.values(), ids=BAD_ENDS)
def test_of_the_bad_ends_none_is_a_label(cp2k, stand_in, tmp_path, script, text, error, told):
    labeler = cp2k(command=stand_in(script, text=text), wall_time=20 if "sleep" not in script else 0.5)
    with pytest.raises(error) as caught:
        label_frame(labeler, hydrogen(), tmp_path / "scratch")
    assert type(caught.value) is error
    assert told in caught.value.what
    assert caught.value.hint


COUNT = 'echo x >> "$at/runs"; if [ $(wc -l < "$at/runs") -lt 3 ]; then cat "$at/bad"; exit; fi\n'


def test_the_ladder_climbs_changes_no_physics_and_is_recorded(cp2k, stand_in, tmp_path):
    labeler = cp2k(command=stand_in(COUNT + 'cat "$at/good"', good=GOOD, bad=UNCONVERGED))
    outcome = labeler.run(hydrogen(), tmp_path / "scratch")
    assert outcome.notes == {"tries": "3", "ALPHA": "0.025", "MAX_SCF": "320"}
    assert outcome.max_scf_steps == 320
    inputs = [(tmp_path / "scratch" / f"try-{number}" / "cp2k.inp").read_text() for number in (1, 2, 3)]
    told = [dict(re.findall(r"^ +(ALPHA|MAX_SCF) (\S+)$", text, re.MULTILINE)) for text in inputs]
    assert [each["ALPHA"] for each in told] == ["0.4", "0.1", "0.025"]
    assert [each["MAX_SCF"] for each in told] == ["80", "160", "320"]
    physics = [re.sub(r"(ALPHA|MAX_SCF) \S+", "", text) for text in inputs]
    assert physics[0] == physics[1] == physics[2]


def test_a_cycle_that_ends_at_its_limit_proves_nothing(cp2k, stand_in, tmp_path):
    labeler = cp2k(command=stand_in('cat "$at/good"', good=GOOD), max_scf_steps=9, ladder=False)
    with pytest.raises(LabelRejected, match=r"did not converge in 9 SCF steps\n.*max_scf_steps \(9\).*alpha \(0.4\)"):
        labeler.run(hydrogen(), tmp_path / "once")
    assert [path.name for path in (tmp_path / "once").iterdir()] == ["try-1"]
