"""``pfd check``: the mistakes of an input, and if there are none, what it would run and where."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.api import run_folder_of
from pfd.cli.convert import say_older
from pfd.cli.edits import edits, lost_overrides
from pfd.cli.run_argument import input_and_run
from pfd.cli.words import only_overrides
from pfd.config.plan import GroupPlan, LoopPlan, plan_input
from pfd.config.properties import models_made, properties_of
from pfd.config.student_candidates import candidates_of, is_open
from pfd.config.student_size import size_lines
from pfd.errors import PFDError, each_of, error_content
from pfd.evaluate.properties.dynamics import OfDynamics
from pfd.explore.settings import DynamicsSettings, PoolSettings
from pfd.label.labeler import make_labeler
from pfd.wording import counted

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.config.brought import Brought
    from pfd.config.reading import ResolvedInput

_MANY = 6
"""More keys, structures or compositions than this are counted, not listed."""


@dataclass(frozen=True)
class Shown:
    """What an input that has no mistake would run.

    Attributes:
        resolved: the input.
        frames: its starting frames.
        pooled: the frames of its pools.
        plans: how much each loop asks for at most.
        folder: the run folder that ``pfd submit`` would use.
        holds_run: whether that is this run already.
    """

    resolved: ResolvedInput
    frames: Sequence[Atoms]
    pooled: Sequence[Atoms]
    plans: Sequence[LoopPlan]
    folder: Path
    holds_run: bool


def check_and_show(
    input_file: Path,
    overrides: Sequence[str] = (),
    *,
    runs_here: bool = True,
    reads_model: bool | None = True,
    silent: bool = False,
) -> Shown:
    """Check an input and print what was found in the user's sets, and the plan.

    Args:
        input_file: the input, or the folder of a run.
        overrides: keys to set, such as ``finetune.select.max_frames=40``.
        runs_here: whether its tasks run on this machine.
        reads_model: whether the teacher is read for what it knows; None if that is cheap (see ``check_input``).
        silent: print nothing.

    Raises:
        InputError, MissingError: the first mistake.
    """
    from pfd.config.check import check_input
    from pfd.config.exploration_check import starting_frames
    from pfd.config.reading import read_input

    input_file, _ = input_and_run(input_file, None)
    resolved = read_input(input_file, overrides)
    checked = check_input(resolved, read_model=reads_model, runs_here=runs_here)
    found = checked.brought
    frames = starting_frames(resolved)
    plans = plan_input(resolved, [str(frame.info["parent"]) for frame in frames], _pools(resolved, found))
    folder = run_folder_of(input_file, resolved.input.name)
    pooled = [frame for each in found if ".explore" in each.key for frame in each.frames]
    shown = Shown(resolved, frames, pooled, plans, folder, _holds(resolved, folder))
    if silent:
        return shown
    say_older(resolved)
    for brought in found:
        print("\n".join(brought.lines()))
    print(f"{input_file}: no mistake found")
    print("\n".join([*run_lines(resolved, folder), *structure_lines(resolved, frames), *plan_lines(resolved, plans)]))
    taught = sum(plan.labels - plan.test_frames for plan in plans if plan.name == "distill")
    print("".join(f"{line}\n" for line in size_lines(resolved, [*frames, *pooled], taught)), end="")
    print("".join(f"{line}\n" for line in _property_lines(resolved)), end="")
    for licence in checked.licences:
        print(licence)
    if checked.theory is not None:
        print(f"level of theory: {checked.theory.words}")
    return shown


def check_as_json(input_file: Path, words: Sequence[str] = ()) -> int:
    """Print the mistakes of an input as JSON, or what it asks for; returns the exit code.

    Args:
        input_file: the input, or the folder of a run.
        words: what stood behind it; keys to set.
    """
    try:
        shown = check_and_show(input_file, only_overrides(words), silent=True)
    except PFDError as error:
        mistakes = [error_content(each) | {"exit_code": each.exit_code} for each in each_of(error)]
        print(json.dumps({"input": str(input_file), "mistakes": mistakes}, indent=1))
        return error.exit_code
    content: dict[str, Any] = {"input": str(input_file), "mistakes": [], "run": str(shown.folder)}
    content |= {"holds_run": shown.holds_run, "starting_frames": len(shown.frames)}
    content["elements"] = sorted({symbol for frame in shown.frames for symbol in frame.get_chemical_symbols()})
    content["labels_at_most"] = labels_at_most(shown.plans)
    print(json.dumps(content, indent=1))
    return 0


def labels_at_most(plans: Sequence[LoopPlan]) -> int:
    """Labels to pay for, at most."""
    return sum(plan.labels for plan in plans if plan.name == "finetune")


def _holds(resolved: ResolvedInput, folder: Path) -> bool:
    """Whether a folder is the run of an input."""
    from pfd.json_file import read_json
    from pfd.workflow.run_folder import NAME_FILE

    held = read_json(folder / NAME_FILE)
    return isinstance(held, dict) and held.get("name") == resolved.input.name


def _pools(resolved: ResolvedInput, found: Sequence[Brought]) -> dict[str, tuple[int, int]]:
    """Key of each pool's file -> frames to explore and to test on."""
    from pfd.frames.split import split_pool

    tree = resolved.input
    pools = {}
    for each in found:
        if ".explore" in each.key:
            parts = split_pool(each.frames, tree.evaluate.pool_test_fraction, tree.seed)
            pools[each.key] = (len(parts[0]), len(parts[1]))
    return pools


