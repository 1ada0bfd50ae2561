"""What an input needs beside a family is looked for where that family lives."""

from __future__ import annotations

import sys

import pytest

from pfd.config.environment import require_batches
from pfd.environments.launch import HERE, Launch
from pfd.environments.source import source_folder
from pfd.errors import MissingError

THERE = Launch(sys.executable, (), (("PYTHONPATH", str(source_folder())),), "another environment")


@pytest.mark.parametrize("launch", [HERE, THERE])
def test_batches_need_torch_sim_where_the_model_is(launch, monkeypatch):
    monkeypatch.setattr("pfd.config.environment.BATCH_MODULES", ("no_such_package_at_all",))
    with pytest.raises(MissingError, match=f"torch-sim, which {launch.what} lacks") as caught:
        require_batches(launch, "input: finetune.explore.0.0.method")
    assert caught.value.hint.startswith(f"{sys.executable} -m pip install torch-sim-atomistic")
    monkeypatch.setattr("pfd.config.environment.BATCH_MODULES", ("json",))
    require_batches(launch, "")
