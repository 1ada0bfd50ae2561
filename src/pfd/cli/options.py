"""Arguments and options that several commands share, and the panels of the help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pfd.cli.completion import complete_runs, complete_steps

INPUT, RUN, LOOK, FRAMES, HERE = "Inputs", "Runs", "Looking at runs", "Single steps on files", "What is installed"
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
InputFile = Annotated[Path, typer.Argument(help="Input file: YAML, JSON or TOML.", metavar="INPUT")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Keys to set, e.g. finetune.select.max_frames=40.", metavar="KEY=VALUE"),
]
RunArgument = Annotated[
    Path | None,
    typer.Argument(
        help="Run folder, or its input file; the only run here if not given.",
        metavar="RUN",
        autocompletion=complete_runs,
    ),
]
RunIdentifier = Annotated[
    str | None,
    typer.Argument(help="After an input, which of its runs: a folder, or its workflow on Kubernetes.", metavar="ID"),
]
Force = Annotated[bool, typer.Option("--force", help="Write over what is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Until = Annotated[
    str | None, typer.Option(help="Pause after this step: select, label or train.", autocompletion=complete_steps)
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Leave the driver in the background; its log is RUN/driver.log.")
]
TakeOver = Annotated[
    bool,
    typer.Option("--take-over", help="The driver on another host that holds the run is gone, and all that it started."),
]
LabelKeys = Annotated[
    list[str] | None, typer.Option(help="Key of a label: energy=KEY, forces=KEY, stress=KEY.", metavar="LABEL=KEY")
]
FileFormat = Annotated[
    str | None, typer.Option("--format", help="Format of the files, where their names do not tell it.")
]
Head = Annotated[str | None, typer.Option(help="Head of a multi-head model.")]
TrustFile = Annotated[
    bool, typer.Option("--trust-file", help="Read a pickled module, which can run code that is in it.")
]
Device = Annotated[str, typer.Option(help="Where the model runs: cpu or cuda.")]
