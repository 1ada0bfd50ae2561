"""Jobs of a calculator and a structure, as the tests of properties need them."""

from __future__ import annotations

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from pfd.evaluate.properties.property import Job
from pfd.models.speed import STILLINGER_WEBER


@pytest.fixture
def emt_copper(tmp_path):
    """EMT copper in its conventional cell, near its lattice constant."""
    return Job(EMT, {"structure": bulk("Cu", "fcc", a=3.6, cubic=True)}, scratch=tmp_path)


@pytest.fixture
def sw_silicon(tmp_path):
    """Stillinger-Weber silicon in LAMMPS, primitive cell."""
    from pfd.lammps.calculator import LammpsCalculator
    from pfd.lammps.session import LammpsPotential

    path = tmp_path / "Si.sw"
    path.write_text(STILLINGER_WEBER, encoding="utf-8")
    potential = LammpsPotential("sw", (f"* * {path} Si",), ("Si",))
    structure = bulk("Si", "diamond", a=5.5)
    return Job(lambda: LammpsCalculator(potential), {"structure": structure}, potential=potential, scratch=tmp_path)
