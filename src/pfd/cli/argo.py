"""The commands of a run on Kubernetes: plan, submit, look, download, submit again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pfd.api import prepare_for_argo, run_folder_of
from pfd.cli.check import check_and_show
from pfd.cli.run_argument import input_and_run
from pfd.config.reading import read_input
from pfd.errors import RunError
from pfd.wording import counted, shell_word
from pfd.workflow.argo import client
from pfd.workflow.argo.prepare import check_for_argo
from pfd.workflow.argo.submitted import require_workflow
from pfd.workflow.journal import Journal
from pfd.workflow.look import last_word
from pfd.workflow.run_folder import take_folder


def plan_for_argo(input_file: Path, yaml_file: Path | None, overrides: Sequence[str] = ()) -> None:
    """Print the plan of an input, compile its workflow, check it, and write it if a file is named."""
    resolved = read_input(input_file, overrides)
    check_for_argo(resolved)
    check_and_show(input_file, overrides, runs_here=False)
    workflow = client.compile_graph(resolved)
    templates = workflow["spec"]["templates"]
    print(f"workflow: {counted(len(templates), 'template')}, every reference in it leads to something")
    for template in templates:
        if "script" in template:
            print(f"  {template['name']}: {_pod(template)}")
    if yaml_file is not None:
        yaml_file.write_text(yaml.safe_dump(workflow, sort_keys=False, allow_unicode=True), encoding="utf-8")
        print(f"written to {yaml_file}; pfd submit --engine argo uploads what it starts from, and submits it")


def _pod(template: dict[str, Any]) -> str:
    script = template["script"]
    asked = script["resources"]["requests"]
    gpus = script["resources"]["limits"].get("nvidia.com/gpu")
    nodes = ", ".join(f"{name}={value}" for name, value in (template.get("nodeSelector") or {}).items())
    return (
        f"{script['image']}, {counted(int(asked['cpu']), 'core')}, {int(asked['memory'][:-1]) / 1000:g} GB"
        f"{f', {gpus} GPU' if gpus else ''}{f', on nodes with {nodes}' if nodes else ''}"
    )


def submit_to_argo(input_file: Path, run: Path | None, overrides: Sequence[str] = ()) -> None:
    """Submit an input, or a run folder to go on with, and print the workflow's name."""
    input_file, run = input_and_run(input_file, run)
    client.require_secrets(read_input(input_file, overrides).input.argo)
    folder, resolved = prepare_for_argo(input_file, run, overrides)
    answer = client.submit(folder, resolved)
    _say_submitted(folder, answer)


def resubmit_to_argo(run: Path, from_step: str | None) -> None:
    """Submit the workflow of a run again, with the steps that have succeeded.

    One that has ended to wait for a person is submitted anew, from the run folder: its last step must not be reused.
    """
    before: str | None = require_workflow(run)["workflow"]
    if last_word(Journal(run / "journal.jsonl").read())["event"] == "paused" and from_step is None:
        before = None
    folder, resolved = prepare_for_argo(run / "input.yaml", run)
    _say_submitted(folder, client.submit(folder, resolved, before, from_step))


def _say_submitted(folder: Path, answer: dict[str, Any]) -> None:
    print(f"workflow: {answer['workflow']}")
    if answer["reused"]:
        print(f"{counted(answer['reused'], 'step')} used again")
    word = shell_word(folder)
    print(f"{answer['phase']}; pfd status {word} and pfd download {word} tell how far it is. Run folder: {folder}")
    if answer["phase"] == "Failed":  # told at once in debug mode alone
        raise SystemExit(1)


def show_workflow(run: Path) -> None:
    """Print how far a run's workflow is.

    Raises:
        RunError: if the server does not answer.
    """
    name = require_workflow(run)["workflow"]
    print(f"workflow: {name}")
    answer = client.status(run)
    phases = Counter(step["phase"] for step in answer["steps"])
    print(
        f"  {answer['phase']}; {', '.join(f'{count} pods {phase}' for phase, count in phases.items()) or 'no pod yet'}"
    )
    for step in answer["steps"][-_LAST:]:
        print(f"  {step['phase']}  {step['key']}")


_LAST = 6
"""Steps that are shown."""


def adopt_workflow(input_file: Path, name: str) -> Path:
    """Make the run folder of a workflow that was submitted elsewhere; returns it.

    Raises:
        RunError: if the folder that the input's run would have is taken.
    """
    resolved = read_input(input_file)
    folder = run_folder_of(input_file, resolved.input.name)
    if folder.exists():
        hint = f"pfd download {shell_word(folder)} is about that one; for the workflow, stand in another folder"
        raise RunError(f"it is there already, and not of the workflow {name!r}", where=str(folder), hint=hint)
    client.require_secrets(resolved.input.argo)
    settings = resolved.input.argo.model_dump(mode="json")
    phase = client.find(name, settings)
    take_folder(folder, resolved.input.name)
    client.note_workflow(folder, name, settings)
    print(f"{folder}: made for the workflow {name}, which is {phase}")
    return folder


def download_from_argo(run: Path, *, silent: bool = False) -> None:
    """Bring a run folder up to date, write its report, and tell how far it is, unless silent."""
    from pfd.cli.status import show_status
    from pfd.report.page import write_report

    answer = client.download(run)
    write_report(run)
    if silent:
        return
    print(f"run folder of {answer['after']}; the workflow is {answer['phase']}")
    show_status(run, as_json=False)
