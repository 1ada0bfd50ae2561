"""A student with senseless energies is warned of, and one that is only worse than its teacher is not."""

from __future__ import annotations

import pytest

from pfd.evaluate.energy_sanity import absurd_energy


@pytest.mark.parametrize(
    ("student", "teacher", "told"),
    [
        (400.0, 4.0, "400 meV/atom, 100 times its teacher's 4.0"),
        (400.0, 0.0, "400 meV/atom, beside its teacher's 0.0"),
        (30.0, 10.0, ""),
        (24.0, 0.5, ""),
        (None, 1.0, ""),
        (400.0, None, ""),
    ],
)
def test_both_limits_count(student, teacher, told):
    found = absurd_energy(student, teacher)
    assert told in found
    assert bool(found) is bool(told)
