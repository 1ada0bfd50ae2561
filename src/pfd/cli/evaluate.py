"""``pfd evaluate``: ask, and print the answer."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from pfd.cli.evaluation import Answer, Question, answer
from pfd.cli.hints import hints
from pfd.cli.labels_option import HINTS
from pfd.cli.wide_table import show_table
from pfd.evaluate import ErrorReport
from pfd.select.domain import INSIDE, Domain
from pfd.wording import counted


def evaluate_and_show(question: Question, as_json: bool) -> None:
    """Answer, and print it.

    Raises:
        SettingError: if an option is wrong, or has nothing to do.
        DataError, ModelError, MissingError: see ``read_outside`` and ``named_model``.
    """
    console = Console(stderr=True)
    with hints(HINTS), Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=1.0)
        given = answer(question, lambda done, text: bar.update(task, completed=done, description=text))
    if as_json:
        print(json.dumps(_as_json(given), indent=1))
        return
    _show(given, Console(highlight=False, soft_wrap=True))


def _as_json(given: Answer) -> dict[str, Any]:
    domain = None
    if given.domain is not None:
        from ase.data import chemical_symbols

        limits = {chemical_symbols[number]: limit for number, limit in given.domain.limits_nats.items()}
        domain = {"limits_nats": limits, "frames": [_finite(asdict(place)) for place in given.domain.frames]}
    return {
        "frames": given.frames,
        "errors": given.report.model_dump(mode="json") if given.report else None,
        "domain": domain,
        "rank_correlation": given.rank_correlation,
        "written": [str(path) for path in given.written],
    }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: the surprise of an element that was never seen is written as null."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


FAR_OFF_MEV_PER_ATOM = 200.0
"""Energies further off than this are told to be looked at: another zero of the atoms' energies is likelier than a bad
model. A choice, not a measurement."""


def _show(given: Answer, console: Console) -> None:
    if given.report is None:
        console.print(f"{counted(given.frames, 'frame')} without labels: there is nothing to compare with")
        if not given.written and given.domain is None:
            console.print("  Try: --labels says which keys hold them; --out FILE writes the predictions")
    else:
        show_table(_table(given.report))
        far_off = (given.report.energy_rmse_meV_per_atom or 0.0) > FAR_OFF_MEV_PER_ATOM
        if far_off and not given.report.shift_eV:
            console.print("energies this far off are mostly another zero of the labels: --shift-on FILE takes it out")
        if given.report.shift_eV:
            shifts = ", ".join(f"{symbol} {shift:+.4f}" for symbol, shift in given.report.shift_eV.items())
            console.print(f"energies were shifted by (eV per atom) {shifts}")
        if given.report.interval_note:
            console.print(given.report.interval_note)
    if given.domain is not None:
        for line in _domain_lines(given.domain):
            console.print(line, markup=False)
        if given.rank_correlation is not None:
            console.print(f"rank correlation of surprise and force error, by frame: {given.rank_correlation:.2f}")
    for path in given.written:
        console.print(f"wrote {path}", markup=False)


def _table(report: ErrorReport) -> Table:
    """Overall, then by condition and by element."""
    table = Table(title=f"errors on {counted(report.frames, 'frame')}")
    for name in ("", "frames", "force RMSE\nmeV/Å [95 %]", "MAE\nmeV/Å", "of RMS\nforce", "slope"):
        table.add_column(name, justify="right" if name else "left")
    table.add_column("energy RMSE\nmeV/atom", justify="right")
    table.add_column("stress\nRMSE, GPa", justify="right")
    rows: list[tuple[str, Any]] = [("all", report)]
    rows += [(f"{key} {value}", errors) for key, group in report.by_group.items() for value, errors in group.items()]
    for name, errors in rows:
        interval = errors.force_rmse_interval
        between = f" [{interval[0]:.0f}, {interval[1]:.0f}]" if interval else ""
        table.add_row(
            name,
            str(errors.frames),
            _number(errors.force_rmse_meV_per_A, ".3g") + between,
            _number(errors.force_mae_meV_per_A, ".3g"),
            _number(errors.force_rmse_relative, ".1%"),
            _number(errors.force_slope, ".3f"),
            _number(errors.energy_rmse_meV_per_atom, ".3g"),
            _number(errors.stress_rmse_GPa, ".3g"),
        )
    some = {f"on {symbol}": own for symbol, own in report.by_element.items()} if len(report.by_element) > 1 else {}
    some |= {f"{depth} Å deep": own for depth, own in report.by_depth.items()}
    for atoms, own in some.items():
        force, mean = _number(own.force_rmse_meV_per_A, ".3g"), _number(own.force_mae_meV_per_A, ".3g")
        table.add_row(atoms, "", force, mean, _number(own.force_rmse_relative, ".1%"), "", "", "")
    return table


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _domain_lines(domain: Domain) -> list[str]:
    from ase.data import chemical_symbols

    limits = ", ".join(f"{chemical_symbols[number]} {limit:.1f}" for number, limit in domain.limits_nats.items())
    outside = [index for index, place in enumerate(domain.frames) if place.outside > 1.0 - INSIDE]
    what = f"{len(outside)} of {counted(len(domain.frames), 'frame')} have more than {1 - INSIDE:.0%} of their"
    lines = [f"domain: {what} environments outside the training set (surprise limit, nats: {limits})"]
    if domain.once:
        names = ", ".join(chemical_symbols[number] for number in domain.once)
        lines.append(f"  {names}: in one training frame only, which gives no limit; counted as outside")
    worst = sorted(outside, key=lambda index: -domain.frames[index].outside)[:5]
    for index in worst:
        place = domain.frames[index]
        lines.append(
            f"  frame {index}: {place.outside:.0%} outside; the most surprising is atom {place.worst_atom} "
            f"({place.largest_nats:.1f} nats)"
        )
    return lines
