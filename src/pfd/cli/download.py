"""``pfd download``: bring what a run has made to where it is wanted; from Kubernetes first into the run folder."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pfd.cli.run_argument import find_run, unknown_workflow
from pfd.errors import RunError, SettingError
from pfd.json_file import read_json, write_json
from pfd.wording import counted, shell_word
from pfd.workflow.argo.submitted import workflow_of
from pfd.workflow.journal import Journal
from pfd.workflow.look import used_tasks
from pfd.workflow.outputs import Output, Selector, outputs_of

MARK = "download.json"
"""File of a folder that holds what was downloaded of one run: it may be written over by what the run has made since."""
RESULTS = ("models", "data", "summary.json", "input.yaml")
"""What is collected, with the report as it is now, if nothing is named."""


@dataclass(frozen=True)
class Download:
    """What is asked for.

    Attributes:
        out: folder for it; None leaves it in the run folder.
        selector: outputs of tasks that are wanted in the place of the results.
        listed: only list what there is.
        as_json: print JSON.
    """

    out: Path | None = None
    selector: Selector = field(default_factory=Selector)
    listed: bool = False
    as_json: bool = False


def download_and_show(given: Path | None, identifier: str | None, asked: Download) -> None:
    """Bring the run folder up to date if the run is on Kubernetes, and collect what is asked for.

    Args:
        given: run folder or input.
        identifier: of the run (see ``find_run``); of a workflow that no run folder here knows, one is made.
        asked: what is wanted.

    Raises:
        RunError: if there is no such run, or the folder holds something else.
        SettingError: if nothing that was named is there, or it is not said where to put it.
    """
    if given is not None and identifier is not None and unknown_workflow(given, identifier):
        from pfd.cli.argo import adopt_workflow

        run = adopt_workflow(given, identifier)
    else:
        run = find_run(given, identifier)
    remote = workflow_of(run) is not None
    if asked.selector and asked.out is None and not asked.listed:
        raise SettingError("it is not said where to put it", where="--out", hint="name a folder: --out DIR")
    if not remote and asked.out is None and not asked.listed:
        what = f"the run is here already: {run}"
        raise SettingError(what, where="--out", hint="--out DIR collects its models, data and report in another folder")
    if asked.out is not None:
        _require_ours(asked.out, run)
    if remote:
        from pfd.cli.argo import download_from_argo

        download_from_argo(run, silent=asked.as_json)
    if asked.listed:
        _list(run, asked)
    elif asked.out is not None:
        _collect(run, asked.out, asked)


def _outputs(run: Path) -> list[Output]:
    return outputs_of(used_tasks(run, Journal(run / "journal.jsonl").read()))


def _list(run: Path, asked: Download) -> None:
    outputs = _outputs(run)
    chosen = asked.selector.choose(outputs) if asked.selector else outputs
    tasks = Counter((output.key, output.name) for output in chosen)
    if asked.as_json:
        print(json.dumps([{"key": key, "output": name, "tasks": count} for (key, name), count in tasks.items()]))
        return
    for key in dict.fromkeys(output.key for output in chosen):
        names = [f"{name} ({count})" if count > 1 else name for (own, name), count in tasks.items() if own == key]
        print(f"{key}: {', '.join(names)}")
    print("-k KEY, -d STEP/OUTPUT and -i ITERATIONS choose among them; without, models, data and report are taken")


def _collect(run: Path, out: Path, asked: Download) -> None:
    if asked.selector:
        copies = [(output.path, f"{output.place}/{output.name}") for output in asked.selector.choose(_outputs(run))]
    else:
        copies = [(run / name, name) for name in RESULTS if (run / name).exists()]
        if not (run / "models").is_dir():
            raise RunError(
                "no loop has ended yet",
                where=str(run),
                hint=f"pfd status {shell_word(run)} tells how far it is; -l lists outputs",
            )
    from pfd.report.page import PAGE_FILE, report_page

    page = "" if asked.selector else report_page(run)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / MARK, _mark(run))
    for source, place in copies:
        _copy(source, out / place)
    places = [place for _, place in copies]
    if page:  # written there: the run folder may be somebody else's, and read-only
        (out / PAGE_FILE).write_text(page, encoding="utf-8")
        places.append(PAGE_FILE)
    if asked.as_json:
        print(json.dumps({"out": str(out), "files": places}, indent=1))
        return
    names = ", ".join(places) if not asked.selector else counted(len(copies), "output")
    print(f"{out}: {names}")


def _mark(run: Path) -> dict[str, Any]:
    content = read_json(run / "run.json")
    return {"run": content["name"] if isinstance(content, dict) else "", "folder": str(run.resolve())}


def _require_ours(out: Path, run: Path) -> None:
    """Refuse a folder that holds anything but an earlier download of this run.

    Raises:
        SettingError
    """
    place = f"--out {out}"
    if out.exists() and not out.is_dir():
        raise SettingError("a file, not a folder", where=place, hint="name a folder")
    if out.is_dir() and any(out.iterdir()) and read_json(out / MARK) != _mark(run):
        what = "it holds something else than what was downloaded of this run"
        raise SettingError(what, where=place, hint="name a new folder")


def _copy(source: Path, target: Path) -> None:
    """Put a copy in place of what is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        shutil.rmtree(target)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
