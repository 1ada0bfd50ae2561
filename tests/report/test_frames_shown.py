"""Which frames the viewer gets, in which order, with what remarks, and how many at most."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk
from tests.report.conftest import chosen_in

from pfd.frames import frame_id, write_frames
from pfd.report.data import ReportData
from pfd.report.frames_shown import MOST_ATOMS, MOST_FRAMES, shown_frames

NAMES: dict[str, str] = {}
"""Id, which follows from the geometry -> the name that a test gave to the frame."""


def frame(name: str, atoms: int = 2, **info) -> Atoms:
    made = bulk("Si") if atoms == 2 else Atoms(f"H{atoms}", positions=np.arange(3 * atoms).reshape(-1, 3), pbc=False)
    made.positions[0, 0] += 1e-6 * sum(256**place * ord(sign) for place, sign in enumerate(reversed(name)))
    made.info.update(info)
    NAMES[frame_id(made)] = name
    return made


def id_of(name: str) -> str:
    return next(known for known, own in NAMES.items() if own == name)


def names_of(shown) -> list[str]:
    return [NAMES[each.id] for each in shown.frames]


def test_chosen_frames_come_in_the_order_of_the_run_with_what_is_known_of_them(tmp_path):
    info = {"temperature_K": 300.0, "pressure_GPa": 2.0, "trajectory": "t", "step": 40}
    folders = [
        chosen_in(tmp_path, "distill/iter-000/select", [frame("d0")]),
        chosen_in(tmp_path, "finetune/iter-001/select", [frame("b0")], (1.0, 2.0)),
        chosen_in(tmp_path, "finetune/iter-000/select", [frame("a0", **info), frame("a1")], (3.0, 2.0)),
        chosen_in(tmp_path, "finetune/initial/select", [frame("s0")]),
        chosen_in(tmp_path, "finetune/iter-000/student-select", [frame("no")]),
    ]
    cleared = chosen_in(tmp_path, "finetune/iter-002/select", [frame("gone")])
    (cleared.path / "outputs" / "selected.extxyz").unlink()
    folders.append(cleared)
    data = ReportData.model_validate(
        {
            "rejected": [{"id": id_of("a1"), "reason": "not converged"}],
            "flagged": [{"id": id_of("b0"), "reason": "moment"}],
            "struck": [{"id": id_of("d0"), "loop": "distill", "by": "somebody", "when": 0.0}],
        }
    )
    shown = shown_frames(folders, data, tmp_path, [])
    assert names_of(shown) == ["s0", "a0", "a1", "b0", "d0"]
    assert [each.group for each in shown.frames] == [
        "fine-tuning start",
        *["fine-tuning 0"] * 2,
        "fine-tuning 1",
        "distillation 0",
    ]
    assert shown.frames[1].facts == "Si2, 300 K, 2 GPa, t, step 40, gain 3.00 nats"
    assert shown.frames[3].facts == "Si2"  # gains of another number of frames say nothing
    remarks = ["rejected: not converged", "flagged: moment", "struck out by somebody"]
    assert [each.remark for each in shown.frames[2:]] == remarks
    assert (shown.chosen, shown.note) == (5, "")


def test_of_many_the_remarked_and_an_even_share_are_shown_and_the_rest_is_told(tmp_path):
    many = [frame(f"f{index:03d}") for index in range(400)]
    folder = chosen_in(tmp_path, "finetune/iter-000/select", many)
    data = ReportData.model_validate({"rejected": [{"id": id_of("f211"), "reason": "x"}]})
    shown = shown_frames([folder], data, tmp_path, [])
    names = names_of(shown)
    assert len(names) == MOST_FRAMES
    assert "f211" in names
    assert names == sorted(names)
    assert max(np.diff([int(name[1:]) for name in names])) <= 8
    assert shown.note.startswith("60 of 400 chosen frames are shown")


def test_large_frames_have_one_limit_together(tmp_path):
    large = [frame(name, MOST_ATOMS // 2) for name in ("a", "b", "c")]
    folder = chosen_in(tmp_path, "finetune/iter-000/select", [*large, frame("d")])
    shown = shown_frames([folder], ReportData(), tmp_path, [])
    assert names_of(shown) == ["a", "b"]
    assert shown.note.startswith("2 of 4 chosen frames")


def test_the_worst_test_frames_follow(tmp_path):
    (tmp_path / "data").mkdir()
    write_frames(tmp_path / "data" / "finetune-test.extxyz", [frame("t0"), frame("t1"), frame("t2")])
    shown = shown_frames([], ReportData(), tmp_path, [id_of("t2"), id_of("t0"), "gone"])
    assert [(NAMES[each.id], each.title, each.group) for each in shown.frames] == [
        ("t2", "error rank 1", "test set"),
        ("t0", "error rank 2", "test set"),
    ]
    assert shown.note == ""


def test_what_the_script_gets_is_the_frame(tmp_path):
    atom = bulk("Si")
    folder = chosen_in(tmp_path, "finetune/iter-000/select", [atom, frame("m", 3)])
    crystal, molecule = (each.content() for each in shown_frames([folder], ReportData(), tmp_path, []).frames)
    assert np.allclose(np.array(crystal["xyz"]).reshape(-1, 3) / 100, bulk("Si").positions, atol=0.006)
    assert np.allclose(crystal["cell"], bulk("Si").cell.array, atol=1e-3)
    assert (crystal["elements"], crystal["kinds"]) == (["Si"], [0, 0])
    assert molecule["cell"] is None