def run_lines(resolved: ResolvedInput, folder: Path) -> Iterator[str]:
    """The folder that ``pfd submit`` would use, and what is there already."""
    from pfd.json_file import read_json
    from pfd.workflow.driver_lock import driver_of
    from pfd.workflow.run_folder import NAME_FILE

    held = read_json(folder / NAME_FILE)
    if not folder.exists() or (held is None and folder.is_dir() and not any(folder.iterdir())):
        yield f"run folder: {folder} (new)"
        return
    if not _holds(resolved, folder):
        what = "no run" if not isinstance(held, dict) else f"the run {held.get('name')!r}"
        yield f"run folder: {folder} holds {what}: pfd submit will refuse it; name another: pfd submit INPUT RUN"
        return
    yield f"run folder: {folder} holds this run: pfd submit will go on with it"
    if (driver := driver_of(folder)) is not None:
        yield f"  another driver works on it now: {driver.in_words()}"
    yield f"  changed since it was last submitted: {edits(resolved, folder) or 'nothing'}"
    for line in lost_overrides(resolved, folder):
        yield f"  {line}"


def structure_lines(resolved: ResolvedInput, frames: Sequence[Atoms]) -> Iterator[str]:
    """How many starting frames there are, and what they hold."""
    if not frames:
        return
    kinds = Counter(frame.symbols.formula.format("hill") for frame in frames)
    named = ", ".join(f"{count} of {kind}" for kind, count in list(kinds.items())[:_MANY])
    more = f" and {len(kinds) - _MANY} other compositions" if len(kinds) > _MANY else ""
    sizes = sorted({len(frame) for frame in frames})
    atoms = f"{sizes[0]} to {sizes[-1]} atoms" if len(sizes) > 1 else counted(sizes[0], "atom")
    elements = sorted({symbol for frame in frames for symbol in frame.get_chemical_symbols()})
    files = counted(len(resolved.input.structures), "entry", "entries")
    yield f"structures: {counted(len(frames), 'frame')} of {files}, perturbed copies included: {named}{more}"
    yield f"  elements: {', '.join(elements)}; {atoms} in each"


def plan_lines(resolved: ResolvedInput, plans: Sequence[LoopPlan]) -> Iterator[str]:
    """What each loop explores, tests on, labels and trains, at most."""
    teacher = resolved.input.teacher
    model = f"{teacher.family} {teacher.model}"
    for plan in plans:
        if plan.name == "finetune":
            assert resolved.labeler is not None
            yield f"finetune: {model} is trained on labels of {resolved.labeler.method}"
        else:
            assert resolved.student is not None
            source = f"the fine-tuned {model}" if resolved.input.finetune is not None else model
            student = f"a student of {resolved.student.name}"
            if is_open(resolved):
                names = ", ".join(candidate.name for candidate in candidates_of(resolved))
                student = f"the fastest of {names} that meets converge"
            yield f"distill: {student} is fitted to labels of {source}, which cost no more{_own_labels(resolved)}"
        for stage in plan.stages:
            for group in stage:
                yield from _group_lines(resolved, group)
        yield from _label_lines(resolved, plan)


def _own_labels(resolved: ResolvedInput) -> str:
    """Which labels of first principles a student is fitted to as well."""
    assert resolved.input.distill is not None
    times = resolved.input.distill.label_times
    if resolved.input.finetune is None or not times:
        return ""
    return f", and to those of fine-tuning ({counted(times, 'time')} each)"


