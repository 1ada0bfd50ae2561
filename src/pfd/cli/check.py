"""``pfd check``: the mistakes of an input, and if there are none, what it would run and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.api import run_folder_of
from pfd.cli.convert import say_older
from pfd.config.plan import GroupPlan, LoopPlan, plan_input
from pfd.config.student_candidates import candidates_of, is_open
from pfd.explore.settings import DynamicsSettings, PoolSettings
from pfd.label.labeler import make_labeler
from pfd.wording import counted

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.config.brought import Brought
    from pfd.config.reading import ResolvedInput

_MANY = 6
"""More keys, structures or compositions than this are counted, not listed."""


def check_and_show(input_file: Path, overrides: Sequence[str] = (), *, runs_here: bool = True) -> None:
    """Check an input and print what was found in the user's sets, and the plan.

    Args:
        input_file: the input.
        overrides: keys to set, such as ``finetune.select.max_frames=40``.
        runs_here: whether its tasks run on this machine.

    Raises:
        InputError, MissingError: the first mistake.
    """
    from pfd.config.check import check_input, starting_frames
    from pfd.config.reading import read_input

    resolved = read_input(input_file, overrides)
    say_older(resolved)
    checked = check_input(resolved, read_model=True, runs_here=runs_here)
    found = checked.brought
    for brought in found:
        print("\n".join(brought.lines()))
    print(f"{input_file}: no mistake found")
    frames = starting_frames(resolved)
    plans = plan_input(resolved, [str(frame.info["parent"]) for frame in frames], _pools(resolved, found))
    folder = run_folder_of(input_file, resolved.input.name)
    print("\n".join([*run_lines(resolved, folder), *structure_lines(resolved, frames), *plan_lines(resolved, plans)]))
    for licence in checked.licences:
        print(licence)
    if checked.theory is not None:
        print(f"level of theory: {checked.theory.words}")


def _pools(resolved: ResolvedInput, found: Sequence[Brought]) -> dict[str, tuple[int, int]]:
    """Key of each pool's file -> frames to explore and to test on."""
    from pfd.frames.split import split_by_trajectory

    tree = resolved.input
    pools = {}
    for each in found:
        if ".explore" in each.key:
            parts = split_by_trajectory(each.frames, tree.evaluate.pool_test_fraction, tree.seed)
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
    if not isinstance(held, dict) or held.get("name") != resolved.input.name:
        what = "no run" if not isinstance(held, dict) else f"the run {held.get('name')!r}"
        yield f"run folder: {folder} holds {what}: pfd submit will refuse it; name another: pfd submit INPUT RUN"
        return
    yield f"run folder: {folder} holds this run: pfd submit will go on with it"
    if (driver := driver_of(folder)) is not None:
        yield f"  another driver works on it now: {driver.in_words()}"
    yield f"  changed since it was last submitted: {edits(resolved, folder) or 'nothing'}"


def edits(resolved: ResolvedInput, folder: Path) -> str:
    """The keys that differ from the last input of a run folder; nothing if none do, or there is no run."""
    earlier = sorted(folder.glob("resolved-*.yaml"))
    changed = changed_keys(resolved, earlier[-1]) if earlier else []
    return ", ".join(changed[:_MANY]) + (f" and {len(changed) - _MANY} more" if len(changed) > _MANY else "")


def changed_keys(resolved: ResolvedInput, earlier: Path) -> list[str]:
    """The dotted keys of an input that differ from a resolved one of the run folder."""
    import yaml

    try:
        before = yaml.safe_load(earlier.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return [f"all, as far as one can tell: {earlier.name} is damaged"]
    now = resolved.input.model_dump(mode="json", by_alias=True)
    return [resolved.shown(key) for key in _differing(before, now, "")]


def _differing(before: Any, now: Any, key: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for part in dict.fromkeys([*now, *before]):
            yield from _differing(before.get(part), now.get(part), f"{key}.{part}" if key else str(part))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now) and _has_sections(now):
        for index, (one, two) in enumerate(zip(before, now, strict=True)):
            yield from _differing(one, two, f"{key}.{index}")
    elif before != now:
        yield key


def _has_sections(entries: list[Any]) -> bool:
    return any(isinstance(entry, dict) or (isinstance(entry, list) and _has_sections(entry)) for entry in entries)


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
            yield f"distill: {student} is fitted to labels of {source}, which cost no more"
        for stage in plan.stages:
            for group in stage:
                yield from _group_lines(resolved, group)
        yield from _label_lines(resolved, plan)


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
        yield f"    {plan.warmer} more at {tree.distill.hotter:g} times the temperature, for training only"
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
        yield f"  labels to pay for: at most {plan.labels} in all, test set included{cap}{paid}"
        assert resolved.labeler is not None
        finer = make_labeler(resolved.labeler.model_dump(mode="json")).finer() if resolved.campaign.preflight else ()
        if finer:
            names, more = " and ".join(each.setting for each in finer), counted(len(finer), "label")
            yield f"  preflight: {more} on top, with finer {names}, for each of at most two frames"
