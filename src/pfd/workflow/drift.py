"""How far fine-tuning has moved a model where it was not trained: against the pre-trained one, outside the domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pfd.errors import TaskFailed
from pfd.frames import read_frames
from pfd.frames.elemental import elements_apart
from pfd.models.family import read_model
from pfd.tasks.folder import Artifact, Resources, TaskSpec
from pfd.workflow.run_folder import RunFolder
from pfd.workflow.turn import Dataset, content_of

PLACE = "evaluate/drift"


@dataclass(frozen=True)
class Drift:
    """What was found.

    Attributes:
        report: errors of the fine-tuned model against the pre-trained one (``ErrorReport``); None if there are none.
        note: why there are none.
    """

    report: dict[str, Any] | None = None
    note: str = ""


def measure_drift(
    run: RunFolder, pretrained: Artifact, finetuned: Artifact, data: Dataset, count: int, resources: Resources
) -> Drift:
    """Predict crystals of elements that no training frame holds with both models, and compare.

    No label is needed: the pre-trained model is the reference for itself. Where either model cannot be asked, the run
    goes on, and the report says so.

    Args:
        run: the run.
        pretrained: the model before,
        finetuned: and after.
        data: what the latter was trained on.
        count: most elements.
        resources: of a prediction.
    """
    trained = {symbol for part in data.inputs().values() for f in read_frames(part.path) for symbol in set(f.symbols)}
    elements = elements_apart(read_model(pretrained.path).card.elements, trained, count)
    if not elements:
        note = (
            "Not measured: the pre-trained model knows no elemental crystal beyond the elements it was fine-tuned on."
        )
        return Drift(note=note)
    try:
        frames = run.one(f"{PLACE}/crystals", TaskSpec("crystals", {"elements": elements})).output("frames.extxyz")
        specs = {
            f"{PLACE}/predict-{name}": [TaskSpec("predict", {}, {"model": model, "frames": frames}, resources)]
            for name, model in (("pretrained", pretrained), ("finetuned", finetuned))
        }
        before, after = (folders[0] for folders in run.perform(specs, min_done=0.0).values())
        if not (before.done() and after.done()):
            return Drift(note="Not measured: the predictions of foreign crystals were lost (see the failed tasks).")
        predictions = {"labelled": before.output("predictions.extxyz"), "predicted": after.output("predictions.extxyz")}
        errors = run.one(f"{PLACE}/errors", TaskSpec("evaluate", {"converge": None, "asked": {}}, predictions))
    except TaskFailed as error:
        run.journal.write("no_drift", message=str(error))
        return Drift(note=f"Not measured: {error}")
    return Drift(report=content_of(errors, "errors.json")["report"])
