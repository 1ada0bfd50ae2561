"""How many coefficients a student has is told before anything runs, and a fit that no memory holds is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfd.cli.check import check_and_show
from pfd.errors import SettingError
from pfd.models.least_squares import fit_memory_GB

ALLOY = Path(__file__).parents[2] / "examples" / "alloy" / "input.yaml"
SLAB = ALLOY.parents[1] / "slab" / "input.yaml"
pytestmark = [pytest.mark.chgnet, pytest.mark.lammps]


@pytest.fixture
def told(capsys, monkeypatch, tmp_path):
    """The lines that check prints of coefficients."""
    monkeypatch.chdir(tmp_path)

    def look(*overrides, path=ALLOY):
        check_and_show(path, overrides, reads_model=False)
        return [line for line in capsys.readouterr().out.splitlines() if "coefficients" in line]

    return look


def test_the_number_stands_beside_that_of_force_components(told):
    assert told() == ["  pod S of 5 elements has 1355 coefficients, for at most 23040 force components"]
    assert told(path=SLAB)[0].startswith("  pod S of 1 element has 473 coefficients, for at most ")


def test_more_coefficients_than_force_components_are_told(told):
    lines = told("distill.student={family: snap, twojmax: 4}", "distill.select.max_frames=40")
    assert lines[0] == "  snap twojmax 4 of 5 elements has 8755 coefficients, for at most 3840 force components"
    assert "nep or deepmd" in lines[1]
    assert len(lines) == 2
    assert len(told("distill.student={family: snap, twojmax: 4}", "distill.select.max_frames=250")) == 2  # 2.7 for each


def test_a_fit_that_no_memory_holds_is_refused(told):
    with pytest.raises(
        SettingError, match=r"snap S of 5 elements has 18755 coefficients, whose fit holds 9 GB"
    ) as found:
        told("distill.student={family: snap, size: S}")
    assert "raise resources.train.memory_GB" in found.value.hint
    assert (
        len(told("distill.student={family: snap, size: S}", "resources.train.memory_GB=12")) == 2
    )  # 1.2 components each


def test_of_those_that_are_compared_one_must_fit(told):
    lines = told("distill.student={family: auto, families: [pod, snap]}")
    assert len(lines) == 6
    assert [line for line in lines if "left out" in line] == [line for line in lines if "snap" in line]
    with pytest.raises(SettingError, match="pod XS of 5 elements"):
        told("distill.student={family: auto, families: [pod]}", "resources.train.memory_GB=0.05")


def test_the_memory_grows_with_the_square():
    assert fit_memory_GB(20_000) == pytest.approx(4 * fit_memory_GB(10_000), rel=0.1)
