"""The choice between students: fast among the good, good among the fast, and the best where none is good."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pfd.evaluate.student_choice import ALIKE, StudentTrial, choose_student


def trial(name: str, error: float | None, speed: float | None, passed: bool = True) -> StudentTrial:
    return StudentTrial(name=name, family="x", force_rmse_meV_per_A=error, us_per_atom_step=speed, passed=passed)


def test_the_fastest_that_passes_is_taken_however_accurate_others_are():
    trials = [trial("a", 50.0, 100.0), trial("b", 90.0, 20.0), trial("c", 200.0, 1.0, passed=False)]
    choice = choose_student(trials)
    assert trials[choice.place].name == "b"
    assert "2 of 3 meet converge" in choice.reason
    assert "b (90 meV/Å, 20 µs" in choice.reason


def test_of_equally_fast_ones_the_more_accurate_is_taken():
    trials = [trial("a", 90.0, 20.0), trial("b", 50.0, 20.0 * ALIKE * 0.99), trial("c", 40.0, 20.0 * ALIKE * 1.01)]
    assert choose_student(trials).place == 1


def test_none_that_passes_leaves_the_most_accurate_and_says_so():
    choice = choose_student([trial("a", 90.0, 1.0, passed=False), trial("b", 50.0, None, passed=False)])
    assert choice.place == 1
    assert choice.reason.startswith("none of 2 meets converge: b (50 meV/Å) is the most accurate")


def test_what_was_not_fitted_is_never_chosen():
    assert choose_student([trial("a", None, None, passed=False)]) is None
    assert choose_student([trial("a", None, None, passed=False), trial("b", 1e4, None, passed=False)]).place == 1


@given(st.lists(st.tuples(st.floats(1, 1e3), st.floats(1, 1e3), st.booleans()), min_size=1, max_size=8), st.randoms())
def test_the_order_of_the_candidates_does_not_matter(rows, random):
    trials = [trial(str(index), *row) for index, row in enumerate(rows)]
    shuffled = random.sample(trials, len(trials))
    one, two = trials[choose_student(trials).place], shuffled[choose_student(shuffled).place]
    assert (one.force_rmse_meV_per_A, one.passed) == (two.force_rmse_meV_per_A, two.passed)
    assert one.passed == any(each.passed for each in trials)
