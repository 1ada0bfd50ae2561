"""Labels for a file of frames: the labelling of a run alone, in a run folder of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pfd.config.reading import ResolvedInput
from pfd.engines.by_step import engine_of
from pfd.errors import PFDError
from pfd.frames import read_frames
from pfd.label.external import ExternalSettings
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec
from pfd.workflow.bindings import FineTune
from pfd.workflow.budget import Budget
from pfd.workflow.external import ExternalLabels
from pfd.workflow.label_model import adopt_label_model
from pfd.workflow.labelling import Labelling
from pfd.workflow.ledger import Ledger
from pfd.workflow.outcome import Outcome
from pfd.workflow.pause import Paused
from pfd.workflow.run_folder import RunFolder, Watcher
from pfd.workflow.submission import note_submission
from pfd.workflow.turn import content_of

PLACE = "finetune/file"
"""Where the tasks stand: labels are looked for below ``finetune``."""


@dataclass(frozen=True)
class FileLabels:
    """What became of a file of frames.

    Attributes:
        status: ``converged`` if all frames were labelled, ``not_converged`` if not, ``waiting`` for labels by hand.
        message: what the user is to do; nothing where the labels are made.
        frames: different frames in the file.
        twice: frames that stood in it again.
        left_out: why other frames of the file were not read, one reason each.
        accepted: labels that were accepted.
        rejected: frame id -> why it has no label.
        rejected_file: the frames without a label; None before there are labels.
    """

    status: str
    message: str = ""
    frames: int = 0
    twice: int = 0
    left_out: tuple[str, ...] = ()
    accepted: int = 0
    rejected: dict[str, str] | None = None
    rejected_file: Path | None = None


@dataclass(frozen=True)
class Order:
    """What is to be labelled, and how.

    Attributes:
        resolved: an input of which the labels are wanted (see ``labels_of_input``).
        input_file: its file; of the frames where there is none.
        frames: file of frames.
        file_format: its format, where the name does not tell it.
    """

    resolved: ResolvedInput
    input_file: Path
    frames: Path
    file_format: str | None = None


def label_file(order: Order, path: Path, out: Path, watch: Watcher) -> FileLabels:
    """Label all frames of a file, and judge the labels as in a run; what is done in the run folder is not done again.

    Labels that are rejected end nothing: they are told of. Caps of the input (``max_total``, ``max_core_hours``) hold.

    Args:
        order: frames and labeler.
        path: the run folder (see ``take_folder``), locked by the caller.
        out: extended XYZ file for the labelled frames, in the order of the file.
        watch: told how far it is.

    Raises:
        PFDError: whatever ended it; journal and summary say so.
    """
    resolved = order.resolved
    run = RunFolder(path, engine_of(resolved, path), resolved.input.seed, watch)
    note_submission(run, resolved, order.input_file)
    for file in getattr(resolved.labeler, "input_files", ()):
        run.keep_input(file)
    budget = Budget(resolved.campaign, Ledger(run.path, resolved.input.resources.machine_cores()))
    outcome = Outcome(out.stem, resolved.input.seed, budget)
    outcome.write(run)
    with _honest_end(run, outcome):
        try:
            done = _label(run, order, budget, outcome)
        except Paused as paused:
            outcome.status = paused.status
            run.journal.write("paused", after=paused.after, message=paused.message, superseded=run.superseded())
            return FileLabels(paused.status, paused.message)
        _copy(done.output("new.extxyz"), out)
        found = _found(run, done)
        outcome.status = found.status
        run.journal.write("end", status=outcome.status, superseded=run.superseded(), reused=run.reused)
    return found


def _label(run: RunFolder, order: Order, budget: Budget, outcome: Outcome) -> TaskFolder:
    """The task that collected the labels."""
    resolved = order.resolved
    assert resolved.input.finetune is not None
    spec = TaskSpec("frames", {"format": order.file_format}, {"file": run.keep_input(order.frames)})
    chosen = run.one(f"{PLACE}/frames", spec)
    selected = chosen.output("selected.extxyz")
    model = adopt_label_model(run, resolved, read_frames(selected.path))
    labeler = resolved.labeler
    external = ExternalLabels(run.path, labeler) if isinstance(labeler, ExternalSettings) else None
    binding = _Alone(resolved, resolved.input.finetune, Artifact(run.path, ""), model, {}, external)
    judged = Labelling(run, binding, budget, outcome).label({f"{PLACE}/label": chosen})[f"{PLACE}/label"]
    inputs = {"selected": selected} | {f"label{index}": each.output("label") for index, each in enumerate(judged)}
    return run.one(f"{PLACE}/collect", TaskSpec("collect", {"valid_fraction": 0.0}, inputs))


class _Alone(FineTune):
    """Labels without a loop: there is no teacher, and rejected labels end nothing."""

    @property
    def min_success(self) -> float:
        """See ``Binding.min_success``."""
        return 0.0


def _found(run: RunFolder, collected: TaskFolder) -> FileLabels:
    counts = content_of(collected, "counts.json")
    selection = next(folder for folder in run.used.values() if folder.place[2] == "frames")
    read = content_of(selection, "selection.json")
    return FileLabels(
        status="not_converged" if counts["rejected"] or read["left_out"] else "converged",
        frames=counts["asked"],
        twice=read["candidates"] - counts["asked"],
        left_out=tuple(read["left_out"]),
        accepted=counts["accepted"],
        rejected=counts["reasons"],
        rejected_file=collected.path / "outputs" / "rejected.extxyz",
    )


@contextmanager
def _honest_end(run: RunFolder, outcome: Outcome) -> Iterator[None]:
    """However it ends, journal and summary say how."""
    try:
        yield
    except KeyboardInterrupt:
        outcome.status = "interrupted"
        run.journal.write("interrupted")
        raise
    except PFDError as error:
        outcome.status = "failed"
        code = error.exit_code
        run.journal.write("end", status="failed", error=str(error), exit_code=code, superseded=run.superseded())
        raise
    finally:
        outcome.write(run)


def _copy(source: Artifact, target: Path) -> None:
    """Put a copy in place of what is there, never half of it."""
    temporary = target.with_name(f".{target.name}.new")
    shutil.copyfile(source.path, temporary)
    temporary.replace(target)
