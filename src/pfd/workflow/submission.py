"""What a run folder keeps of each submission: the input, the resolved one, and what was there before an edit."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from pfd.config.reading import ResolvedInput
from pfd.kept import ORIGIN
from pfd.workflow.earlier import Earlier
from pfd.workflow.run_folder import RunFolder


def note_submission(run: RunFolder, resolved: ResolvedInput, input_file: Path) -> tuple[Earlier, bool]:
    """Keep the input in the run, with the resolved one under the next number if it is new, and tell the journal.

    Args:
        run: the run folder.
        resolved: the input.
        input_file: its file.

    Returns:
        What was there before it, and whether it is new and not the first.
    """
    import yaml

    text = yaml.safe_dump(resolved.input.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True)
    inputs = sorted(run.path.glob("resolved-*.yaml"))
    edited = bool(inputs) and inputs[-1].read_text(encoding="utf-8") != text
    number = len(inputs) + edited if inputs else 1
    snapshot = run.path / f"earlier-{number:03d}.json"
    if edited or not inputs:
        if edited:
            Earlier.of(run.path).write(snapshot)
        if resolved.text:
            _put(run.path / "input.yaml", resolved.text.encode("utf-8"))
        elif input_file.resolve() != (run.path / "input.yaml").resolve():
            _put(run.path / "input.yaml", input_file.read_bytes())
        if input_file.resolve() != (run.path / "input.yaml").resolve():
            _put(run.path / ORIGIN, f"{resolved.folder}\n".encode())
        _put(run.path / f"resolved-{number:03d}.yaml", text.encode("utf-8"))
    told = {"overridden": list(resolved.overridden)} if resolved.overridden else {}
    run.journal.write("submit", version=version("pfd-kit"), edited=number - 1, **told)
    return Earlier.read(snapshot) if number > 1 else Earlier(), edited


def _put(target: Path, content: bytes) -> None:
    """Write a file that is never seen half written."""
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_bytes(content)
    temporary.replace(target)
