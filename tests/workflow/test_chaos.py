"""SIGKILL of the driver, of tasks, of all at once, at random moments: each task is done once, and the end is the same.

``make chaos`` kills a hundred times; PFD_KILLS says how often, PFD_KILL_SEED with which seed. The seed of each run
stands in the name of its test.
"""

from __future__ import annotations

import os
import random

import pytest
from tests.workflow.chaos import Chaos
from tests.workflow.kill_harness import check_runs_once, outcome

KILLS = int(os.environ.get("PFD_KILLS", "7"))
SEED = int(os.environ.get("PFD_KILL_SEED", "20261126"))
KILLS_PER_RUN = 10
SESSIONS = [
    (SEED + number, min(KILLS_PER_RUN, KILLS - first)) for number, first in enumerate(range(0, KILLS, KILLS_PER_RUN))
]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("seed", "kills"), SESSIONS, ids=[f"seed {seed}, {kills} kills" for seed, kills in SESSIONS])
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(undisturbed, tmp_path, seed, kills, capsys):
    input_file, expected = undisturbed
    tasks = sum(not path.startswith(("data", "models")) for path in expected["digests"])
    chaos = Chaos(input_file, tmp_path / "run", tasks, random.Random(seed))
    try:
        assert chaos.go(kills) == 0
        check_runs_once(chaos.run)
        assert outcome(chaos.run) == expected
    finally:
        with capsys.disabled():
            print(f"\nseed {seed}: {len(chaos.kills)} of {kills} kills: {chaos.kills}")
    assert len(chaos.kills) >= kills * 0.5, "the run ended before it was killed often enough"
