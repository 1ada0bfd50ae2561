"""The result in one table, a row per model: the same numbers for the terminal, the page and the README."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pfd.evaluate import AtomErrors, ErrorReport, Errors
from pfd.evaluate.residuals import MIN_TRAJECTORIES
from pfd.report.data import MODEL_NAMES, ModelKey, ModelResult, ReportData
from pfd.wording import counted

if TYPE_CHECKING:
    from rich.table import Table

ABSENT = "–"
"""Stands where there is no number yet."""
HEADINGS = {
    "model": "model",
    "size": "parameters",
    "force": "force RMSE\nmeV/Å [95 %]",
    "relative": "of RMS\nforce",
    "slope": "slope",
    "energy": "energy\nRMSE\nmeV/atom",
    "stress": "stress\nRMSE\nGPa",
    "speed": "µs/atom\nand step",
    "speedup": "speed-up",
}
"""Column -> its heading, in the order of the page."""
NARROW = ("model", "force", "relative", "slope", "energy", "speed", "speedup")
"""The columns that fit into a terminal of 80."""
TIMED = ("speed", "speedup")
"""The columns of speeds."""


class ResultRow(NamedTuple):
    """One model's results as text, a field for each column of ``HEADINGS``."""

    model: str
    size: str
    force: str
    relative: str
    slope: str
    energy: str
    stress: str
    speed: str
    speedup: str

    def cells(self, columns: Sequence[str]) -> list[str]:
        """The texts of some columns."""
        return [getattr(self, column) for column in columns]


def result_rows(data: ReportData) -> list[ResultRow]:
    """A row for each model that there is: pre-trained, fine-tuned, student, student from scratch."""
    return [
        _row(MODEL_NAMES[key], data.models[key], data.models[key].errors, speedup(data, key))
        for key in MODEL_NAMES
        if key in data.models
    ]


def user_rows(data: ReportData) -> list[ResultRow]:
    """The same on the user's own test file, for the models that were tested on it."""
    return [
        _row(MODEL_NAMES[key], data.models[key], data.models[key].user_errors, speedup(data, key))
        for key in MODEL_NAMES
        if key in data.models and data.models[key].user_errors is not None
    ]


def shown_columns(data: ReportData, columns: Iterable[str] = HEADINGS) -> list[str]:
    """Those of the columns that have something to say: those of speeds only if a model was timed."""
    timed = any(model.us_per_atom_step is not None for model in data.models.values())
    return [column for column in columns if timed or column not in TIMED]


def speed_note(data: ReportData) -> str:
    """Why a finished comparison tells no speeds; empty if it does."""
    ended = data.status in {"converged", "not_converged"}
    if not (ended and data.models) or any(model.us_per_atom_step is not None for model in data.models.values()):
        return ""
    return "No model was timed (evaluate.speed_atoms)."


def interval_note(reports: Iterable[ErrorReport | None]) -> str:
    """What the intervals of a table lack, if anything."""
    few = [report.trajectories for report in reports if report is not None and report.interval_note]
    if not few:
        return ""
    return (
        f"The 95 % intervals are too narrow: the frames are of {counted(min(few), 'trajectory')}; "
        f"below {MIN_TRAJECTORIES}, frames are taken as independent, which they are not."
    )


def choice_note(data: ReportData) -> str:
    """That the student's error is of frames that it was chosen on (``student: auto``); empty if there was no choice."""
    compared = sum(trial.force_rmse_meV_per_A is not None for trial in data.students)
    if compared < 2:
        return ""
    where = "against its teacher" if "finetuned" in data.models else "in this table"
    return (
        f"The student was chosen among {compared} by its error on distillation's test set: "
        f"its error {where} is of the same frames, and a little optimistic."
    )


class PartRow(NamedTuple):
    """One model on a part of the test set, as text."""

    model: str
    part: str
    size: str
    force: str
    relative: str
    energy: str
    stress: str


def part_rows(data: ReportData) -> list[PartRow]:
    """A row for each condition and element of the fixed test set, and each model."""
    rows = []
    tested = [(key, errors) for key in MODEL_NAMES if key in data.models and (errors := data.models[key].errors)]
    for condition, unit in PARTS.items():
        groups = {value for _, errors in tested for value in errors.by_group.get(condition, {})}
        for value in sorted(groups, key=_by_number):
            for key, errors in tested:
                if value in errors.by_group.get(condition, {}):
                    part = errors.by_group[condition][value]
                    shown = (number(part.energy_rmse_meV_per_atom), number(part.stress_rmse_GPa))
                    rows.append(PartRow(*_part(key, f"{unit[0]}{value}{unit[1]}", part.frames, part), *shown))
    elements = sorted({element for _, errors in tested for element in errors.by_element})
    depths = sorted(
        {depth for _, errors in tested for depth in errors.by_depth}, key=lambda each: _by_number(each.split()[0])
    )
    names = [(element, element) for element in elements] + [(depth, f"{depth} Å below a surface") for depth in depths]
    for name, shown_name in names:
        for key, errors in tested:
            atoms = (errors.by_element | errors.by_depth).get(name)
            if atoms is not None:
                rows.append(PartRow(*_part(key, shown_name, atoms.atoms, atoms), ABSENT, ABSENT))
    return rows


