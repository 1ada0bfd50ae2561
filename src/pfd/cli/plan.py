"""``pfd plan``: what an input would run, and on Kubernetes the very workflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pfd.cli.check import check_and_show
from pfd.cli.engine import require_engine
from pfd.errors import SettingError


def plan_and_show(input_file: Path, engine: str, yaml_file: Path | None, overrides: Sequence[str] = ()) -> None:
    """Print the plan of an input; for Argo, compile and check the workflow too.

    Args:
        input_file: the input.
        engine: ``local`` or ``argo``.
        yaml_file: where the workflow is written.
        overrides: keys to set.

    Raises:
        InputError, MissingError: if the input cannot be run.
        RunError: if the compiled workflow cannot work.
    """
    if require_engine(engine) != "argo":
        if yaml_file is not None:
            raise SettingError("only Argo has a workflow to write", where="--yaml", hint="add --engine argo")
        check_and_show(input_file, overrides)
        return
    from pfd.cli.argo import plan_for_argo

    plan_for_argo(input_file, yaml_file, overrides)
