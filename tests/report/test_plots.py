"""Plots show what matters: a first gain that dwarfs the others is told in words, a fit in one step has no curve."""

from __future__ import annotations

import pytest

from pfd.report import plots
from pfd.report.data import ReportData


def run_of(**turn):
    return ReportData.model_validate({"iterations": [{"loop": "finetune", "iteration": 0} | turn]})


@pytest.mark.parametrize(
    ("gains", "told"), [([900.0, 3.0, 2.0], True), ([9.0, 3.0], False), ([900.0], False), ([5.0, -1.0], False)]
)
def test_a_first_gain_that_dwarfs_the_others_is_told_in_words(gains, told):
    (plot,) = plots.gain_plots(run_of(gains=gains))
    assert (f"(pick 1: {gains[0]:.0f})" in plot) == told


def test_a_fit_in_one_step_is_told_in_words():
    record = {"step": 1, "loss": 0.1, "train_force_rmse_eV_per_A": 0.0417, "valid_force_rmse_eV_per_A": 0.0383}
    data = run_of(curve=[record])
    assert plots.learning_curves(data) == []
    assert plots.fits_in_words(data) == [
        "Fine-tuning 0: fitted in one step, force RMSE 38.3 meV/Å on validation frames, 41.7 meV/Å on training frames"
    ]
    several = run_of(curve=[record, record | {"step": 2}])
    assert len(plots.learning_curves(several)) == 1
    assert plots.fits_in_words(several) == []
    assert plots.fits_in_words(run_of(curve=[{"step": 1, "loss": 0.1}])) == []


def test_drift_is_drawn_by_element_and_told_on_the_page():
    elements = {
        "Li": {"atoms": 16, "force_rmse_relative": 0.3},
        "Au": {"atoms": 16, "force_rmse_relative": 0.1},
        "Fr": {"atoms": 16},
    }
    drift = {"frames": 6, "by_element": elements, "force_rmse_meV_per_A": 44.0, "force_rmse_relative": 0.166}
    plot = plots.drift_plot(ReportData.model_validate({"drift": drift}))
    assert plot.index(">Au<") < plot.index(">Li<")
    assert ">Fr<" not in plot
    assert plots.drift_plot(ReportData()) is None


@pytest.mark.parametrize(("told", "points"), [(True, [(14, 22), (6, 14)]), (False, [(20, 28), (12, 20)])])
def test_errors_stand_at_the_labels_that_the_model_knew(told, points, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "_draw_errors", lambda axes, pairs, *rest: drawn.append(tuple(x for x, _ in pairs)))
    turns = [
        {
            "loop": "finetune",
            "iteration": n,
            "labels": {"accepted": 8, "total": 20 + 8 * n} | ({"known": k} if told else {}),
        }
        for n, k in enumerate((14, 22))
    ]
    plots.errors_by_labels(ReportData.model_validate({"iterations": turns}))
    assert drawn == points


def test_new_frames_of_a_student_that_moves_are_its_own_md():
    errors = {"frames": 1, "force_rmse_meV_per_A": 5.0}
    turn = {"loop": "distill", "iteration": 0, "prospective": errors, "labels": {"accepted": 1}}
    data = ReportData.model_validate(
        {"iterations": [turn], "trajectories": [{"name": "student-0-s0", "finished": True}]}
    )
    own = plots.errors_by_labels(data)[0]
    assert "student's own MD" in own
    assert "before training" not in own  # it is what the student does afterwards
    assert "new frames, before training" in plots.errors_by_labels(data.model_copy(update={"trajectories": ()}))[0]
