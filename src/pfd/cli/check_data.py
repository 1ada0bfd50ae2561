"""``pfd check data``: what labelled sets tell of themselves before anything is trained on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from pfd.cli.hints import hints
from pfd.config.data_check import check_data
from pfd.errors import SettingError

if TYPE_CHECKING:
    from pfd.evaluate.data_gate.finding import GateReport

HINTS = {
    "is it complete?": "is it complete? If it is, name ASE's format of the file with --format",
    "labels: {": "name the keys that hold the labels, e.g. --labels energy=REF_energy --labels forces=REF_forces",
    "`format:`": "name it with --format",
    "remove labels": "leave --labels out",
}


def check_data_and_show(
    files: list[Path],
    against: str | None,
    test: list[Path],
    labels: list[str],
    file_format: str | None,
    head: str | None,
    trust_file: bool,
    device: str,
    max_frames: int,
    as_json: bool,
) -> int:
    """Print what was found in labelled sets, and return the exit code: 2 if one of them is refused.

    Raises:
        SettingError: if ``labels`` is not LABEL=KEY, or the device is none.
        DataError, ModelError, MissingError: see ``check_data``.
    """
    if device not in {"cpu", "cuda"}:
        raise SettingError(f"no device {device!r}", where="--device", hint="cpu or cuda")
    if against is None and (head is not None or trust_file):
        raise SettingError("there is no model to compare with", where="--head", hint="name it: --against MODEL")
    console = Console(stderr=True)
    with hints(HINTS), Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("looking", total=1.0)
        report = check_data(
            files,
            against,
            test,
            labels=_keys(labels),
            file_format=file_format,
            head=head,
            trust_file=trust_file,
            device=device,
            max_predicted=max_frames,
            progress=lambda fraction, text: bar.update(task, completed=fraction, description=text),
        )
    _show(report, as_json)
    return report.exit_code


def _keys(labels: list[str]) -> dict[str, str]:
    keys = {}
    for each in labels:
        name, equals, key = each.partition("=")
        if not equals or not key:
            raise SettingError(f"{each!r} is not LABEL=KEY", where="--labels", hint="write e.g. forces=REF_forces")
        keys[name] = key
    return keys


def _show(report: GateReport, as_json: bool) -> None:
    if as_json:
        print(report.model_dump_json(indent=1))
        return
    for finding in report.findings:
        print(finding)
    print(f"verdict: {report.verdict}")
