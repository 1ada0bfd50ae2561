"""The committee that narrows candidates down: its other members are trained, and all of them are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pfd.frames import read_frames
from pfd.tasks.folder import Artifact, TaskSpec, numbered
from pfd.workflow.bindings import Binding, resources_of
from pfd.workflow.run_folder import RunFolder
from pfd.workflow.turn import LoopState

COMMITTEE_FRAMES = 5
"""Training frames from which on a committee is asked: members trained on four fifths of fewer are hardly different."""


def ask_committee(
    run: RunFolder, binding: Binding, state: LoopState, place: str, trajectories: Sequence[Artifact]
) -> list[Artifact]:
    """Train the other members on the data so far, and have all of them predict the candidates.

    Args:
        run: where tasks are performed.
        binding: whose loop.
        state: what the loop has reached.
        place: the iteration.
        trajectories: the candidates.

    Returns:
        For each trajectory its frames with the committee's deviations; nothing if there is no committee yet.
    """
    committee, data = binding.settings.select.committee, state.dataset
    if committee is None or state.model is None or data.train is None or data.valid is None:
        return []
    if len(read_frames(data.train.path)) < COMMITTEE_FRAMES:
        return []
    spec = binding.train(data.train, data.valid, None)
    members = [replace(spec, parameters=spec.parameters | {"member": number}) for number in range(1, committee.models)]
    trained = run.perform({f"{place}/committee-train": members})[f"{place}/committee-train"]
    models = numbered("model", [state.model, *(folder.output("model") for folder in trained)])
    resources = resources_of(binding.resolved, "predict")
    specs = [TaskSpec("committee", {}, {"frames": each} | models, resources) for each in trajectories]
    asked = run.perform({f"{place}/committee": specs})[f"{place}/committee"]
    return [folder.output("deviation.extxyz") for folder in asked]
