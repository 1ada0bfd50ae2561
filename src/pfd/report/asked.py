"""What was asked for, in a few lines, from the newest resolved input of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pfd.report.limits import NAMES, value_in_words
from pfd.wording import counted

Row = tuple[str, str]
"""What, and how it was asked for."""


def asked(run_folder: Path) -> list[Row]:
    """Teacher, structures, exploration, labels, limits and student; empty if the run keeps no input.

    No secrets: of the input only these keys are read, never those of machines and accounts.
    """
    inputs = sorted(run_folder.glob("resolved-*.yaml"))
    if not inputs:
        return []
    import yaml

    content = yaml.safe_load(inputs[-1].read_text(encoding="utf-8"))
    rows = [("teacher", _model(content["teacher"]))]
    if content.get("structures"):
        rows.append(("structures", ", ".join(_structure(entry) for entry in content["structures"])))
    if content.get("data"):
        rows.append(("labelled data", ", ".join(Path(entry["file"]).name for entry in content["data"])))
    for loop, title in (("finetune", "fine-tune"), ("distill", "distil")):
        if content.get(loop):
            rows += [(f"{title}: {what}", text) for what, text in _loop(content[loop])]
    if content.get("finetune") and content.get("distill") and (times := content["distill"].get("label_times")):
        rows.append(
            ("distil: fitted to", f"the teacher's labels, and those of fine-tuning, counted {counted(times, 'time')}")
        )
    return rows


def _loop(section: Mapping[str, Any]) -> list[Row]:
    rows = []
    if section.get("student"):
        rows.append(("student", _settings(section["student"], "family")))
    stages = section["explore"]
    for number, stage in enumerate(stages):
        name = "explore" if len(stages) == 1 else f"explore, stage {number}"
        rows.append((name, "; ".join(_group(group) for group in stage)))
    select = section["select"]
    rows.append(("select", f"{select['method']}, at most {counted(select['max_frames'], 'frame')} an iteration"))
    if section.get("label"):
        rows.append(("labels", _settings(section["label"], "method")))
    if section.get("train"):
        rows.append(("train", _settings(section["train"])))
    limits = [
        f"{NAMES.get(key, (key, ''))[0]} at most {value_in_words(key, value, exact=True)}{_of_what(key)}"
        for key, value in section["converge"].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    limits += ["upper ends of the intervals"] if section["converge"].get("confident") else []
    rows.append(
        ("until", f"{', '.join(limits) or 'no limit'}; at most {counted(section['max_iterations'], 'iteration')}")
    )
    return rows


def _of_what(limit: str) -> str:
    return " of the RMS force" if limit == "force_rmse_relative" else ""


def _model(teacher: Mapping[str, Any]) -> str:
    name = Path(str(teacher["model"])).name
    return f"{teacher['family']} {name}" + (f", head {teacher['head']}" if teacher.get("head") else "")


def _structure(entry: Mapping[str, Any]) -> str:
    text = Path(str(entry["file"])).name
    if entry.get("supercell"):
        text += " " + "×".join(str(each) for each in entry["supercell"])
    perturb = entry.get("perturb")
    made = [key for key in ("slab", "interface", "alloy", "defects") if entry.get(key)]
    made += [f"{perturb['count']} perturbed"] if perturb else []
    return f"{text} ({', '.join(made)})" if made else text


def _group(group: Mapping[str, Any]) -> str:
    """One group of exploration: its method and what a reader asks first."""
    words = [str(group["method"])]
    words += [str(group["ensemble"])] if group.get("ensemble") else []
    for key, unit in (("temperatures_K", "K"), ("pressures_GPa", "GPa")):
        values = group.get(key)
        if values and (unit == "K" or any(values)):
            words.append(f"{_listed(values)} {unit}")
    if group.get("steps"):
        step = f" of {group['timestep_fs']:g} fs" if group.get("timestep_fs") else ""
        words.append(f"{group['steps']} steps{step}")
    if group.get("file"):
        words.append(Path(str(group["file"])).name)
    return ", ".join(words)


def _settings(section: Mapping[str, Any], *first: str) -> str:
    """Numbers and names of a section; switches, commands, paths and sections of their own are left out."""
    skipped = (*first, "command")
    plain = {key: value for key, value in section.items() if key not in skipped and _plain(value)}
    return ", ".join(
        [*(str(section[key]) for key in first), *(f"{key} {_text(value)}" for key, value in plain.items())]
    )


def _plain(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_plain(each) for each in value)
    return isinstance(value, int | float | str) and not isinstance(value, bool) and "/" not in str(value)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return _listed(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(f"{value:g}" if isinstance(value, int | float) else str(value) for value in values)