def _group_lines(resolved: ResolvedInput, plan: GroupPlan) -> Iterator[str]:
    group, tree = plan.group, resolved.input
    key = resolved.shown(plan.key).partition(".")[2]
    wanted = tree.evaluate.test_frames
    if isinstance(group, PoolSettings):
        yield f"  {key}: pool {group.file}, {counted(plan.frames, 'frame')} to choose from"
        if plan.possible < wanted:
            yield f"    only {plan.possible} of the {wanted} test frames asked for: the part kept for tests has no more"
        return
    length = f", {counted(group.steps, 'step')}" if hasattr(group, "steps") else ""
    replicas = f"; {group.replicas} replicas" if group.replicas > 1 else ""
    yield (
        f"  {key}: {group.method}, {counted(plan.runs, 'run')} an iteration ({_starts(plan)}"
        f"{_conditions(plan)}{replicas}){length}, at most {counted(plan.frames, 'frame')} each"
    )
    if plan.warmer:
        assert tree.distill is not None
        then = ""
        if isinstance(group, DynamicsSettings) and group.with_ == "student":
            then = f", once the student drives them with {tree.distill.own_md_factor * group.steps} steps"
        yield f"    {plan.warmer} more at {tree.distill.hotter:g} times the temperature, for training only{then}"
    if plan.key.startswith("distill") and isinstance(group, DynamicsSettings):
        assert tree.distill is not None
        steps = tree.distill.own_md_factor * group.steps
        yield f"    the student is judged by its own: the same runs with {steps} steps"
    if plan.possible != wanted:
        yield f"    test frames at each condition: {plan.possible}, not {wanted} (evaluate.test_frames): {_why(plan)}"


def _why(plan: GroupPlan) -> str:
    """Why there are not as many test frames as asked for."""
    if plan.possible < plan.asked:
        rule = "(steps - equilibration) / every" if isinstance(plan.group, DynamicsSettings) else "see its settings"
        return f"one run gives {plan.frames} at most, {rule}"
    return f"they are shared out equally among {plan.sources} structures, at least one each"


def _starts(plan: GroupPlan) -> str:
    names = [name.removeprefix("structure ") for name in plan.starts]
    kind = "structure" if plan.starts[0].startswith("structure ") else "formula"
    if len(names) > _MANY:
        return f"{len(names)} {kind}s"
    return f"{kind}{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _conditions(plan: GroupPlan) -> str:
    """Temperatures and pressures."""
    if ramp := (plan.group.ramp() if isinstance(plan.group, DynamicsSettings) else None):
        return f"; {' to '.join(f'{value:g}' for value in ramp)} K"
    temperatures = dict.fromkeys(f"{each[0]:g}" for each in plan.conditions if each[0] is not None)
    pressures = dict.fromkeys(f"{each[1]:g}" for each in plan.conditions if each[1] is not None)
    heat = f"; {', '.join(temperatures)} K" if temperatures else ""
    return heat + (f"; {', '.join(pressures)} GPa" if pressures else "")


def _property_lines(resolved: ResolvedInput) -> Iterator[str]:
    """What is measured of which models, and the labels that it costs."""
    made = models_made(resolved)
    for _, settings in properties_of(resolved):
        labels = f"; {settings.cell_count()} labels on top for its reference" if settings.reference == "label" else ""
        steps = f", {settings.steps} steps of MD" if isinstance(settings, OfDynamics) else ""
        yield f"property {settings.title()}: of {', '.join(settings.measured_of(made))}{steps}{labels}"


def _label_lines(resolved: ResolvedInput, plan: LoopPlan) -> Iterator[str]:
    test = f"test set: {counted(plan.test_frames, 'frame')} at most"
    yield f"  {test}" + (f" ({plan.asked} asked for)" if plan.asked != plan.test_frames else "")
    chosen = " and ".join(str(plan.per_iteration(stage)) for stage in range(len(plan.stages)))
    stages = f" for each of {len(plan.stages)} stages" if len(plan.stages) > 1 else ""
    initial = f"{counted(plan.initial, 'starting frame')}, " if plan.initial else ""
    own = any(isinstance(group.group, DynamicsSettings) for stage in plan.stages for group in stage)
    more = ", and what the student's own runs add" if plan.name == "distill" and own else ""
    yield (
        f"  frames to train on: {initial}at most {chosen} an iteration{more}; "
        f"at most {counted(plan.max_iterations, 'iteration')}{stages}"
    )
    if plan.name == "finetune":
        cap = f" (max_total; without it {plan.wanted})" if plan.labels < plan.wanted else ""
        hours = resolved.campaign.max_core_hours
        paid = f", and as many as {hours:g} core hours pay for" if hours is not None else ""
        assert resolved.labeler is not None
        kind = "labels to take from the sets" if resolved.labeler.method == "stored" else "labels to pay for"
        yield f"  {kind}: at most {plan.labels} in all, test set included{cap}{paid}"
        finer = make_labeler(resolved.labeler.model_dump(mode="json")).finer() if resolved.campaign.preflight else ()
        if finer:
            names, more = " and ".join(each.setting for each in finer), counted(len(finer), "label")
            yield f"  preflight: {more} on top, with finer {names}, for each of at most two frames"
    loop = resolved.input.finetune if plan.name == "finetune" else resolved.input.distill
    if loop is not None and loop.pause is not None:
        yield "  pause: before labels are made the run waits for somebody to look at the frames: pfd approve"
