"""Outputs of tasks by step, iteration and key, in today's words and in those of PFD-kit 0.10."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfd.errors import SettingError
from pfd.workflow.outputs import Output, Selector

PLACES = {
    "start/teacher/adopt/0000-aaa": ["model"],
    "finetune/iter-000/explore/0000-bbb": ["trajectory.extxyz", "report.json"],
    "finetune/iter-000/explore/0001-ccc": ["trajectory.extxyz", "report.json"],
    "finetune/iter-000/train/0000-ddd": ["model", "training.json"],
    "finetune/iter-001/train/0000-eee": ["model", "training.json"],
    "distill/iter-000/train/0000-fff": ["model", "training.json"],
}
OUTPUTS = [Output(place, name, Path(place) / name) for place, names in PLACES.items() for name in names]
CHOSEN = {
    "iteration": (Selector(iterations=("1",)), {"finetune-iter-001-train"}, 2),
    "range": (Selector(iterations=("0-7",)), {key for output in OUTPUTS if "iter" in (key := output.key)}, 10),
    "step": (Selector(definitions=("train",)), {output.key for output in OUTPUTS if output.step == "train"}, 6),
    "output": (Selector(definitions=("train/model",)), {output.key for output in OUTPUTS if output.step == "train"}, 3),
    "without its ending": (Selector(definitions=("explore/trajectory",)), {"finetune-iter-000-explore"}, 2),
    "key": (Selector(keys=("finetune-iter-000-explore",)), {"finetune-iter-000-explore"}, 4),
    "place": (Selector(keys=("finetune/iter-000/explore/",)), {"finetune-iter-000-explore"}, 4),
    "one task": (Selector(keys=("finetune-iter-000-explore-0001",)), {"finetune-iter-000-explore"}, 2),
    "several": (
        Selector(keys=("start-teacher-adopt,distill-iter-000-train",)),
        {"start-teacher-adopt", "distill-iter-000-train"},
        3,
    ),
    "all together": (
        Selector(("0",), ("train/model",), ("finetune/iter-000/train", "finetune/iter-001/train")),
        {"finetune-iter-000-train"},
        1,
    ),
    "older key": (
        Selector(keys=("iter-000000--prep-run-train",)),
        {"finetune-iter-000-train", "distill-iter-000-train"},
        4,
    ),
    "older definition": (
        Selector(("0",), ("prep-run-train/output/models",)),
        {"finetune-iter-000-train", "distill-iter-000-train"},
        2,
    ),
}
REFUSED = {
    "no such iteration": (Selector(iterations=("4",)), "there are 0, 1"),
    "no number": (Selector(iterations=("last",)), "write numbers and ranges"),
    "no such step": (Selector(definitions=("trian",)), "did you mean 'train'"),
    "no such output": (Selector(definitions=("train/modle",)), "did you mean 'model'"),
    "an input": (Selector(definitions=("prep-run-train/input/init_data",)), "name the step that wrote it"),
    "no such key": (Selector(keys=("finetune-iter-000-trian",)), "did you mean 'finetune-iter-000-train'"),
    "no such task": (Selector(keys=("finetune-iter-000-explore-0007",)), "no key"),
    "nothing of both": (Selector(("1",), ("explore",)), "--list"),
}


@pytest.mark.parametrize(("selector", "keys", "count"), CHOSEN.values(), ids=CHOSEN)
def test_what_is_chosen(selector, keys, count):
    chosen = selector.choose(OUTPUTS)
    assert {output.key for output in chosen} == keys
    assert len(chosen) == count


@pytest.mark.parametrize(("selector", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(selector, said):
    with pytest.raises(SettingError, match=said):
        selector.choose(OUTPUTS)


def test_a_selector_that_names_nothing_is_none():
    assert not Selector()
    assert Selector(keys=("x",))
