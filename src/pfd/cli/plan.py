"""``pfd plan``: what an input would run, how long that takes, what is reused; and on Kubernetes the very workflow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from pfd.cli.check import check_and_show, labels_at_most
from pfd.cli.engine import require_engine
from pfd.cli.run_argument import input_and_run
from pfd.errors import SettingError
from pfd.report.words import duration, place_in_words
from pfd.wording import counted

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.cli.check import Shown
    from pfd.config.reading import ResolvedInput
    from pfd.workflow.dry_run import Reuse
    from pfd.workflow.estimate import Estimate


@dataclass(frozen=True)
class PlanOptions:
    """The options of ``pfd plan``.

    Attributes:
        engine: ``local`` or ``argo``.
        yaml_file: where the workflow of Argo is written.
        measure: time the teacher first.
        as_json: print JSON.
    """

    engine: str = "local"
    yaml_file: Path | None = None
    measure: bool = False
    as_json: bool = False


def plan_and_show(input_file: Path, overrides: Sequence[str], options: PlanOptions) -> None:
    """Print the plan of an input; for Argo, compile and check the workflow too.

    Args:
        input_file: the input, or the folder of a run.
        overrides: keys to set.
        options: see ``PlanOptions``.

    Raises:
        InputError, MissingError: if the input cannot be run.
        RunError: if the compiled workflow cannot work.
    """
    input_file, _ = input_and_run(input_file, None)
    argo = require_engine(options.engine) == "argo"
    if options.yaml_file is not None and not argo:
        raise SettingError("only Argo has a workflow to write", where="--yaml", hint="add --engine argo")
    if argo:
        from pfd.cli.argo import plan_for_argo

        if options.measure or options.as_json:
            option = "--measure" if options.measure else "--json"
            raise SettingError("without effect: pods run elsewhere", where=option, hint="leave out --engine argo")
        plan_for_argo(input_file, options.yaml_file, overrides)
        return
    shown = check_and_show(input_file, overrides, reads_model=None, silent=options.as_json)
    if options.measure:
        _measure(shown.resolved, shown.frames)
    reuse = _reuse(shown, input_file)
    found = _estimate(shown)
    if options.as_json:
        print(json.dumps(_as_json(shown, found, reuse), indent=1))
        return
    for line in (*estimate_lines(found, shown.resolved, reuse), *reuse_lines(reuse)):
        print(line)


def _estimate(shown: Shown) -> Estimate:
    from pfd.config.reading import source_path
    from pfd.workflow.estimate import estimate, size_of
    from pfd.workflow.journal import Journal
    from pfd.workflow.look import used_tasks
    from pfd.workflow.rates import known_rates, rates_of_run

    resolved, folder = shown.resolved, shown.folder
    tasks = used_tasks(folder, Journal(folder / "journal.jsonl").read()) if shown.holds_run else []
    rates = known_rates(resolved, rates_of_run(resolved, tasks))
    teacher = resolved.input.teacher
    shipped = teacher.model in resolved.teacher.shipped
    kept = size_of(folder / "models" / "pretrained")
    size = kept or (0 if shipped else size_of(source_path(resolved, teacher.model, "teacher.model")))
    frames = shown.frames or shown.pooled
    atoms = sum(map(len, frames)) / len(frames) if frames else 0.0
    return estimate(resolved, shown.plans, atoms, rates, size)


def _reuse(shown: Shown, input_file: Path) -> Reuse | None:
    if not shown.holds_run:
        return None
    from pfd.workflow.dry_run import reuse_of

    return reuse_of(shown.folder, shown.resolved, input_file)


def _measure(resolved: ResolvedInput, frames: Sequence[Atoms]) -> None:
    """Time MD steps of the teacher on one core, and keep the rate for this plan and later ones."""
    import time

    from pfd.config.teacher import teacher_source
    from pfd.environments.launch import HERE
    from pfd.models.environment import launch_for
    from pfd.models.named_model import named_model
    from pfd.models.remote_calculator import RemoteCalculator
    from pfd.models.speed import calculator_speed_us
    from pfd.workflow.rates import keys_of, remember

    if not frames:
        raise SettingError("there is no structure to time the teacher on", where="--measure", hint="leave it out")
    teacher = resolved.input.teacher
    frame = frames[0]
    with named_model(f"{teacher.family}:{teacher_source(resolved)}", teacher.head, teacher.trust_file) as folder:
        launch = launch_for(resolved.teacher, resolved.input.environments)
        here = launch == HERE
        calculator = resolved.teacher.calculator(folder, "cpu") if here else RemoteCalculator(launch, folder, "cpu")
        Console(stderr=True).print(f"timing {teacher.family} {teacher.model} on {len(frame)} atoms", markup=False)
        clock = time.process_time if here else time.perf_counter  # of another process only the wall time is seen
        rate_us = calculator_speed_us(calculator, frame, atoms=len(frame), steps=2, repeats=2, clock=clock)
    remember({keys_of(resolved)["teacher"]: (1e6, rate_us, 1)}, "by pfd plan --measure on one core")


def estimate_lines(found: Estimate, resolved: ResolvedInput, reuse: Reuse | None = None) -> Iterator[str]:
    """The estimate for a person."""
    from pfd.workflow.estimate import NOT_MEASURED

    cores = resolved.input.resources.cores_there()
    more = "" if found.complete else "; more, where nothing is known"
    if any(step.seconds is not None for step in found.steps):
        left = _left(found, reuse)
        rest = f", {duration(left)} of it still to come" if left < found.seconds else ""
        time = f"{duration(found.seconds)} on {counted(cores, 'core')}{rest}"
        yield f"time, at most: {time}{more} (process starts come on top)"
    else:
        yield "time: not known"
    for step in found.steps:
        side = f", {step.at_once} at once" if step.at_once > 1 else ""
        known = duration(step.seconds) if step.seconds is not None else "not known"
        yield f"  {step.step}: {known} ({counted(step.tasks, 'task')}{side}; {step.source})"
    unknown = {step.step.partition(", ")[2] for step in found.steps if step.source == NOT_MEASURED}
    if "explore" in unknown:
        yield "  pfd plan --measure times the teacher"
    if unknown - {"explore", "label by the teacher"}:
        yield "  labels, training and students are known once a run has made such here"
    models = "" if found.models else ", models not counted"
    yield f"disk: about {_bytes(found.disk_bytes)} of trajectories and sets{models}; what labelers leave comes on top"


def _left(found: Estimate, reuse: Reuse | None) -> float:
    """Seconds, at most, of what is not done."""
    if reuse is None:
        return found.seconds
    return 0.0 if reuse.complete else found.left(reuse.done)


def _bytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


def reuse_lines(reuse: Reuse | None) -> Iterator[str]:
    """What would be found done, for a person."""
    if reuse is None:
        return
    labels = f", {counted(reuse.labels, 'label')} among them" if reuse.labels else ""
    kept = f"; {counted(reuse.kept, 'label')} of an earlier input kept" if reuse.kept else ""
    yield f"reused: {counted(reuse.tasks, 'finished task')}{labels}{kept}"
    if reuse.place:
        new = counted(reuse.new, "task")
        yield f"  first new work: {place_in_words(reuse.place)} ({new}); what follows depends on it"
    elif reuse.message:
        yield f"  then: {reuse.message}"
    else:
        yield "  nothing is left to do"


def _as_json(shown: Shown, found: Estimate, reuse: Reuse | None) -> dict[str, Any]:
    return {
        "run": str(shown.folder),
        "labels_at_most": labels_at_most(shown.plans),
        "seconds_at_most": round(found.seconds, 3),
        "seconds_left_at_most": round(_left(found, reuse), 3),
        "complete": found.complete,
        "steps": [asdict(step) for step in found.steps],
        "disk_bytes": round(found.disk_bytes),
        "loops": [
            {
                "name": plan.name,
                "stages": len(plan.stages),
                "max_iterations": plan.max_iterations,
                "labels_at_most": plan.labels,
                "test_frames": plan.test_frames,
            }
            for plan in shown.plans
        ],
        "reuse": asdict(reuse) if reuse is not None else None,
    }
