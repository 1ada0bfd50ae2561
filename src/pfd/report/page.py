"""One self-contained HTML page from a run folder: it reads what the run has written so far and writes nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.errors import DataError
from pfd.evaluate.properties.results import limits_in_words as limits_of_properties
from pfd.evaluate.properties.results import property_rows
from pfd.report import coverage, plots, property_plots
from pfd.report.asked import asked
from pfd.report.data import JOURNAL_FILE, MODEL_NAMES, IterationResult, ReportData, StruckFrame, read_report_data
from pfd.report.frames_shown import NO_FRAMES, WORST, ShownFrames, shown_frames
from pfd.report.limits import group_in_words, held_sets, last_turns, limits_in_words, value_in_words
from pfd.report.links import linked
from pfd.report.parity_plot import parity_rows, worst_frames
from pfd.report.rejections import kinds_of
from pfd.report.scripts import code_of, data_element, policy, script_element, viewer_library
from pfd.report.state import State
from pfd.report.table import (
    HEADINGS,
    choice_note,
    grouped,
    interval_note,
    number,
    part_rows,
    percent,
    result_rows,
    shown_columns,
    speed_note,
    user_rows,
    with_interval,
)
from pfd.report.words import ACTIONS, duration, utc
from pfd.wording import counted
from pfd.workflow.decisions import decisions, struck_out
from pfd.workflow.failures import FailedTask, failed_tasks
from pfd.workflow.journal import Journal
from pfd.workflow.look import state_of, used_tasks
from pfd.workflow.review import to_approve

if TYPE_CHECKING:
    from ase import Atoms

PAGE_FILE = "report.html"
TEMPLATE_FILE = "page.html.jinja"
JOURNAL_ENTRIES = 30
"""Of the journal, the page shows this many of the newest entries."""
LISTED = 200
"""Rows of a long table on the page; the files of the run hold all."""
ENDINGS = {
    "converged": "Converged: every limit is met, overall and for every condition asked for.",
    "not_converged": "Finished without converging: at least one limit is not met.",
    "failed": "Failed: the run stopped before its end and can be resumed after a mend.",
    "running": "Running: this page shows what is there so far.",
    "paused": "Paused where --until asked; the same command without it goes on.",
    "waiting": "Waiting for you",
    "interrupted": "Interrupted: the same command goes on where it was.",
}


def write_report(run_folder: Path, out: Path | None = None) -> Path:
    """Write ``report.html`` into a run folder, or the page to another file, atomically, and return its path.

    Reads ``report-data.json``, ``summary.json``, ``journal.jsonl`` and the task folders; any of them may be missing, as
    in a run that goes on. The same files give the same page. It loads nothing from elsewhere.

    Raises:
        RunError: if the folder is not there or one of the files is damaged.
    """
    page = report_page(run_folder)
    path = run_folder / PAGE_FILE if out is None else out
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(page, encoding="utf-8")
    return draft.replace(path)


def report_page(run_folder: Path, live: State | None = None) -> str:
    """The page of a run as it is now.

    Args:
        run_folder: the run.
        live: where the run stands, if the page is served and is to follow it.

    Raises:
        RunError: as ``write_report``.
    """
    data = read_report_data(run_folder)
    journal = Journal(run_folder / JOURNAL_FILE).read()
    waiting: Sequence[Atoms] = ()
    if journal:  # the data may be older than the decisions
        struck = tuple(map(StruckFrame.model_validate, struck_out(journal)))
        data = data.model_copy(update={"struck": struck})
        with suppress(DataError):  # a page is worth more than the file that somebody has moved away
            waiting = to_approve(run_folder, journal)
    tasks, name = used_tasks(run_folder, journal), run_folder.resolve().name
    sources = Sources(
        journal=journal,
        failures=failed_tasks(journal, tasks, name),
        frames=shown_frames(tasks, data, run_folder, worst_frames(data, WORST), waiting, decisions(journal)),
        choices=coverage.choices(data, tasks),
        asked=asked(run_folder),
        awaits=state_of(journal, None, Path(name))[1],
    )
    return render(data, sources, live)


@dataclass(frozen=True)
class Sources:
    """What a page shows beside the report data.

    Attributes:
        journal: the run's events.
        failures: tasks that have failed.
        frames: for the viewer.
        choices: how candidates came to labels, turn by turn.
        asked: what was asked for.
        awaits: what the run waits for, or why it failed, and what helps.
    """

    journal: Sequence[Mapping[str, Any]] = ()
    failures: Sequence[FailedTask] = ()
    frames: ShownFrames = NO_FRAMES
    choices: Sequence[IterationResult] = ()
    asked: Sequence[tuple[str, str]] = ()
    awaits: str = ""


NOTHING_ELSE = Sources()


def render(data: ReportData, sources: Sources = NOTHING_ELSE, live: State | None = None) -> str:
    """The page's HTML; every text from the run is escaped, only the plots and our scripts are markup."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    # Markup marks our own SVG, whose texts matplotlib has escaped, and our scripts; all else goes through autoescape.
    svg = script = Markup
    environment = Environment(
        loader=PackageLoader("pfd.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "grouped": grouped,
        "duration": duration,
        "utc": utc,
        "action": _action,
        "linked": linked,
    }
    environment.globals |= {
        "with_interval": with_interval,
        "group_in_words": group_in_words,
        "value_in_words": value_in_words,
        "counted": counted,
        "listing": _listing,
    }
    columns = shown_columns(data)
    rows = parity_rows(data)
    pointed = [plot.points for row in rows.rows for plot in row if plot.points]
    codes, elements = _scripts(pointed, rows.frames, sources.frames, live=live is not None)
    numbers = iter(range(len(pointed)))
    return environment.get_template(TEMPLATE_FILE).render(
        data=data,
        live=live,
        policy=policy(codes, live=live is not None),
        scripts=[script(element) for element in elements],
        asked=sources.asked,
        frames=sources.frames,
        listed=LISTED,
        ending=_ending(data, sources),
        headings=[HEADINGS[column].replace("\n", " ") for column in columns],
        rows=[row.cells(columns) for row in result_rows(data)],
        user_rows=[row.cells(columns) for row in user_rows(data)],
        timed="speed" in columns,
        untimed=speed_note(data),
        narrow=interval_note(model.errors for model in data.models.values()),
        chosen_on=choice_note(data),
        user_narrow=interval_note(model.user_errors for model in data.models.values()),
        turns=[(turn, limits_in_words(turn, data), held_sets(turn, data)) for turn in last_turns(data)],
        funnel=sources.choices,
        names=MODEL_NAMES,
        loop_names=plots.LOOP_NAMES,
        cards={MODEL_NAMES[key]: data.models[key].card for key in MODEL_NAMES if key in data.models},
        parity=[[(next(numbers) if plot.points else None, svg(plot.svg)) for plot in row] for row in rows.rows],
        pointed=bool(pointed),
        parts=part_rows(data),
        properties=property_rows(data.properties),
        property_notes=limits_of_properties(data.properties),
        measured=[key for key in MODEL_NAMES if any(key in result.models for result in data.properties)],
        fits=plots.fits_in_words(data),
        covered=any(turn.coverage for turn in sources.choices),
        struck=any(turn.struck for turn in sources.choices),
        costs=sorted(data.costs.items(), key=lambda cost: -cost[1].seconds),
        reasons=kinds_of(label.reason for label in data.rejected),
        stopped=[trajectory for trajectory in data.trajectories if not trajectory.finished],
        annealed=coverage.annealed(data),
        failures=sources.failures,
        journal=[_row(entry) for entry in sources.journal[-JOURNAL_ENTRIES:]],
        journal_length=len(sources.journal),
        **{name: [svg(plot) for plot in found] for name, found in _plots(data).items()},
        **{name: svg(plot) if plot else None for name, plot in _single_plots(data).items()},
    )


def _ending(data: ReportData, sources: Sources) -> str:
    """How the run has ended, or where it stands."""
    words = ENDINGS.get(data.status, data.status)
    if data.status == "waiting" and sources.awaits:
        return f"{words}: {sources.awaits}."
    return f"{words} {sources.awaits}" if data.status == "failed" and sources.awaits else words


def _plots(data: ReportData) -> dict[str, list[str]]:
    atoms = [plots.element_plot(data), plots.depth_plot(data)]
    return {
        "curves": plots.learning_curves(data),
        "by_labels": plots.errors_by_labels(data),
        "gains": plots.gain_plots(data),
        "conditions": [*plots.condition_plots(data), *(plot for plot in atoms if plot)],
        "property_curves": property_plots.curve_plots(data),
        "compositions": coverage.composition_plots(data),
    }


def _single_plots(data: ReportData) -> dict[str, str | None]:
    return {
        "seconds": plots.seconds_plot(data),
        "radial": coverage.radial_plot(data),
        "drift": plots.drift_plot(data),
        "trials": property_plots.trials_plot(data),
    }


def _scripts(
    pointed: list[dict[str, Any]], names: Sequence[str], frames: ShownFrames, *, live: bool
) -> tuple[list[str], list[str]]:
    """The scripts that run, and the elements of the page that hold them and their data."""
    codes, data = [], []
    if pointed:
        data.append(data_element("points", {"plots": pointed, "frames": names}))
        codes.append(code_of("points.js"))
    if frames.frames:
        data.append(data_element("frames-shown", [frame.content() for frame in frames.frames]))
        codes += [viewer_library(), code_of("viewer.js")]
    if live:
        codes.append(code_of("live.js"))
    return codes, [*data, *(script_element(code) for code in codes)]


def _listing(count: int) -> str:
    return f"All {count}" if count <= LISTED else f"The first {LISTED} of {count}"


def _action(decision: str) -> str:
    return ACTIONS.get(decision, decision)


def _row(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """Date, event and the rest of a journal's entry; long lists are counted."""
    time, event = entry.get("time"), str(entry.get("event", ""))
    date = utc(time) if isinstance(time, int | float) else ""
    rest = {key: value for key, value in entry.items() if key not in {"time", "event"}}
    return date, event.replace("_", " "), ", ".join(f"{key.replace('_', ' ')}: {_text(v)}" for key, v in rest.items())


def _text(value: Any) -> str:
    if isinstance(value, list | dict):
        return str(len(value))
    return _action(value) if isinstance(value, str) else str(value)
