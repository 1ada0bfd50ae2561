"""The environment variables that a task's process gets for its threads."""

from __future__ import annotations

import pytest

from pfd.engines.threads import thread_variables


def test_threads_are_as_many_as_cores_and_sleep_soon(monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    variables = thread_variables(3)
    assert (variables["OMP_NUM_THREADS"], variables["GOMP_SPINCOUNT"]) == ("3", "3000")


@pytest.mark.parametrize("name", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_how_they_wait_is_left_to_a_user_who_set_it(name, monkeypatch):
    monkeypatch.setenv(name, "1")
    assert "GOMP_SPINCOUNT" not in thread_variables(1)
