"""Voigt components: the order is ASE's, and the way there and back changes no bit."""

from __future__ import annotations

import numpy as np
from ase.stress import full_3x3_to_voigt_6_stress
from hypothesis import given
from hypothesis import strategies as st

from pfd.voigt import from_voigt, to_voigt

SIX = st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6).map(np.array)


@given(SIX)
def test_there_and_back_is_exact(six):
    matrix = from_voigt(six)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_array_equal(to_voigt(matrix), six)
    np.testing.assert_array_equal(from_voigt(to_voigt(matrix)), matrix)


def test_the_order_is_that_of_ase():
    matrix = np.array([[1.0, 6, 5], [6, 2, 4], [5, 4, 3]])
    np.testing.assert_array_equal(to_voigt(matrix), [1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(to_voigt(matrix), full_3x3_to_voigt_6_stress(matrix))


def test_noise_off_the_symmetric_part_is_dropped_and_further_axes_are_carried():
    noisy = np.array([[1.0, 6.5, 5], [5.5, 2, 4], [5, 4, 3]])
    np.testing.assert_array_equal(to_voigt(noisy), [1, 2, 3, 4, 5, 6])
    many = np.stack([noisy, 2 * noisy], axis=2)
    np.testing.assert_array_equal(to_voigt(many), np.outer([1, 2, 3, 4, 5, 6], [1, 2]))
    assert from_voigt(to_voigt(many)).shape == (3, 3, 2)
