"""The functions behind the commands: ``import pfd; run = pfd.submit("input.yaml")``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.errors import PFDError, RunError, SettingError
from pfd.json_file import read_json

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

    from pfd.config.reading import ResolvedInput
    from pfd.engines.engine import Progress
    from pfd.workflow.campaign import Campaign
    from pfd.workflow.redo import Redo
    from pfd.workflow.run_folder import RunFolder, Watcher

UNTIL = ("select", "label", "train")
"""Steps after which a submission may pause."""
EXIT_CODES = {
    "converged": 0,
    "not_converged": 3,
    "failed": 1,
    "paused": 0,
    "waiting": 4,
    "interrupted": 130,
    "running": 1,
}


@dataclass(frozen=True)
class Run:
    """A run folder after a submission.

    Attributes:
        path: the folder.
        status: ``converged``, ``not_converged``, ``failed``; on the way there ``running``, ``paused`` (by ``until``),
            ``waiting`` (for labels that the user makes, or for the user to look at the chosen frames) or
            ``interrupted`` (the driver was told to end, or died).
    """

    path: Path
    status: str

    @property
    def exit_code(self) -> int:
        """0 converged or paused where asked, 3 not converged, 4 waiting for the user, 1 failed, 130 interrupted."""
        return EXIT_CODES[self.status]

    @property
    def summary(self) -> dict[str, Any]:
        """The content of ``summary.json``; empty before the first iteration has ended."""
        path = self.path / "summary.json"
        if not path.is_file():
            return {}
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content

    @property
    def finetuned(self) -> Path:
        """The fine-tuned model's folder."""
        return self.path / "models" / "finetuned"

    @property
    def student(self) -> Path:
        """The student's folder."""
        return self.path / "models" / "student"


@dataclass(frozen=True)
class Begin:
    """How a submission begins, beyond what the input says.

    Attributes:
        take_over: the driver on another host that the run's lock names is gone, says the user.
        redo: the tasks that are to be done anew.
        held: called with the run folder once this process is its driver.
    """

    take_over: bool = False
    redo: Redo | None = None
    held: Callable[[Path], None] | None = None


def submit(
    input_file: str | Path,
    run: str | Path | None = None,
    until: str | None = None,
    watch: Watcher | None = None,
    begin: Begin | None = None,
    overrides: Sequence[str] = (),
) -> Run:
    """Run an input to its end, or go on where an earlier submission of it stopped.

    Args:
        input_file: YAML, JSON or TOML; one of PFD-kit 0.10 is converted.
        run: the run folder; if not given, ``./<name>``, or the folder of the input if that is a run of this name.
        until: ``select``, ``label`` or ``train``: pause after that step of the first iteration that reaches it.
        watch: called with the place of a group of tasks and its progress.
        begin: tasks to do anew, and a lock to take over.
        overrides: keys to set, such as ``finetune.select.max_frames=40``; the values as in YAML.

    Raises:
        InputError, MissingError: before anything is started, if the input cannot be run.
        RunError: if the run folder is locked or holds another run.
        TaskFailed: if a task ended for good.
    """
    from pfd.config.check import check_input
    from pfd.config.reading import read_input
    from pfd.workflow.argo.submitted import refuse_driver
    from pfd.workflow.driver_lock import driver_lock, held_elsewhere
    from pfd.workflow.holders import release_claims
    from pfd.workflow.run_folder import NAME_FILE, take_folder, task_folders

    begin = begin or Begin()
    if until not in {None, *UNTIL}:
        raise SettingError(f"no step {until!r} to stop after", where="--until", hint=f"one of {', '.join(UNTIL)}")
    resolved = read_input(Path(input_file), overrides)
    path = Path(run) if run is not None else run_folder_of(Path(input_file), resolved.input.name)
    new_file = not (path / NAME_FILE).exists() and resolved.input.teacher.model not in resolved.teacher.shipped
    checked = check_input(resolved, read_model=new_file or None)  # a file of the user's is read before all else
    for brought in checked.brought:
        brought.warn()
    take_folder(path, resolved.input.name)
    path = path.resolve()
    refuse_driver(path)
    gone = held_elsewhere(path) if begin.take_over else None
    with driver_lock(path, take_over=begin.take_over):
        if gone is not None:
            release_claims(task_folders(path), gone.process.host)
        if begin.held is not None:
            begin.held(path)
        if begin.redo is not None:
            begin.redo.set_aside(path)
        return _drive(path, resolved, Path(input_file), until, watch)


def prepare_for_argo(
    input_file: str | Path, run: str | Path | None = None, overrides: Sequence[str] = ()
) -> tuple[Path, ResolvedInput]:
    """Check an input and make its run folder, with every file in it that the input names; run nothing.

    Args:
        input_file: as in ``submit``.
        run: the run folder, as in ``submit``; what is done in it is not done again.
        overrides: as in ``submit``.

    Raises:
        InputError, MissingError: if the input cannot be run on Kubernetes.
        RunError: if the run folder is locked or holds another run.
    """
    from pfd.config.check import check_input
    from pfd.config.reading import read_input
    from pfd.workflow.argo.prepare import check_for_argo, keep_named_files
    from pfd.workflow.argo.replay import ReplayEngine
    from pfd.workflow.driver_lock import driver_lock
    from pfd.workflow.holders import close_attempts
    from pfd.workflow.run_folder import RunFolder, take_folder, task_folders
    from pfd.workflow.submission import note_submission

    resolved = read_input(Path(input_file), overrides)
    check_for_argo(resolved)
    for brought in check_input(resolved, read_model=True, runs_here=False).brought:
        brought.warn()
    path = Path(run) if run is not None else run_folder_of(Path(input_file), resolved.input.name)
    take_folder(path, resolved.input.name)
    path = path.resolve()
    with driver_lock(path):
        close_attempts(task_folders(path))
        folder = RunFolder(path, ReplayEngine(path, {}), resolved.input.seed, _silent)
        note_submission(folder, resolved, Path(input_file))
        keep_named_files(folder, resolved)
    return path, resolved


