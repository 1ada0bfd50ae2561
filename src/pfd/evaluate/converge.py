"""When a model is good enough: limits on errors, judged over the whole set and for every condition in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from pfd.evaluate.error_report import ErrorReport, Errors, Interval, condition_text
from pfd.settings import Settings

JUDGED_KEYS = ("temperature_K", "pressure_GPa", "group")
"""The conditions that limits must hold for; other keys of ``ErrorReport.by_group`` inform."""
ALL = "all"
"""The group of a verdict over the whole set."""


def _fraction(value: float) -> float:
    if value > 1.0:
        raise ValueError(f"{value:g} would be {100.0 * value:g} %: it is a fraction, and 10 % is 0.1")
    return value


Fraction = Annotated[
    float,
    Field(gt=0),
    AfterValidator(_fraction),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
]
"""A limit as a part of what it is compared with; above 1 it would be met by a model that knows nothing."""


class ConvergeSettings(Settings):
    """Limits that an iteration must meet; at least one is needed, and there is no default that suits all materials."""

    force_rmse_eV_per_A: float | None = Field(default=None, gt=0)
    """Largest RMSE of a force component, eV/Å."""
    force_rmse_relative: Fraction | None = None
    """Largest force RMSE over the RMS label force (0.1 is ten per cent): comparable between temperatures, and the one
    to choose where a material is new; judged per condition against the RMS label force of that condition."""
    energy_rmse_meV_per_atom: float | None = Field(default=None, gt=0)
    """Largest RMSE of the energy per atom after the energy shift, meV."""
    stress_rmse_GPa: float | None = Field(default=None, gt=0)
    """Largest RMSE of a stress component, GPa; judged on bulk frames only, and on groups that hold some."""
    properties: bool = False
    """If true, every number of ``evaluate.properties`` and ``evaluate.command`` that has limits, or a reference and
    ``within``, must meet them as well: they are then measured after each iteration. Default false: they are measured
    once, at the end, and reported."""
    confident: bool = False
    """If true, the upper end of the 95 % interval must meet the limit, not the estimate. Default false: groups of a few
    trajectories have wide intervals, and a limit is usually meant as the figure that will be quoted. The frames of a
    group that comes from one trajectory are taken as independent, and its verdicts say so."""

    @model_validator(mode="after")
    def _some_limit(self) -> ConvergeSettings:
        if all(getattr(self, criterion) is None for criterion in CRITERIA):
            raise ValueError(f"name at least one limit of {', '.join(CRITERIA)}")
        return self


class Criterion(NamedTuple):
    """Where a criterion's figures stand in ``Errors``, and how many of that unit make one of the setting's."""

    value: str
    interval: str
    labels: str
    bad: str
    factor: float


CRITERIA = {
    "force_rmse_eV_per_A": Criterion(
        "force_rmse_meV_per_A", "force_rmse_interval", "force_frames", "bad_forces", 1000.0
    ),
    "force_rmse_relative": Criterion(
        "force_rmse_relative", "force_relative_interval", "force_frames", "bad_forces", 1.0
    ),
    "energy_rmse_meV_per_atom": Criterion(
        "energy_rmse_meV_per_atom", "energy_rmse_interval", "energy_frames", "bad_energies", 1.0
    ),
    "stress_rmse_GPa": Criterion("stress_rmse_GPa", "stress_rmse_interval", "stress_frames", "bad_stresses", 1.0),
}


class Verdict(Settings):
    """One limit held against one set of frames; ``value``, ``limit`` and ``interval`` share the limit's unit."""

    criterion: str
    """The key of the limit in ``ConvergeSettings``, which names the unit."""
    group: str
    """``all``, or a condition such as ``temperature_K=300``."""
    value: float | None
    """The error; None if there is none to judge, and ``note`` says why."""
    limit: float
    """What the error must not exceed."""
    passed: bool
    """Whether it does not."""
    interval: Interval | None = None
    """95 % interval of the error."""
    note: str = ""
    """Why there is no value, why it was not judged, or what its interval lacks."""


def judge_errors(
    report: ErrorReport, settings: ConvergeSettings, asked: Mapping[str, Collection[float | str]] | None = None
) -> list[Verdict]:
    """Hold every limit against the whole set and against each temperature, pressure and group in it.

    A single group of exploration that nobody asked for has no verdict of its own: it is the whole set. A group whose
    force labels are all zero has no relative error, and passes a limit on it unjudged.

    Args:
        report: the errors.
        settings: the limits.
        asked: conditions that must be there, as in ``ErrorReport.by_group`` ({"temperature_K": (300, 1500)}); one
            that the report lacks fails, because nothing is known of it.

    Returns:
        Verdicts, criterion by criterion, the whole set first. Converged means that all of them passed (``converged``).
    """
    groups: dict[str, Errors] = {ALL: report}
    asked = asked or {}
    for key in JUDGED_KEYS:
        values = report.by_group.get(key, {})
        if key != "group" or len(values) > 1 or asked.get(key):  # a single group is the whole set
            groups |= {f"{key}={value}": errors for value, errors in values.items()}
    for key, wanted in asked.items():
        for value in wanted:
            groups.setdefault(f"{key}={condition_text(value)}", Errors(frames=0))
    return [
        _judge(criterion, group, errors, limit, settings.confident)
        for criterion in CRITERIA
        if (limit := getattr(settings, criterion)) is not None
        for group, errors in groups.items()
    ]


def converged(verdicts: Sequence[Verdict]) -> bool:
    """True if there is at least one verdict and all passed."""
    return bool(verdicts) and all(verdict.passed for verdict in verdicts)


def _judge(criterion: str, group: str, errors: Errors, limit: float, confident: bool) -> Verdict:
    place = CRITERIA[criterion]
    found, span = getattr(errors, place.value), getattr(errors, place.interval)
    value = None if found is None else found / place.factor
    interval = None if span is None else (span[0] / place.factor, span[1] / place.factor)
    note, passed = "", False
    if value is not None:
        passed = value <= limit if not confident else interval is not None and interval[1] <= limit
        if confident:
            note = errors.interval_note if interval is not None else "too few frames for an interval"
    elif bad := getattr(errors, place.bad):
        note = f"{bad} of {errors.frames} frames have no finite prediction"
    elif errors.frames == 0:
        note = "no frame of this condition in the set"
    elif getattr(errors, place.labels) and group.startswith("group="):  # a kind of a pool: strained perfect crystals
        note, passed = "all labels are zero: not judged", True
    elif getattr(errors, place.labels):
        note = "all labels are zero"
    elif criterion == "stress_rmse_GPa" and group != ALL:
        note, passed = "no bulk frame with a stress label in this group: not judged", True
    else:
        note = "no frame carries this label"
    return Verdict(
        criterion=criterion, group=group, value=value, limit=limit, passed=passed, interval=interval, note=note
    )
