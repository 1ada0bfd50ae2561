"""Slots and turns: what fits beside what runs, which GPUs a task sees, and that nobody waits forever."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfd.engines.batches import MOST_OVERTAKEN, Batch, Queue, batches_of
from pfd.engines.slots import Share, Slots
from pfd.environments.launch import HERE, Launch
from pfd.errors import MissingError
from pfd.gpus import visible_gpus
from pfd.tasks.folder import Resources, TaskFolder, TaskSpec

THREE = Slots(cores=8, memory_GB=64.0, gpus=("a", "b", "c"))
ALONE = Resources(gpus=1)


def test_a_task_that_asks_for_gpus_has_them_for_itself():
    held = []
    for expected in (("a",), ("b",), ("c",)):
        held.append(THREE.take(ALONE, held))
        assert held[-1].gpus == expected
        assert held[-1].variables == {"CUDA_VISIBLE_DEVICES": expected[0]}
    assert THREE.take(ALONE, held) is None
    assert THREE.take(ALONE, held[1:]).gpus == ("a",)
    assert THREE.take(Resources(gpus=2), held[1:]) is None
    assert THREE.take(Resources(gpus=2), held[2:]).variables == {"CUDA_VISIBLE_DEVICES": "a,b"}


def test_who_asks_for_none_shares_what_is_free():
    assert THREE.take(Resources(device="cpu"), []).variables == {"CUDA_VISIBLE_DEVICES": ""}
    owner = THREE.take(ALONE, [])
    held = [owner]
    for expected in ("b", "c", "b", "c"):
        held.append(THREE.take(Resources(), held))
        assert held[-1].variables == {"CUDA_VISIBLE_DEVICES": expected}
        assert held[-1].gpus == ()
    assert THREE.take(ALONE, held) is None  # b and c are shared, a is taken
    owners = [Share(ALONE, (name,), (name,)) for name in "abc"]
    assert THREE.take(Resources(), owners).variables == {"CUDA_VISIBLE_DEVICES": ""}
    assert THREE.take(Resources(device="cuda"), owners) is None


def test_where_no_gpu_is_known_a_task_finds_what_it_finds_unless_they_are_forbidden():
    assert Slots(2, 4.0, (), counted=False).take(Resources(), []).variables == {}
    assert Slots(2, 4.0, (), counted=True).take(Resources(), []).variables == {"CUDA_VISIBLE_DEVICES": ""}
    assert Slots(2, 4.0, (), counted=False).take(Resources(device="cuda"), []) is not None  # it says itself what lacks


def test_more_gpus_than_there_are_would_wait_forever():
    with pytest.raises(MissingError, match="4 GPUs for a task, and there are 3"):
        THREE.at_once(Resources(gpus=4))
    assert THREE.at_once(Resources(gpus=2)) == 1
    assert THREE.at_once(ALONE) == 3


@given(
    st.lists(st.builds(Resources, cores=st.integers(1, 9), memory_GB=st.floats(0.5, 80), gpus=st.integers(0, 3))),
)
def test_what_is_held_never_exceeds_what_there_is(asked):
    held: list[Share] = []
    for resources in asked:
        share = THREE.take(resources, held)
        if share is not None:
            held.append(share)
    names = [name for share in held for name in share.gpus]
    assert len(names) == len(set(names))
    assert not {name for share in held if not share.gpus for name in share.sees} & set(names)
    if len(held) > 1:
        assert sum(min(share.resources.cores, 8) for share in held) <= 8
        assert sum(share.resources.memory_GB for share in held) <= 64


@pytest.mark.parametrize(
    ("told", "names"),
    [("0,1", ("0", "1")), ("", ()), ("GPU-1a, 2", ("GPU-1a", "2")), ("1,-1,2", ("1",)), ("-1", ())],
)
def test_visible_gpus_are_those_of_the_variable(monkeypatch, told, names):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    assert visible_gpus() == names


@pytest.mark.parametrize(
    ("script", "names"),
    [
        pytest.param(
            'echo "GPU 0: A100 (UUID: GPU-11-aa)"; echo "GPU 1: A100 (UUID: GPU-22-bb)"',
            ("GPU-11-aa", "GPU-22-bb"),
            id="two",
        ),
        pytest.param(
            'echo "GPU 0: A100 (UUID: GPU-1)"; echo "  MIG 1g.5gb Device 0: (UUID: MIG-2)"; '
            'echo "  MIG 1g.5gb Device 1: (UUID: MIG-3)"; echo "GPU 1: A100 (UUID: GPU-4)"',
            ("MIG-2", "MIG-3", "GPU-4"),
            id="instances",
        ),
        pytest.param('echo "NVIDIA-SMI has failed"; exit 9', (), id="broken"),
        pytest.param(None, (), id="none"),
    ],
)
def test_visible_gpus_are_those_that_are_listed(monkeypatch, tmp_path, script, names):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin" if script else str(tmp_path))
    if script:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    assert visible_gpus() == names


@pytest.fixture
def tasks(tmp_path):
    """Folders of tasks at a place: ``tasks("label", 3, Resources(cores=2))``."""

    def make(place, count, resources=None):
        specs = [
            TaskSpec("label", {"place": place, "n": number}, {}, resources or Resources()) for number in range(count)
        ]
        return [TaskFolder.create(tmp_path / place, number, spec) for number, spec in enumerate(specs)]

    return make


def test_one_kind_has_as_many_batches_as_slots_and_its_places_alternate(tasks):
    batches = batches_of([*tasks("train", 6), *tasks("test", 3)], Slots(2, 64.0), lambda _: HERE)
    assert [len(batch.folders) for batch in batches] == [5, 4]
    assert [folder.path.parent.name for folder in batches[0].folders[:2]] == ["train", "train"]
    assert [folder.path.parent.name for folder in batches[1].folders[:2]] == ["test", "test"]


def test_kinds_alternate_and_each_batch_is_of_one(tasks):
    large = Resources(cores=2)
    folders = [*tasks("small", 8), *tasks("large", 3, large), *tasks("elsewhere", 2, Resources(family="mace"))]
    launches = {"": HERE, "mace": Launch("/opt/mace/bin/python")}
    batches = batches_of(folders, Slots(2, 64.0), launches.__getitem__)
    assert [batch.folders[0].path.parent.name for batch in batches[:3]] == ["small", "large", "elsewhere"]
    assert [len(batch.folders) for batch in batches if batch.folders[0] in folders[:8]] == [2, 2, 1, 1, 1, 1]
    for batch in batches:
        assert {folder.path.parent for folder in batch.folders} == {batch.folders[0].path.parent}
    assert sum(len(batch.folders) for batch in batches) == len(folders)


def test_no_batch_is_longer_than_a_command_line_may_be(tasks, monkeypatch):
    monkeypatch.setattr("pfd.engines.batches.MOST_FOLDERS", 3)
    batches = batches_of(tasks("label", 10), Slots(2, 64.0), lambda _: HERE)
    assert [len(batch.folders) for batch in batches] == [3, 3, 2, 2]


def test_families_of_one_environment_are_one_kind(tasks):
    folders = [*tasks("a", 2, Resources(family="pod")), *tasks("b", 2, Resources(family="snap"))]
    assert len(batches_of(folders, Slots(1, 64.0), lambda _: HERE)) == 1


def batch(cores):
    return Batch([TaskFolder(Path(f"{cores}"))], Resources(cores=cores, memory_GB=0.1), HERE)


def test_a_large_task_is_overtaken_but_not_forever():
    slots, queue, large = Slots(cores=4, memory_GB=64.0), Queue(), batch(4)
    running = [slots.take(Resources(cores=1, memory_GB=0.1), [])]
    queue.add([large])
    overtook = 0
    for _ in range(50):  # a small task comes whenever one has ended
        queue.add([batch(1)])
        turn = queue.next(partial(slots.take, held=running))
        if turn is not None and turn[0] is large:
            break
        running = [*running[1:], *([turn[1]] if turn else [])]
        overtook += turn is not None
    else:
        pytest.fail("the large task never had its turn")
    assert overtook == MOST_OVERTAKEN


def test_what_fits_first_goes_first():
    slots, queue = Slots(cores=4, memory_GB=64.0), Queue()
    batches = [batch(3), batch(2), batch(1)]
    queue.add(batches)
    held: list[Share] = []
    order = []
    while (turn := queue.next(lambda resources: slots.take(resources, held))) is not None:
        order.append(turn[0])
        held.append(turn[1])
    assert order == [batches[0], batches[2]]
    assert queue.waiting == [batches[1]]
