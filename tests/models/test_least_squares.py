import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfd.errors import TaskFailed
from pfd.models.least_squares import Inequalities, ReducedRows


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 40))
def test_reduced_rows_answer_like_the_rows(seed, features, count):
    generator = np.random.default_rng(seed)
    rows, targets = generator.normal(size=(count, features)), generator.normal(size=count)
    reduced = ReducedRows(features)
    for part in np.array_split(np.arange(count), 3):
        reduced.add(rows[part], targets[part])
        reduced.rms(np.zeros(features))  # folds in between
    coefficients = generator.normal(size=features)
    assert reduced.count == count
    assert reduced.rms(coefficients) == pytest.approx(np.sqrt(np.mean((rows @ coefficients - targets) ** 2)), rel=1e-9)
    ridge = 1e-3
    scale = np.linalg.norm(rows, axis=0)
    normal = rows.T @ rows + ridge * np.diag(scale**2)
    assert np.allclose(reduced.solve(ridge), np.linalg.solve(normal, rows.T @ targets), atol=1e-6)


def test_rows_that_count_several_times_are_as_if_repeated():
    generator = np.random.default_rng(1)
    rows, targets = generator.normal(size=(12, 3)), generator.normal(size=12)
    weighted, repeated = ReducedRows(3), ReducedRows(3)
    weighted.add(rows[:8], targets[:8])
    weighted.add(rows[8:], targets[8:], times=3)
    repeated.add(np.vstack([rows, rows[8:], rows[8:]]), np.concatenate([targets, targets[8:], targets[8:]]))
    found = weighted.solve(1e-3)
    assert weighted.count == repeated.count == 20
    assert found == pytest.approx(repeated.solve(1e-3), rel=1e-9)
    assert weighted.rms(found) == pytest.approx(repeated.rms(found), rel=1e-9)


def test_a_feature_that_never_occurs_gets_no_weight():
    reduced = ReducedRows(2)
    reduced.add(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([1.0, 2.0]))
    assert np.allclose(reduced.solve(1e-12), [1.0, 0.0])


@pytest.mark.parametrize("ridge", [0.0, 1e-8])
def test_a_feature_of_rounding_errors_gets_no_weight(ridge):
    random = np.random.default_rng(0)
    rows = random.normal(size=(30, 4)) * [1.0, 1e-17, 1e-6, 1e3]
    reduced = ReducedRows(4)
    reduced.add(rows, rows @ [1.0, 0.0, 2.0, -1.0] + 1e-3 * random.normal(size=30))
    found = reduced.solve(ridge)
    assert found[1] == 0.0
    assert np.all(found[[0, 2, 3]] != 0.0)  # small is not none


@given(st.integers(0, 10**6))
def test_inequalities_are_obeyed_at_the_least_cost(seed):
    generator = np.random.default_rng(seed)
    rows, targets = generator.normal(size=(30, 4)), generator.normal(size=30)
    limits = Inequalities(generator.normal(size=(3, 4)), generator.normal(size=3))
    reduced = ReducedRows(4)
    reduced.add(rows, targets)
    free, found = reduced.solve(0.0), reduced.solve(0.0, limits)
    assert np.all(limits.rows @ found >= limits.bounds - 1e-8)
    # Karush, Kuhn and Tucker: the gradient is a non-negative mixture of the rows that bind, and of those only.
    binding = limits.rows[limits.rows @ found - limits.bounds < 1e-7]
    gradient = rows.T @ (rows @ found - targets)
    if not len(binding):
        assert found == pytest.approx(free, abs=1e-9)
    else:
        weights = np.linalg.lstsq(binding.T, gradient, rcond=None)[0]
        assert binding.T @ weights == pytest.approx(gradient, abs=1e-6 * np.abs(gradient).max())
        assert np.all(weights > -1e-6)


def test_inequalities_that_exclude_each_other_are_told():
    reduced = ReducedRows(1)
    reduced.add(np.array([[1.0]]), np.array([0.0]))
    with pytest.raises(TaskFailed, match="no coefficients obey"):
        reduced.solve(1e-8, Inequalities(np.array([[1.0], [-1.0]]), np.array([1.0, 1.0])))


def test_batches_and_a_ridge_of_zero_change_nothing():
    generator = np.random.default_rng(0)
    rows, targets = generator.normal(size=(2500, 90)), generator.normal(size=2500)
    reduced = ReducedRows(90)
    for part in np.array_split(np.arange(2500), 7):
        reduced.add(rows[part], targets[part])
    expected = np.linalg.lstsq(rows, targets, rcond=None)[0]
    assert reduced.solve(0.0) == pytest.approx(expected, abs=1e-12)
    assert reduced.solve(1e-8) == pytest.approx(expected, abs=1e-7)


def test_an_ill_conditioned_fit_keeps_the_digits_that_normal_equations_lose():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(200, 8))
    rows[:, 1] = rows[:, 0] + 1e-9 * rows[:, 1]
    wanted = np.arange(1.0, 9.0)
    reduced = ReducedRows(8)
    reduced.add(rows, rows @ wanted)
    assert reduced.solve(0.0) == pytest.approx(wanted, abs=1e-5)