PARTS = {
    "temperature_K": ("", " K"),
    "pressure_GPa": ("", " GPa"),
    "group": ("group ", ""),
    "structure": ("structure ", ""),
}
"""Condition -> what stands before and after its value."""


def _part(key: ModelKey, part: str, size: int, errors: Errors | AtomErrors) -> tuple[str, str, str, str, str]:
    force = number(errors.force_rmse_meV_per_A)
    return MODEL_NAMES[key], part, grouped(size), force, percent(errors.force_rmse_relative)


def _by_number(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value


def speedup(data: ReportData, key: ModelKey) -> float | None:
    """How many times faster than the teacher (the fine-tuned model, else the pre-trained one) a model is."""
    times = (data.models[teacher].us_per_atom_step for teacher in ("finetuned", "pretrained") if teacher in data.models)
    teacher_time = next((time for time in times if time), None)
    own_time = data.models[key].us_per_atom_step if key in data.models else None
    return teacher_time / own_time if teacher_time and own_time else None


def results_tables(data: ReportData) -> list[Table]:
    """The tables that the command line prints at the end of a run: on its test set, and on the user's own file."""
    reports = [model.errors for model in data.models.values()]
    frames = next((errors.frames for errors in reports if errors is not None), 0)
    title = f"{data.name}: errors on {counted(frames, 'test frame')}" if frames else data.name
    chosen_on = "" if "finetuned" in data.models else choice_note(data)
    tables = [_table(title, result_rows(data), data, (interval_note(reports), chosen_on))]
    own = [model.user_errors for model in data.models.values()]
    if rows := user_rows(data):
        frames = next(errors.frames for errors in own if errors is not None)
        tables.append(
            _table(f"errors on your own test file, {counted(frames, 'frame')}", rows, data, (interval_note(own),))
        )
    return tables


def _table(title: str, rows: list[ResultRow], data: ReportData, notes: Sequence[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title or None, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column(HEADINGS["model"], min_width=12)  # the only column that may be broken: the table fits 80 columns
    columns = shown_columns(data, NARROW)
    for column in columns[1:]:
        table.add_column(HEADINGS[column], justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row.cells(columns))
    table.caption = "\n".join(filter(None, notes)) or None
    table.caption_style, table.caption_justify = "none", "left"
    return table


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits and no exponent, or a dash if there is none.

    >>> number(0.123456), number(98765.4), number(None)
    ('0.123', '98765', '–')
    """
    if value is None:
        return ABSENT
    if value == 0:
        return "0"
    import math

    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"


def percent(share: float | None) -> str:
    """A share as per cent, or a dash.

    >>> percent(0.0456), percent(None)
    ('4.56 %', '–')
    """
    return ABSENT if share is None else f"{number(100 * share)} %"


def with_interval(value: float | None, interval: tuple[float, float] | None) -> str:
    """A number and, in brackets, its interval.

    >>> with_interval(12.34, (11.0, 13.5))
    '12.3 [11.0, 13.5]'
    """
    return number(value) if interval is None else f"{number(value)} [{number(interval[0])}, {number(interval[1])}]"


def _row(name: str, model: ModelResult, errors: ErrorReport | None, faster: float | None) -> ResultRow:
    label = f"{name} ({model.card.family})" if model.card else name
    size = grouped(model.card.parameters) if model.card else ABSENT
    speed = number(model.us_per_atom_step)
    if errors is None:
        return ResultRow(label, size, *(ABSENT,) * 5, speed, _times(faster))
    return ResultRow(
        label,
        size,
        f"{errors.bad_forces} of {errors.force_frames} not finite"
        if errors.bad_forces
        else with_interval(errors.force_rmse_meV_per_A, errors.force_rmse_interval),
        percent(errors.force_rmse_relative),
        ABSENT if errors.force_slope is None else f"{errors.force_slope:.3f}",
        "not finite" if errors.bad_energies else number(errors.energy_rmse_meV_per_atom),
        "not finite" if errors.bad_stresses else number(errors.stress_rmse_GPa),
        speed,
        _times(faster),
    )


def grouped(count: int) -> str:
    """A count with its digits in groups of three, by narrow spaces.

    >>> grouped(412525)
    '412\u202f525'
    """
    return f"{count:,}".replace(",", "\u202f")


def _times(faster: float | None) -> str:
    return ABSENT if faster is None else f"{number(faster)} ×"
