"""The pool: never more than there is, freed however a worker ends, and nobody starves."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfd.engines.local import LocalEngine
from pfd.engines.pool import POOL_VARIABLE, NoPool, Pool, pool_of_environment
from pfd.errors import RunError
from pfd.tasks.folder import Resources, TaskFolder, TaskSpec


@pytest.fixture
def pools(tmp_path):
    """Two drivers' views of one pool of 3 cores and 4 GB."""
    return Pool.create(tmp_path / "pool", 3, 4.7), Pool(tmp_path / "pool")


def test_all_or_nothing_of_cores_and_of_memory(pools):
    one, two = pools
    first = one.acquire(2, 1.0)
    assert len(first.descriptors) == 3
    assert two.acquire(2, 1.0) is None
    two.withdraw()
    assert one.acquire(1, 3.5) is None  # 4 GB in whole ones, and 3 are left
    one.withdraw()
    second = two.acquire(1, 3.0)
    assert second is not None
    first.close()
    second.close()
    with one.acquire(3, 4.0) as everything:
        assert two.acquire(1, 1.0) is None
        two.withdraw()
    assert everything.descriptors == ()
    assert two.acquire(1, 1.0) is not None


def test_who_asks_for_more_than_there_is_gets_all_of_it(pools):
    one, two = pools
    small = two.acquire(1, 1.0)
    assert one.acquire(64, 999.0) is None
    small.close()
    assert len(one.acquire(64, 999.0).descriptors) == 3 + 4


def test_who_waits_is_served_before_others(pools):
    one, two = pools
    held = two.acquire(2, 1.0)
    assert one.acquire(3, 1.0) is None  # it keeps its turn
    assert two.acquire(1, 1.0) is None  # though that much is free
    held.close()
    assert two.acquire(1, 1.0) is None
    wide = one.acquire(3, 1.0)
    assert wide is not None
    wide.close()
    assert two.acquire(1, 1.0) is not None


def test_a_worker_holds_its_slots_and_the_kernel_frees_them(pools):
    one, two = pools
    with one.acquire(3, 1.0) as slots:
        worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=slots.descriptors)
    assert two.acquire(1, 1.0) is None
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    assert two.acquire(3, 1.0) is not None


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(0.1, 6.0), st.integers(0, 6)), max_size=12))
def test_never_more_than_there_is(tmp_path_factory, wishes):
    folder = tmp_path_factory.mktemp("pool")
    Pool.create(folder, 3, 4.0)
    held = []
    for cores, memory, close in wishes:
        pool = Pool(folder)
        slots = pool.acquire(cores, memory)
        pool.withdraw()
        if slots is not None:
            held.append((slots, min(cores, 3)))
        if held and close < len(held):
            held.pop(close)[0].close()
        assert sum(count for _, count in held) <= 3
    for slots, _ in held:
        slots.close()
    with Pool(folder).acquire(3, 4.0) as everything:
        assert everything is not None


def test_the_environment_names_the_pool(tmp_path, monkeypatch):
    monkeypatch.delenv(POOL_VARIABLE, raising=False)
    assert type(pool_of_environment()) is NoPool
    monkeypatch.setenv(POOL_VARIABLE, str(tmp_path))
    with pytest.raises(RunError, match="no pool"):
        pool_of_environment()
    Pool.create(tmp_path, 2, 2.0)
    assert pool_of_environment().cores == 2


def test_an_engine_waits_for_the_pool_and_its_worker_takes_from_it(tmp_path, monkeypatch):
    pool = Pool.create(tmp_path / "pool", 1, 2.0)
    monkeypatch.setenv(POOL_VARIABLE, str(tmp_path / "pool"))
    spec = TaskSpec("adopt", {"family": "toy", "source": "soft-copper", "head": None}, resources=Resources(cores=4))
    folder = TaskFolder.create(tmp_path / "run/start/adopt", 0, spec)
    engine = LocalEngine(cores=2)
    busy = pool.acquire(1, 1.0)
    states = []

    def observe(progress):
        others = pool.acquire(1, 1.0)
        pool.withdraw()
        states.append((progress.running, others is not None))
        if others is not None:
            others.close()
        if len(states) == 2:
            assert not folder.attempts()
            busy.close()

    assert engine.run([folder], observe) == {}
    assert folder.done()
    assert all(not free for running, free in states if running)
    assert pool.acquire(1, 1.0) is not None


def test_an_interrupted_engine_gives_up_its_turn(tmp_path, monkeypatch):
    pool = Pool.create(tmp_path / "pool", 1, 2.0)
    monkeypatch.setenv(POOL_VARIABLE, str(tmp_path / "pool"))
    folder = TaskFolder.create(tmp_path / "run/start/adopt", 0, TaskSpec("adopt", {"family": "toy"}))
    busy = pool.acquire(1, 1.0)
    engine = LocalEngine(cores=1)
    began = time.monotonic()

    def interrupt(_progress):
        if time.monotonic() - began > 0.1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.run([folder], interrupt)
    busy.close()
    assert pool.acquire(1, 1.0) is not None