def run_folder_of(input_file: Path, name: str) -> Path:
    """The run folder of an input if none is named: ``./<name>``, or the folder that the input stands in if it is one.

    A run keeps its input; submitted from there, it goes on and does not begin anew inside itself.
    """
    own = input_file.resolve().parent
    try:
        content = json.loads((own / "run.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return Path(name)
    return own if isinstance(content, dict) and content.get("name") == name else Path(name)


def _drive(path: Path, resolved: ResolvedInput, input_file: Path, until: str | None, watch: Watcher | None) -> Run:
    from pfd.engines.by_step import engine_of
    from pfd.report.kept_page import KeptPage
    from pfd.workflow.campaign import Campaign
    from pfd.workflow.run_folder import RunFolder
    from pfd.workflow.submission import note_submission

    run = RunFolder(path, engine_of(resolved, path), resolved.input.seed, watch or _silent)
    earlier, edited = note_submission(run, resolved, input_file)
    for native in resolved.native_files:
        run.keep_input(native)
    for file in getattr(resolved.labeler, "input_files", ()):
        run.keep_input(file)
    campaign = Campaign(run, resolved, until, earlier)
    campaign.outcome.written = KeptPage(path)
    campaign.outcome.write(run)  # from now on no summary of an earlier submission speaks for this one
    with _honest_end(run, campaign, edited):
        campaign.execute()
        run.journal.write("end", status=campaign.outcome.status, superseded=run.superseded(), reused=run.reused)
    return Run(path, campaign.outcome.status)


@contextmanager
def _honest_end(run: RunFolder, campaign: Campaign, edited: bool) -> Iterator[None]:
    """However the campaign ends, the summary, the journal and the report say how."""
    from pfd.report.page import write_report
    from pfd.workflow.pause import Paused

    outcome, ended = campaign.outcome, False
    try:
        yield
        ended = True
    except Paused as paused:
        outcome.status, ended = paused.status, True
        run.journal.write("paused", after=paused.after, message=paused.message, superseded=run.superseded())
    except (KeyboardInterrupt, BrokenPipeError, SystemExit):  # rich exits where nobody reads what is printed
        outcome.status, ended = "interrupted", True
        run.journal.write("interrupted")
        raise
    except PFDError as error:
        outcome.status, ended = "failed", True
        if edited:
            campaign.remove_unpublished()  # models of an earlier input would be taken for this one's
        code = error.exit_code
        run.journal.write("end", status="failed", error=str(error), exit_code=code, superseded=run.superseded())
        raise
    finally:
        if not ended:  # a defect of ours, or a full disk: the error is on its way to the user
            outcome.status = "failed"
        try:
            if not ended:
                run.journal.write("end", status="failed", error="an unexpected error; see what the command printed")
            outcome.write(run)
            write_report(run.path)
        except OSError:
            if ended:
                raise


def _silent(_place: str, _progress: Progress) -> None:
    """The watcher that shows nothing."""


def load(model: str | Path, device: str = "cpu") -> Calculator:
    """An ASE calculator of a model folder, such as ``RUN/models/student``.

    A model whose family lives in an environment of its own runs there, in a process that ends with the calculator.

    Raises:
        ModelError: if the folder holds no model.
        MissingError: if the family's packages are nowhere.
    """
    from pfd.config.environment import told_by_run
    from pfd.environments.launch import HERE
    from pfd.models.environment import launch_for
    from pfd.models.family import read_model
    from pfd.models.training import make_family

    folder = Path(model)
    family = make_family(read_model(folder).card.family)
    launch = launch_for(family, told_by_run(folder.resolve().parent.parent))  # RUN/models/NAME
    if launch != HERE:
        from pfd.models.remote_calculator import RemoteCalculator

        return RemoteCalculator(launch, folder, device)
    return family.calculator(folder, device)


def open_run(path: str | Path) -> Run:
    """An existing run folder.

    Raises:
        RunError: if there is none.
    """
    from pfd.workflow.driver_lock import driver_of
    from pfd.workflow.run_folder import DAMAGED

    folder = Path(path)
    if not (folder / "run.json").is_file():
        raise RunError("no run in this folder", where=str(folder), hint="give the folder that pfd submit made")
    held = read_json(folder / "run.json")
    if not isinstance(held, dict) or "name" not in held:
        hint = 'write {"name": "the name of the run", "format": 1} into it'
        raise RunError(DAMAGED, where=str(folder / "run.json"), hint=hint)
    summary = folder / "summary.json"
    told = read_json(summary)
    if summary.is_file() and not (isinstance(told, dict) and "status" in told):
        hint = "remove it: the next pfd submit, which redoes nothing that is done, writes it anew"
        raise RunError("the summary is damaged", where=str(summary), hint=hint)
    status = told["status"] if told is not None else "running"
    if status == "running" and driver_of(folder) is None:
        status = "interrupted"
    return Run(folder.resolve(), status)
