"""A first input for a material and a goal: what a person writes who knows the defaults, with a word on each choice."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from pfd.config.sections import NAME_PATTERN
from pfd.models.family import Family
from pfd.plugins import FAMILIES, LABELERS, load_plugin

if TYPE_CHECKING:
    from ase import Atoms

Goal = Literal["finetune", "distill", "both"]
WIDE_A, MOST_ATOMS = 10.0, 200
"""Supercells are as wide as this, Å, twice the cutoff of most models, unless they get more atoms than that."""

POOL = {"method": "pool", "file": "labelled.extxyz"}
"""What is explored where labels are looked up: only frames of the file have one."""
POOL_KEY = "finetune.explore.0.0.file"


@dataclass(frozen=True)
class Wish:
    """What is wanted.

    Attributes:
        structure: the structure file, as the input will name it.
        goal: fine-tune, distill, or both.
        family: of the pre-trained model.
        model: its shipped weights, or a checkpoint.
        label: the labeler's method.
        student: the student's family.
        temperatures_K: of the dynamics that explores.
    """

    structure: str
    goal: Goal
    family: str
    model: str
    label: str = "tblite"
    student: str = "pod"
    temperatures_K: tuple[float, ...] = (300.0, 900.0)


def label_form(method: str, elements: Sequence[str], given: Collection[str]) -> dict[str, tuple[Any, str]]:
    """What a labeler's new section shows a user to complete: key -> a value in its form, and what to put there.

    Args:
        method: the labeler.
        elements: of the material.
        given: keys that the user has set.
    """
    form = load_plugin(LABELERS, method, "--label").Settings.form
    wanted = {key: blank for key, blank in form.items() if key not in given and not blank.unless & {*given}}
    return {key: (_of_elements(blank.value, elements), blank.comment) for key, blank in wanted.items()}


def _of_elements(value: Any, elements: Sequence[str]) -> Any:
    """A value of a form, with an entry for each element where it is one of an element."""
    if not isinstance(value, dict) or "{element}" not in value:
        return value
    return {element: value["{element}"].replace("{element}", element) for element in elements}


def new_input(wish: Wish, frame: Atoms) -> tuple[dict[str, Any], dict[str, str]]:
    """The content of the input, and comments by dotted key.

    Args:
        wish: what is wanted.
        frame: the structure.

    Raises:
        SettingError: if there is no such family.
    """
    supercell = wide_supercell(frame)
    content: dict[str, Any] = {
        "name": _name(wish.structure),
        "seed": 0,
        "teacher": {"family": wish.family, "model": wish.model},
        "structures": [
            {
                "file": wish.structure,
                "supercell": supercell,
                "perturb": {"count": 2, "displacement_A": 0.05, "strain": 0.02},
            }
        ],
    }
    if wish.goal != "distill":
        content["finetune"] = {
            "explore": [[POOL if wish.label == "stored" else _dynamics(wish, every=20)]],
            "select": {"max_frames": 24},
            "label": {"method": wish.label},
            "converge": {"force_rmse_relative": 0.1},
            "max_iterations": 3,
        }
    if wish.goal != "finetune":
        content["distill"] = {
            "student": _student(wish.student),
            "explore": [[_dynamics(wish, every=10) | {"with": "student"}]],
            "select": {"max_frames": 120},
            "converge": {"force_rmse_relative": 0.08},
            "max_iterations": 3,
        }
    content["evaluate"] = {"test_frames": 4}
    return content, _comments(content, supercell)


def wide_supercell(frame: Atoms) -> list[int]:
    """Repetitions along periodic directions with which the cell is wide enough for a model's cutoff."""
    import numpy as np

    if not frame.pbc.any() or frame.cell.rank < 3:
        return [1, 1, 1]
    areas = np.linalg.norm(np.cross(frame.cell[[1, 2, 0]], frame.cell[[2, 0, 1]]), axis=1)
    heights = abs(frame.cell.volume) / areas
    wanted = [ceil(WIDE_A / height) if periodic else 1 for height, periodic in zip(heights, frame.pbc, strict=True)]
    while np.prod(wanted) * len(frame) > MOST_ATOMS and max(wanted) > 1:
        widths = [count * height if count > 1 else 0.0 for count, height in zip(wanted, heights, strict=True)]
        wanted[int(np.argmax(widths))] -= 1
    return [int(count) for count in wanted]


def _dynamics(wish: Wish, every: int) -> dict[str, Any]:
    temperatures = [int(value) if float(value).is_integer() else value for value in wish.temperatures_K]
    return {"method": "md", "ensemble": "nvt", "temperatures_K": temperatures, "steps": 400, "every": every}


def _student(name: str) -> dict[str, Any]:
    family: type[Family] = load_plugin(FAMILIES, name, "--student")
    sized = family.FitSettings is not None and "size" in family.FitSettings.model_fields
    return {"family": name} | ({"size": "S"} if sized else {})


def _name(structure: str) -> str:
    """A name of a run, of that of a structure file."""
    stem = structure.replace("\\", "/").rsplit("/", 1)[-1].split(".")[0]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100]
    return name if re.fullmatch(NAME_PATTERN, name) else "material"


def _comments(content: dict[str, Any], supercell: Sequence[int]) -> dict[str, str]:
    """A word on each choice that a user may want to change."""
    comments = {
        "name": "of the run, and of its folder",
        "seed": "another seed, other random numbers",
        "teacher": "the pre-trained model; pfd models lists families, pfd models FAMILY FILE what a file is",
        "structures.0.supercell": "as wide as the cutoff of most models twice, if atoms allow"
        if max(supercell) > 1
        else "raise it for small cells",
        "structures.0.perturb": "two copies with displaced atoms and a strained cell, beside the structure",
        "finetune.explore": "stages of groups; docs/exploration.md has the methods",
        POOL_KEY: "your labelled frames, which are chosen from",
        "finetune.explore.0.0.ensemble": "npt with pressures_GPa: the cell moves too",
        "finetune.select.max_frames": "at most so many labels an iteration; they are what costs",
        "finetune.label": "who labels; docs/labels.md, and max_total: 100 caps the number",
        "finetune.converge.force_rmse_relative": "the force error over the RMS force",
        "distill.student": "size XS is fastest; S, M and L are more accurate; auto compares them",
        "distill.explore": "labelled by the teacher, so there is no label section",
        "distill.explore.0.0.with": "from the second iteration on the student itself explores",
        "evaluate.test_frames": "of each temperature, shared out among the structures; never trained on",
    }
    return {key: text for key, text in comments.items() if key.split(".")[0] in content}
