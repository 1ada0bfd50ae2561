"""Convert an older input as a whole: every key translated, refused with a reason, or told to be without effect."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pfd.config.mistakes import setting_error
from pfd.config.older.choice import translate_converge, translate_select, translate_test
from pfd.config.older.explore import translate_explore
from pfd.config.older.label import refuse_label, translate_label
from pfd.config.older.machines import translate_machines
from pfd.config.older.models import OldModels, translate_models
from pfd.config.older.old_section import OldSection, Record
from pfd.config.older.recognise import older_name
from pfd.config.older.secrets import secret_mistakes
from pfd.config.older.starts import Starts, translate_starts
from pfd.config.older.train import translate_train

KINDS = {"finetune": "finetune", "ft": "finetune", "dist": "distill", "distillation": "distill"}
"""Types of tasks of the older tool -> loops."""
BEFORE = ("conf_generation", "configurations", "aimd")
"""Sections of versions before 0.10."""


@dataclass(frozen=True)
class Converted:
    """An older input as one of today's.

    Attributes:
        content: today's keys.
        comments: dotted key -> how its value came about.
        notes: what has no effect, and why, one line each.
    """

    content: dict[str, Any]
    comments: Mapping[str, str]
    notes: tuple[str, ...]


def convert(content: dict[str, Any], folder: Path, where: str) -> Converted:
    """Convert an older input.

    Args:
        content: the raw content of the file.
        folder: where its relative paths start: the file's own. Structure files are looked into for their frames.
        where: the file, as messages name it.

    Raises:
        SettingError: with one line for each key that is wrong, a secret, or of something that is not offered.
    """
    record = Record(mistakes=secret_mistakes(content))
    whole = OldSection(content, "", record)
    task = whole.section("task")
    kind = task.text("type")
    if kind not in KINDS:
        task.refuse(
            "type",
            f"missing: {' or '.join(('finetune', 'dist'))}"
            if kind is None
            else f"{kind!r} is neither finetune nor dist",
        )
    for name in BEFORE:
        if whole.raw(name):
            whole.refuse(
                name, "a section of versions before 0.10, which differ too much; write today's input: pfd init"
            )
    loop = KINDS.get(kind or "", "finetune")
    task.ignore("it is init_fp or init_train that the older tool read", "init_ft")
    models = translate_models(whole, distils=loop == "distill")
    starts = translate_starts(whole, folder, distils=loop == "distill")
    made = _sections(whole, loop, models, starts)
    whole.seen("name")
    whole.ignore("an empty section of older versions", "init_fp")
    whole.close()
    if record.mistakes:
        raise setting_error(record.mistakes, where, "correct it; docs/older-input.md says what becomes of each key")
    notes = tuple(f"Without effect: {line}." for line in dict.fromkeys(record.ignored))
    return Converted(made, record.comments, notes)


def head_of(name: str, converted: Converted) -> list[str]:
    """What stands at the top of the converted file.

    Args:
        name: of the older file.
        converted: what became of it.
    """
    return [f"Written by pfd from {name}, an input of PFD-kit 0.10.", *converted.notes]


def _sections(whole: OldSection, loop: str, models: OldModels, starts: Starts) -> dict[str, Any]:
    """Today's input."""
    distils = loop == "distill"
    fp, train = whole.section("fp"), whole.section("train")
    stages = translate_explore(whole.section("exploration", "explore"), starts.frames, loop)
    select = translate_select(whole, loop)
    test = translate_test(whole, stages, select)
    trained = translate_train(train, models.trained, distils=distils)
    section: dict[str, Any] = {
        "explore": stages,
        "select": select,
        "converge": translate_converge(whole, loop),
        "max_iterations": whole.section("task").whole("max_iter", least=1) or 1,
    }
    if distils:
        refuse_label(fp)
        section = {"student": {"family": models.trained, **trained}} | section
        whole.say("distill", "task.type dist")
    else:
        label = translate_label(fp, models) | _success(whole)
        section |= {"label": label} | ({"train": trained} if trained else {})
        section |= {"initial": starts.initial} if starts.initial == "label" else {}
    seed = train.section("config").whole("seed")
    machines = translate_machines(whole, distils=distils)
    if _ranks(machines, section.get("label", {})):
        whole.say("resources.label.cores", "as many as fp.run_config.command starts processes")
    return {
        "name": older_name({"name": whole.raw("name")}),
        **({} if seed is None else {"seed": seed}),
        "teacher": models.teacher,
        **({"structures": starts.structures} if starts.structures else {}),
        **({"data": starts.data} if starts.data else {}),
        loop: section,
        **({"evaluate": test} if test else {}),
        **machines,
    }


def _success(whole: OldSection) -> dict[str, float]:
    """The part of the labels that must succeed, as the step of the older tool had it."""
    steps, name = whole.section("step_configs"), "run_fp_config"
    config = steps.section(name) if steps.given(name) else whole.section("default_step_config")
    ratio = config.number("continue_on_success_ratio", least=0.0)
    config.ignore("a part of the labels is judged: finetune.label.min_success", "continue_on_num_success")
    if ratio is not None:
        config.seen("continue_on_failed")
        whole.say("finetune.label.min_success", config.named("continue_on_success_ratio"))
        return {"min_success": ratio}
    if config.flag("continue_on_failed"):
        whole.say("finetune.label.min_success", f"{config.named('continue_on_failed')}: whatever fails")
        return {"min_success": 0.0}
    return {}


def _ranks(machines: dict[str, Any], label: Mapping[str, Any]) -> bool:
    """Give a label as many cores as its command starts processes; true if that was done."""
    from pfd.program import ranks_of

    ranks = ranks_of(str(label.get("command", "")).split())
    step = machines.get("resources", {}).get("label", {})
    if not ranks or ranks == 1 or "cores" in step:
        return False
    machines["resources"] = machines.get("resources", {}) | {"label": step | {"cores": ranks}}
    return True


def moved(content: dict[str, Any], source: Path, target: Path) -> dict[str, Any]:
    """The converted content with its relative paths starting at another folder.

    Args:
        content: of ``convert``.
        source: where they start.
        target: where they are to start.
    """
    if source.resolve() == target.resolve():
        return content

    def path(key: str, value: Any) -> Any:
        if key.rsplit(".", 1)[-1] not in _PATHS or not isinstance(value, str) or not (source / value).exists():
            return value
        return value if Path(value).is_absolute() else os.path.relpath((source / value).resolve(), target.resolve())

    def walk(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: walk(each, f"{key}.{name}") for name, each in value.items()}
        return [walk(each, key) for each in value] if isinstance(value, list) else path(key, value)

    changed: dict[str, Any] = walk(content, "")
    return changed


_PATHS = ("file", "model", "incar_file", "potcar_dir", "settings_file")
