"""Parity plots: their points for the pointer, and the frames behind the largest residuals."""

from __future__ import annotations

import copy

from pfd.report.data import ReportData
from pfd.report.parity_plot import parity_rows, worst_frames


def test_every_point_is_there_for_the_pointer(full_data):
    models = {"student": full_data["models"]["student"], "pretrained": full_data["models"]["pretrained"]}
    rows = parity_rows(ReportData.model_validate({"models": models}))
    assert [[plot.points["model"] for plot in row] for row in rows.rows] == [["pre-trained", "student"]] * 3
    assert [row[0].points["unit"].split(",")[0] for row in rows.rows] == [
        "energy",
        "force component",
        "stress component",
    ]
    parity = models["student"]["parity"]
    assert list(rows.frames) == parity["frames"]
    plot = rows.rows[1][1]
    assert plot.points["x"] == tuple(parity["force_eV_per_A"]["label"])
    assert plot.points["place"] == tuple(parity["force_eV_per_A"]["place"])
    left, top, width, height = plot.points["box"]
    assert 0 < left < left + width < 1
    assert 0 < top < top + height < 1
    assert rows.rows[1][0].points["limits"] == plot.points["limits"]


def test_points_of_an_older_run_have_no_frames_and_are_drawn(full_data):
    model = copy.deepcopy(full_data["models"]["student"])
    for points in model["parity"].values():
        if isinstance(points, dict):
            points.pop("frame")
            points.pop("place")
    model["parity"].pop("frames")
    data = ReportData.model_validate({"models": {"student": model}})
    assert [plot.points for row in parity_rows(data).rows for plot in row] == [{}, {}, {}]
    assert worst_frames(data, 3) == []


def test_the_worst_frames_are_those_of_the_largest_residuals(full_data):
    model = copy.deepcopy(full_data["models"]["finetuned"])
    points = model["parity"]["force_eV_per_A"]
    for index, excess in ((7, 30.0), (1900, 20.0)):
        points["predicted"][index] = points["label"][index] + excess
    data = ReportData.model_validate({"models": {"finetuned": model}})
    expected = [model["parity"]["frames"][points["frame"][index]] for index in (7, 1900)]
    assert worst_frames(data, 2) == expected
    assert len(worst_frames(data, 100)) <= len(model["parity"]["frames"])
