"""In which environment each family and the labeler of an input run: what the input says of it, and that it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

from pfd.config.reading import ResolvedInput, at, read_input
from pfd.config.student_candidates import compared_families, is_open
from pfd.environments.launch import HERE, EnvironmentSettings, Launch, probe
from pfd.errors import MissingError, SettingError
from pfd.label.family import FamilyLabelerSettings
from pfd.models.device import cuda_is_there
from pfd.models.environment import launch_for, require_there, torch_sees_cuda
from pfd.models.family import Family
from pfd.models.training import make_family
from pfd.plugins import FAMILIES, LABELERS, load_plugin, missing_modules, plugin_names

BATCH_MODULES = ("torch_sim",)
"""What exploration by ``method: batch`` imports besides the model."""


def families_of(resolved: ResolvedInput) -> Iterator[tuple[str, Family]]:
    """The families that an input needs, each with the key that names it."""
    yield "teacher.family", resolved.teacher
    if is_open(resolved):
        for family in compared_families(resolved):
            yield "distill.student.families", family
    elif resolved.student is not None:
        yield "distill.student.family", resolved.student
    if isinstance(resolved.labeler, FamilyLabelerSettings) and resolved.labeler.family is not None:
        with at(resolved, "finetune.label.family"):
            yield "finetune.label.family", load_plugin(FAMILIES, resolved.labeler.family)()


def launches(resolved: ResolvedInput) -> Callable[[str], Launch]:
    """How tasks of each family of this input are started; looked up once for each."""

    @cache
    def launch(name: str) -> Launch:
        if not name:
            return HERE
        return launch_for(make_family(name), resolved.input.environments, f"the family {name!r}")

    return launch


def check_environments(resolved: ResolvedInput) -> dict[str, Launch]:
    """Refuse a family whose packages are nowhere, and environments that nothing runs in.

    Returns:
        Family -> how its tasks are started.

    Raises:
        MissingError: naming the key, and the command that mends it.
        SettingError: if ``environments`` names what the input does not use.
    """
    found = {}
    told = resolved.input.environments
    for key, family in families_of(resolved):
        place = f"environments.{family.name}" if family.name in told else key
        with at(resolved, place):
            launch = launch_for(family, told)
            if family.name in told and family.name not in found:
                require_there(launch, family)
            found[family.name] = launch
    require_used(resolved)
    return found


def require_used(resolved: ResolvedInput) -> None:
    """Refuse environments of families and labelers that the input does not use.

    Raises:
        SettingError
    """
    found = [family.name for _, family in families_of(resolved)]
    labels = (
        resolved.labeler.method if resolved.labeler is not None and hasattr(resolved.labeler, "environment") else ""
    )
    for name in resolved.input.environments:
        if name not in {*found, labels}:
            labeler = name in plugin_names(LABELERS) and name not in plugin_names(FAMILIES)
            with at(resolved, f"environments.{name}"):
                load_plugin(LABELERS if labeler else FAMILIES, name)
            what = f"the labeler {name!r} runs in no environment of this input"
            raise SettingError(
                what if labeler else f"no model of this input is of the family {name!r}",
                where=resolved.place(f"environments.{name}"),
                hint=f"leave it out; there are {', '.join([*dict.fromkeys(found), *([labels] if labels else [])])}",
            )


def check_devices(resolved: ResolvedInput, launch: dict[str, Launch]) -> None:
    """Refuse cuda by name where torch sees none: the step would fail, after labels were paid for.

    Torch is imported only if cuda is named.

    Raises:
        MissingError: naming the step and the family.
    """
    for step, family in models_of_steps(resolved):
        resources = resolved.input.resources.of(step)
        if resources.engine != "local" or resources.device != "cuda" or "cuda" not in family.devices:
            continue
        there = launch[family.name]
        if not (cuda_is_there() if there == HERE else torch_sees_cuda(there)):
            with at(resolved, f"resources.{step}.device"):
                raise MissingError(
                    f"cuda is asked for, models of {family.name!r} could use it, and torch sees no such device",
                    hint="install a CUDA build of torch and its driver, or write device: auto",
                )


def require_batches(there: Launch, where: str) -> None:
    """Refuse dynamics in batches where torch-sim is not installed beside the model that they follow.

    Raises:
        MissingError: with the command that installs it there.
    """
    lacks = missing_modules(BATCH_MODULES) if there == HERE else probe(there, BATCH_MODULES)["missing"]
    if lacks:
        raise MissingError(
            f"dynamics in batches need torch-sim, which {there.what} lacks",
            where=where,
            hint=f"{there.python} -m pip install torch-sim-atomistic, or write method: md",
        )


def models_of_steps(resolved: ResolvedInput) -> Iterator[tuple[str, Family]]:
    """Each step that runs a model, with the families that it runs."""
    yield "explore", resolved.teacher
    if resolved.input.finetune is not None:
        yield "train", resolved.teacher
    yield "predict", resolved.teacher
    students = [family for key, family in families_of(resolved) if key.startswith("distill.")]
    for step in ("explore", "train", "predict"):
        yield from ((step, student) for student in students)
    for key, family in families_of(resolved):
        if key == "finetune.label.family":
            yield "label", family


def told_by_input(path: Path | None) -> Mapping[str, EnvironmentSettings]:
    """The section ``environments`` of an input file; empty without one.

    Raises:
        SettingError: if the input has mistakes.
    """
    return {} if path is None else read_input(path).input.environments


def told_by_run(run: Path) -> dict[str, EnvironmentSettings]:
    """The section ``environments`` of a run's last input; empty if the folder is no run."""
    import yaml

    inputs = sorted(run.glob("resolved-*.yaml"))
    content = yaml.safe_load(inputs[-1].read_text(encoding="utf-8")) if inputs else {}
    return {name: EnvironmentSettings.model_validate(each) for name, each in content.get("environments", {}).items()}
