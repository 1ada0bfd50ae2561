"""Each acceptance rule rejects what it is for, and names the setting to change."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from hypothesis import given
from hypothesis import strategies as st

from pfd.errors import InputError, LabelRejected
from pfd.frames import Labels, frame_id
from pfd.label.judge import judge, label_frame, refuse_unhonoured
from pfd.label.labeler import AcceptanceRules, Labeler, LabelerSettings, Outcome

FORCES = np.array([[0.1, -0.2, 0.3], [-0.1, 0.2, -0.3]])
STRESS = np.array([0.01, 0.02, 0.03, 0.0, 0.0, 0.001])


def silicon() -> Atoms:
    frame = bulk("Si")
    frame.positions[1] += [0.05, 0.02, -0.03]
    return frame


def good() -> Outcome:
    labels = Labels(-10.0, FORCES.copy(), STRESS.copy())
    return Outcome(labels, converged=True, echoed=silicon(), scf_steps=9, max_scf_steps=10, needs_stress=True)


def with_forces(forces) -> Outcome:
    return replace(good(), labels=replace(good().labels, forces=np.array(forces)))


def relabelled(**changes) -> Outcome:
    return replace(good(), labels=replace(good().labels, **changes))


def moved(shift) -> Outcome:
    echoed = silicon()
    echoed.positions[1] += shift
    return replace(good(), echoed=echoed)


def other_cell() -> Outcome:
    echoed = silicon()
    echoed.set_cell(echoed.cell.array * 1.001)
    return replace(good(), echoed=echoed)


def test_a_good_label_passes_unchanged():
    labels = judge(silicon(), good(), AcceptanceRules())
    assert labels.energy == -10.0
    np.testing.assert_array_equal(labels.forces, FORCES)
    np.testing.assert_array_equal(labels.stress, STRESS)


@pytest.mark.parametrize(
    ("outcome", "what", "hint"),
    [
        (replace(good(), converged=False), "did not converge in 9 SCF steps", "max_scf_steps (10)"),
        (replace(good(), scf_steps=10), "all of its 10 SCF steps", "max_scf_steps (10)"),
        (relabelled(energy=None), "no energy", ""),
        (relabelled(energy=float("nan")), "energy is not finite", ""),
        (relabelled(forces=None), "no forces", ""),
        (relabelled(forces=FORCES[:1]), "shape (1, 3), not (2, 3)", ""),
        (with_forces([[np.inf, 0, 0], [0, 0, 0]]), "forces is not finite", ""),
        (relabelled(stress=None), "no stress", ""),
        (relabelled(stress=STRESS[:3]), "shape (3,)", ""),
        (relabelled(stress=STRESS * np.nan), "stress is not finite", ""),
        (with_forces([[0.05, 0, 0], [0, 0, 0]]), "sum to 0.025", "max_net_force_eV_per_A (0.02)"),
        (with_forces([[51.0, 0, 0], [-51.0, 0, 0]]), "largest force is 51", "max_force_eV_per_A (50)"),
        (moved([0.001, 0, 0]), "other positions (off by 0.001", "echo_tolerance_A (0.0001)"),
        (other_cell(), "another cell", "echo_tolerance_A"),
        (replace(good(), echoed=Atoms("SiGe", silicon().positions)), "other atoms", ""),
        (replace(good(), echoed=silicon()[:1]), "other atoms", ""),
    ],
)
def test_each_sign_of_failure_is_rejected(outcome, what, hint):
    with pytest.raises(LabelRejected) as caught:
        judge(silicon(), outcome, AcceptanceRules())
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert frame_id(silicon()) in caught.value.where


@given(st.lists(st.integers(-3, 3), min_size=6, max_size=6))
def test_periodic_images_are_the_same_geometry(images):
    frame = silicon()
    echoed = frame.copy()
    echoed.positions += np.reshape(images, (2, 3)) @ frame.cell.array
    assert judge(frame, replace(good(), echoed=echoed), AcceptanceRules()).energy == -10.0


def test_images_along_a_free_direction_are_another_geometry():
    frame = silicon()
    frame.pbc = (True, True, False)
    echoed = frame.copy()
    echoed.positions[1] += frame.cell.array[2]
    with pytest.raises(LabelRejected, match="other positions"):
        judge(frame, replace(good(), echoed=echoed), AcceptanceRules())


def test_an_outcome_without_echo_or_step_count_can_pass():
    outcome = replace(good(), echoed=None, scf_steps=None, max_scf_steps=None)
    assert judge(silicon(), outcome, AcceptanceRules()).energy == -10.0


def test_the_stress_of_a_slab_is_left_out():
    frame = silicon()
    frame.pbc = (True, True, False)
    assert judge(frame, replace(good(), echoed=None), AcceptanceRules()).stress is None


class Deaf(Labeler):
    """Honours nothing."""

    name = "deaf"
    Settings = LabelerSettings

    def level_of_theory(self):
        return "deaf"

    def run(self, frame, scratch):
        return replace(good(), echoed=frame)


class Hearing(Deaf):
    name = "hearing"
    honours = frozenset({"charge", "spin", "initial_magmoms", "partial_pbc"})


def asking(name: str) -> Atoms:
    frame = silicon()
    if name == "charge":
        frame.info["charge"] = -1
    elif name == "initial charges":
        frame.set_initial_charges([0.5, 0.5])
    elif name == "spin":
        frame.info["spin"] = 3
    elif name == "initial_magmoms":
        frame.set_initial_magnetic_moments([1.0, -1.0])
    else:
        frame = fcc111("Al", (1, 1, 2), vacuum=6.0)
    return frame


@pytest.mark.parametrize("name", ["charge", "initial charges", "spin", "initial_magmoms", "partial_pbc"])
def test_what_a_labeler_cannot_honour_is_refused_by_name(name):
    frames = [silicon(), asking(name)]
    shown = "charge" if name == "initial charges" else name
    with pytest.raises(InputError, match=f"'deaf' cannot honour {shown} .*{frame_id(frames[1])}"):
        refuse_unhonoured(frames, Deaf(LabelerSettings(method="deaf")))
    refuse_unhonoured(frames, Hearing(LabelerSettings(method="hearing")))


def test_neutral_singlets_constraints_and_molecules_ask_for_nothing():
    from ase.constraints import FixAtoms

    frame = silicon()
    frame.info |= {"charge": 0, "spin": 1}
    frame.set_initial_magnetic_moments([0.0, 0.0])
    frame.set_constraint(FixAtoms([0]))
    refuse_unhonoured([frame, Atoms("H")], Deaf(LabelerSettings(method="deaf")))


def test_label_frame_refuses_judges_and_names_the_level(tmp_path):
    labeler = Deaf(LabelerSettings(method="deaf"))
    assert label_frame(labeler, silicon(), tmp_path).level_of_theory == "deaf"
    with pytest.raises(InputError):
        label_frame(labeler, asking("charge"), tmp_path)
    strict = Deaf(LabelerSettings(method="deaf", accept=AcceptanceRules(max_force_eV_per_A=0.1)))
    with pytest.raises(LabelRejected):
        label_frame(strict, silicon(), tmp_path)
