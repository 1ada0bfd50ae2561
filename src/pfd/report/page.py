"""One self-contained HTML page from a run folder: it reads what the run has written so far and writes nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pfd.report import coverage, plots
from pfd.report.data import JOURNAL_FILE, MODEL_NAMES, ReportData, read_report_data
from pfd.report.limits import group_in_words, held_sets, last_turns, limits_in_words, value_in_words
from pfd.report.rejections import kinds_of
from pfd.report.table import (
    HEADINGS,
    interval_note,
    number,
    percent,
    result_rows,
    shown_columns,
    user_rows,
    with_interval,
)
from pfd.report.words import ACTIONS, utc
from pfd.wording import counted
from pfd.workflow.failures import FailedTask, failed_tasks
from pfd.workflow.journal import Journal
from pfd.workflow.look import used_tasks

PAGE_FILE = "report.html"
TEMPLATE_FILE = "page.html.jinja"
JOURNAL_ENTRIES = 30
"""Of the journal, the page shows this many of the newest entries."""
ENDINGS = {
    "converged": "Converged: every limit is met, overall and for every condition asked for.",
    "not_converged": "Finished without converging: at least one limit is not met.",
    "failed": "Failed: the run stopped before its end and can be resumed after a mend.",
    "running": "Running: this page shows what is there so far.",
    "paused": "Paused where --until asked; the same command without it goes on.",
    "waiting": "Waiting for labels that are made by hand: pfd status tells which; the same command goes on.",
    "interrupted": "Interrupted: the same command goes on where it was.",
}


def write_report(run_folder: Path) -> Path:
    """Write ``report.html`` into a run folder, atomically, and return its path.

    Reads ``report-data.json``, ``summary.json``, ``journal.jsonl`` and the task folders; any of them may be missing, as
    in a run that goes on. The same files give the same page. It loads nothing from elsewhere.

    Raises:
        RunError: if the folder is not there or one of the files is damaged.
    """
    data = read_report_data(run_folder)
    events = Journal(run_folder / JOURNAL_FILE).read()
    failures = failed_tasks(events, used_tasks(run_folder, events), run_folder.resolve().name)
    page = render(data, events, failures)
    path = run_folder / PAGE_FILE
    draft = path.with_name(f".{PAGE_FILE}.draft")
    draft.write_text(page, encoding="utf-8")
    return draft.replace(path)


def render(data: ReportData, journal: list[dict[str, Any]], failures: Sequence[FailedTask] = ()) -> str:
    """The page's HTML; every text from the run is escaped, only the plots are markup."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    # Markup marks our own SVG, whose texts matplotlib has escaped; everything else goes through autoescape.
    svg = Markup
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "percent": percent, "action": _action}
    template = environment.from_string(resources.files("pfd.report").joinpath(TEMPLATE_FILE).read_text("utf-8"))
    environment.globals |= {
        "with_interval": with_interval,
        "group_in_words": group_in_words,
        "value_in_words": value_in_words,
        "counted": counted,
    }
    columns = shown_columns(data)
    turns = last_turns(data)
    element = plots.element_plot(data)
    time = plots.seconds_plot(data)
    radial = coverage.radial_plot(data)
    return template.render(
        data=data,
        ending=ENDINGS.get(data.status, data.status),
        headings=[heading.replace("\n", " ") for heading in HEADINGS[:columns]],
        rows=[row[:columns] for row in result_rows(data)],
        user_rows=[row[:columns] for row in user_rows(data)],
        timed=columns == len(HEADINGS),
        narrow=interval_note(model.errors for model in data.models.values()),
        user_narrow=interval_note(model.user_errors for model in data.models.values()),
        turns=[(turn, limits_in_words(turn, data), held_sets(turn, data)) for turn in turns],
        names=MODEL_NAMES,
        loop_names=plots.LOOP_NAMES,
        cards={MODEL_NAMES[key]: data.models[key].card for key in MODEL_NAMES if key in data.models},
        parity={unit: [svg(plot) for plot in row] for unit, row in plots.parity_plots(data).items()},
        curves=[svg(plot) for plot in plots.learning_curves(data)],
        by_labels=[svg(plot) for plot in plots.errors_by_labels(data)],
        gains=[svg(plot) for plot in plots.gain_plots(data)],
        conditions=[svg(plot) for plot in (*plots.condition_plots(data), *([element] if element else []))],
        seconds=svg(time) if time else None,
        compositions=[svg(plot) for plot in coverage.composition_plots(data)],
        annealed=coverage.annealed(data),
        radial=svg(radial) if radial else None,
        reasons=kinds_of(label.reason for label in data.rejected),
        stopped=[trajectory for trajectory in data.trajectories if not trajectory.finished],
        failures=failures,
        journal=[_row(entry) for entry in journal[-JOURNAL_ENTRIES:]],
        journal_length=len(journal),
    )


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
