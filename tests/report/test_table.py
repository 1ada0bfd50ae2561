"""The table and the figure say what the data say."""

from __future__ import annotations

import io

import pytest
from matplotlib.image import imread
from rich.console import Console

from pfd.errors import RunError
from pfd.report import ReportData, results_tables, summary_plot
from pfd.report.table import NARROW, number, part_rows, result_rows, speedup, user_rows


def printed(data: ReportData, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(*results_tables(data))
    return stream.getvalue()


def test_rows_hold_the_numbers_of_the_data(full_data):
    rows = result_rows(ReportData.model_validate(full_data))
    assert [row.model for row in rows] == [
        "pre-trained (chgnet)",
        "fine-tuned (chgnet)",
        "student (pod)",
        "student from scratch (pod)",
    ]
    for row, model in zip(rows, full_data["models"].values(), strict=True):
        errors = model["errors"]
        assert float(row.force.split()[0]) == pytest.approx(errors["force_rmse_meV_per_A"], rel=5e-3)
        assert float(row.relative.split()[0]) == pytest.approx(100 * errors["force_rmse_relative"], rel=5e-3)
        assert float(row.slope) == pytest.approx(errors["force_slope"], abs=5e-4)
        assert float(row.energy) == pytest.approx(errors["energy_rmse_meV_per_atom"], rel=5e-3)
        assert float(row.speed) == pytest.approx(model["us_per_atom_step"], rel=5e-3)
        assert float(row.speedup.split()[0]) == pytest.approx(1850 / model["us_per_atom_step"], rel=5e-3)


def test_speedup_is_over_the_teacher(full_data):
    data = ReportData.model_validate(full_data)
    assert speedup(data, "student") == pytest.approx(1850 / 21.4)
    only = {key: full_data["models"][key] for key in ("pretrained", "student")}
    assert speedup(ReportData.model_validate({"models": only}), "student") == pytest.approx(1830 / 21.4)
    untimed = {"models": {"student": {"us_per_atom_step": 2.0}}}
    assert speedup(ReportData.model_validate(untimed), "student") is None
    assert speedup(ReportData(), "student") is None


def test_eighty_columns_are_enough(full_data):
    text = printed(ReportData.model_validate(full_data), 80)
    assert "…" not in text
    for row in result_rows(ReportData.model_validate(full_data)):
        for cell in row.cells(NARROW)[1:]:
            assert cell in text
    assert "silicon: errors on 24 test frames" in text


def test_what_is_missing_is_a_dash(full_data):
    partial = {
        "models": {
            "pretrained": {},
            "student": {"errors": {"frames": 2, "force_frames": 2, "bad_forces": 1, "bad_energies": 2}},
        }
    }
    rows = result_rows(ReportData.model_validate(partial))
    assert rows[0] == ("pre-trained", *["–"] * 8)
    assert rows[1].force == "1 of 2 not finite"
    assert rows[1].energy == "not finite"
    assert result_rows(ReportData()) == []
    assert printed(ReportData(), 80)


def test_only_columns_with_something_to_say(full_data):
    errors = full_data["models"]["student"]["errors"] | {"frames": 1, "trajectories": 2, "interval_note": "of two"}
    text = printed(ReportData.model_validate({"name": "x", "models": {"student": {"errors": errors}}}), 80)
    assert "x: errors on 1 test frame\n" in "\n".join(line.rstrip() for line in text.splitlines())
    assert "speed-up" not in text
    assert "too narrow: the frames are of 2 trajectories" in " ".join(text.split())
    timed = {"student": {"errors": errors | {"trajectories": 4, "interval_note": ""}, "us_per_atom_step": 2.0}}
    whole = printed(ReportData.model_validate({"models": timed}), 80)
    assert "speed-up" in whole
    assert "too narrow" not in whole


def test_the_users_own_test_file_is_reported_apart(full_data):
    assert user_rows(ReportData.model_validate(full_data)) == []
    models = {"student": {"user_errors": full_data["models"]["scratch"]["errors"]}}
    rows = user_rows(ReportData.model_validate({"models": models}))
    assert float(rows[0].slope) == pytest.approx(full_data["models"]["scratch"]["errors"]["force_slope"], abs=5e-4)
    both = {"models": {"student": full_data["models"]["student"] | models["student"]}}
    text = printed(ReportData.model_validate(full_data | both), 80)
    assert "errors on your own test file, 24 frames" in text
    assert rows[0].force in text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1e-4, "0.000100"), (999.6, "1000"), (-12.345, "-12.3"), (1850.4, "1850")]
)
def test_numbers_have_three_digits_and_no_exponent(value, text):
    assert number(value) == text


def test_summary_plot_is_a_picture_of_the_models_tested(full_data, tmp_path):
    path = summary_plot(ReportData.model_validate(full_data), tmp_path / "summary.png")
    first = path.read_bytes()
    pixels = imread(path)
    assert pixels.shape[1] == 1600
    assert tuple(pixels[0, 0, :3]) == (1.0, 1.0, 1.0)
    assert summary_plot(ReportData.model_validate(full_data), path).read_bytes() == first
    untimed = {"models": {"student": {"errors": full_data["models"]["student"]["errors"]}}}
    assert summary_plot(ReportData.model_validate(untimed), tmp_path / "one.png").is_file()
    with pytest.raises(RunError, match="no model has been tested"):
        summary_plot(ReportData(), tmp_path / "none.png")


def test_every_condition_and_element_has_its_figures(full_data):
    rows = part_rows(ReportData.model_validate(full_data))
    parts = list(dict.fromkeys(row.part for row in rows))
    assert parts == ["300 K", "900 K", "1500 K", "group strained-0", "group strained-1", "Ge", "Si"]
    assert len(rows) == 7 * 4
    errors = full_data["models"]["student"]["errors"]
    (cold,) = (row for row in rows if (row.model, row.part) == ("student", "300 K"))
    assert cold.stress == number(errors["by_group"]["temperature_K"]["300"]["stress_rmse_GPa"])
    assert cold.energy == number(errors["by_group"]["temperature_K"]["300"]["energy_rmse_meV_per_atom"])
    (silicon,) = (row for row in rows if (row.model, row.part) == ("student", "Si"))
    assert silicon.force == number(errors["by_element"]["Si"]["force_rmse_meV_per_A"])
    assert silicon.energy == "–"
