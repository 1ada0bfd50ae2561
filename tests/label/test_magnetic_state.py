"""Labels off the magnetic state that was asked for are rejected or flagged, and only those."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from pfd.errors import LabelRejected
from pfd.frames import Labels
from pfd.label.judge import judge, measure
from pfd.label.labeler import AcceptanceRules, Outcome
from pfd.label.magnetic_state import magnetic_measures, magnetic_problem
from pfd.label.record import Measures


def iron(*moments, spin=None):
    frame = bulk("Fe", cubic=True) * (len(moments) // 2, 1, 1)
    del frame.arrays["initial_magmoms"]  # ASE's own, one number per atom
    frame.set_initial_magnetic_moments(moments)
    if spin is not None:
        frame.info["spin"] = spin
    return frame


def ended(local=None, total=None):
    extra = ({} if local is None else {"local_magmoms": list(local)}) | (
        {} if total is None else {"total_magmom": total}
    )
    return Outcome(Labels(-1.0, np.zeros((2, 3)), np.zeros(6)), converged=True, extra=extra)


@pytest.mark.parametrize(
    ("asked", "final", "reversed_", "lost"),
    [
        ((3, 3), (2.2623, 2.2622), 0, 0),  # these seven are runs of pw.x, of 2 atoms of bcc iron
        ((3, -3), (1.4150, -1.4073), 0, 0),
        ((5, -5), (1.4173, -1.4040), 0, 0),
        ((5, 5), (2.2621, 2.2611), 0, 0),
        ((3, -3), (-0.0038, -0.0035), 0, 2),
        ((3, 2), (2.2639, 2.2608), 0, 0),
        ((3, 3), (1.4431, 1.4430), 0, 0),
        ((3, 3), (-2.2, -2.2), 0, 0),  # all turned around is the same state
        ((3, -3), (-1.4, 1.4), 0, 0),
        ((3, 3, 3, 3), (2.2, 2.2, 2.2, -2.2), 1, 0),
        ((3, 3, 3, -3), (2.2, 2.2, 0.1, 2.2), 1, 1),
        ((4.2, 4.2), (4.2, 1.0), 0, 1),
        ((4, 0), (3.5, -0.4), 0, 0),  # induced, not asked for
        ((4, 0.6), (3.5, -0.1), 0, 0),  # the start of input sets for every other element
    ],
)
def test_moments_are_compared_atom_by_atom(asked, final, reversed_, lost):
    found = magnetic_measures(iron(*asked), {"local_magmoms": list(final)})
    assert found == {"moments_reversed": reversed_, "moments_lost": lost}


@pytest.mark.parametrize(("spin", "total", "off"), [(3, 2.0, 0.0), (3, -2.0, 0.0), (3, 0.0, -2.0), (1, 1.0, 1.0)])
def test_the_total_moment_is_held_against_the_spin(spin, total, off):
    found = magnetic_measures(iron(0, 0, spin=spin), {"total_magmom": total})
    assert found == {"total_moment_off": off}
    problem = magnetic_problem(Measures(largest_force_eV_per_A=0, net_force_eV_per_A=0, **found))
    assert (f"{off:+.2f} Bohr magnetons" in problem) == bool(off)


def test_rounding_of_a_total_moment_is_no_other_state():
    measures = Measures(largest_force_eV_per_A=0, net_force_eV_per_A=0, total_moment_off=0.1, moments_lost=0)
    assert magnetic_problem(measures) == ""
    assert "+0.11" in magnetic_problem(measures.model_copy(update={"total_moment_off": 0.11}))


@pytest.mark.parametrize(
    ("frame", "extra"),
    [
        (iron(3, 3), {}),  # the engine does not tell
        (iron(3, 3), {"total_magmom": 4.4}),  # no spin was asked for
        (iron(0, 0), {"local_magmoms": [2.0, 2.0]}),
        (iron(0.6, 0.6), {"local_magmoms": [0.0, 0.0]}),
        (iron(3, 3), {"local_magmoms": [2.2]}),
        (iron([0, 0, 3], [0, 0, 3]), {"local_magmoms": [2.2, 2.2]}),  # vectors
        (iron(3, 3, spin=3), {}),
    ],
)
def test_where_there_is_nothing_to_compare_nothing_is_said(frame, extra):
    assert magnetic_measures(frame, extra) == {}


def test_a_moment_that_is_no_number_is_lost():
    found = magnetic_measures(iron(3, 3), {"local_magmoms": [float("nan"), 2.2]})
    assert found == {"moments_reversed": 0, "moments_lost": 1}


def test_another_state_is_rejected_unless_it_is_to_be_flagged():
    frame, outcome = iron(3, 3), ended([2.2, -2.2])
    with pytest.raises(LabelRejected, match="1 atom reversed the moment that was asked for") as caught:
        judge(frame, outcome, AcceptanceRules())
    assert "magnetic_state: flag" in caught.value.hint
    assert judge(frame, outcome, AcceptanceRules(magnetic_state="flag")).energy == -1.0
    assert judge(frame, ended([2.2, 2.1]), AcceptanceRules()).energy == -1.0
    several = measure(iron(3, 3, 3, 3), replace(outcome.labels, forces=np.zeros((4, 3))), ended([2, 2, 0, 0], 4.0))
    assert magnetic_problem(several) == "2 atoms lost the moment that was asked for"


def test_what_counts_as_asked_for_may_be_another_state_than_the_frames():
    outcome = replace(ended([1.4, -1.4]), asked=iron(3, -3))
    assert measure(iron(3, 3), outcome.labels, outcome).moments_reversed == 0
