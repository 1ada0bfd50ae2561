"""What a run folder tells of its workflow on Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pfd.errors import RunError
from pfd.json_file import read_json
from pfd.wording import shell_word

FOLDER, WORKFLOW_FILE = "argo", "workflow.json"
"""Folder of a run that holds what is known of its workflow and its replays, and the file that names the workflow."""


def workflow_of(run: Path) -> dict[str, Any] | None:
    """What is known of the workflow that a run was submitted as; None if it was not."""
    content = read_json(run / FOLDER / WORKFLOW_FILE)
    return content if isinstance(content, dict) else None


def told_of_kubernetes(run: Path, driven: bool) -> str:
    """What to say of a run without a driver that is, or was to be, on Kubernetes; empty of any other.

    Args:
        run: the run folder.
        driven: whether tasks of it have been begun, here or there.
    """
    content = workflow_of(run)
    if content is not None:
        download = f"pfd download {shell_word(run)}"
        return f"it was submitted to Kubernetes as {content['workflow']}: {download} brings what it has done"
    if (run / FOLDER).is_dir() and not driven:
        submit = f"pfd submit {shell_word(run)} --engine argo"
        return f"it never got to Kubernetes: {submit} tries again, without the option it runs here"
    return ""


def require_workflow(run: Path) -> dict[str, Any]:
    """As ``workflow_of``.

    Raises:
        RunError: if it was not submitted to Kubernetes from here.
    """
    content = workflow_of(run)
    if content is None:
        hint = "pfd submit INPUT --engine argo writes its name there"
        raise RunError("no workflow on Argo is known of this run", where=str(run / FOLDER / WORKFLOW_FILE), hint=hint)
    return content


def refuse_driver(run: Path) -> None:
    """Refuse to drive a run from here that runs on Kubernetes: everything would be done, and paid for, twice.

    Raises:
        RunError: naming the workflow.
    """
    content = workflow_of(run)
    if content is not None:
        raise RunError(
            f"this run was submitted to Kubernetes, as the workflow {content['workflow']}",
            where=str(run),
            hint=f"pfd download {shell_word(run)} brings what it has done, pfd resubmit {shell_word(run)} submits it "
            f"again; once it has ended there, remove {run / FOLDER / WORKFLOW_FILE} to go on from here",
        )
