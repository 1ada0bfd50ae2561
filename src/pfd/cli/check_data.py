"""``pfd check data``: what labelled sets tell of themselves before anything is trained on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from pfd.cli.hints import hints
from pfd.cli.labels_option import HINTS, label_keys
from pfd.config.data_check import check_data
from pfd.errors import SettingError

if TYPE_CHECKING:
    from pfd.evaluate.data_gate.finding import GateReport


@dataclass(frozen=True)
class Look:
    """What ``pfd check data`` is asked.

    Attributes:
        files: labelled sets to train on.
        against: a model folder, or FAMILY:WEIGHTS; None compares with no model.
        test: labelled sets to test on.
        labels: LABEL=KEY words.
        file_format: of the files, where their names do not tell it.
        head, trust_file, device: of the model.
        max_frames: most frames of each set that the model is asked about.
        as_json: print JSON.
    """

    files: list[Path]
    against: str | None = None
    test: list[Path] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    file_format: str | None = None
    head: str | None = None
    trust_file: bool = False
    device: str = "cpu"
    max_frames: int = 200
    as_json: bool = False


def check_data_and_show(look: Look) -> int:
    """Print what was found in labelled sets, and return the exit code: 2 if one of them is refused.

    Raises:
        SettingError: if ``labels`` is not LABEL=KEY, the device is none, or an option has nothing to do.
        DataError, ModelError, MissingError: see ``check_data``.
    """
    if look.device not in {"cpu", "cuda"}:
        raise SettingError(f"no device {look.device!r}", where="--device", hint="cpu or cuda")
    if look.against is None and (look.head is not None or look.trust_file):
        raise SettingError("there is no model to compare with", where="--head", hint="name it: --against MODEL")
    console = Console(stderr=True)
    with hints(HINTS), Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("looking", total=1.0)
        report = check_data(
            look.files,
            look.against,
            look.test,
            labels=label_keys(look.labels),
            file_format=look.file_format,
            head=look.head,
            trust_file=look.trust_file,
            device=look.device,
            max_predicted=look.max_frames,
            progress=lambda fraction, text: bar.update(task, completed=fraction, description=text),
        )
    _show(report, look.as_json)
    return report.exit_code


def _show(report: GateReport, as_json: bool) -> None:
    if as_json:
        print(report.model_dump_json(indent=1))
        return
    for finding in report.findings:
        print(finding)
    print(f"verdict: {report.verdict}")
