"""An environment: pinned packages of a family or labeler and pfd's own needs, in a folder named by what is in it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import requires
from pathlib import Path
from typing import Any, Literal

from pfd.digests import json_digest
from pfd.plugins import PACKAGE

HOME_VARIABLE = "PFD_ENVIRONMENTS"
"""Environment variable that names the folder of all environments."""
RECORD_FILE = "environment.json"
LOG_FILE = "build.log"
State = Literal["built", "unfinished", "absent"]


def environments_home() -> Path:
    """The folder of all environments: ``$PFD_ENVIRONMENTS``, else ``pfd/environments`` in the user's data folder."""
    if named := os.environ.get(HOME_VARIABLE):
        return Path(named).expanduser().resolve()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "pfd" / "environments"


@dataclass(frozen=True)
class Environment:
    """Where the environment of a family or labeler is, whether it has been built or not.

    Attributes:
        name: the registered name.
        packages: pip requirements, pinned.
    """

    name: str
    packages: tuple[str, ...]

    @cached_property
    def requirements(self) -> tuple[str, ...]:
        """Its packages, and what pfd itself needs."""
        return (*self.packages, *core_requirements())

    @cached_property
    def path(self) -> Path:
        """Its folder; other requirements, or another Python, make another one."""
        python = ".".join(map(str, sys.version_info[:2]))
        return environments_home() / f"{self.name}-{json_digest([self.requirements, python])[:12]}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python"

    def state(self) -> State:
        """``built`` if a build came to its end; whether it works is told by the self-test alone."""
        if self.record() is not None and self.python.exists():
            return "built"
        return "unfinished" if self.path.exists() else "absent"

    def record(self) -> dict[str, Any] | None:
        """What the build wrote last: requirements, and the versions that were installed."""
        try:
            content = json.loads((self.path / RECORD_FILE).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            return None
        return content if isinstance(content, dict) else None


def core_requirements() -> tuple[str, ...]:
    """What pfd itself needs in any environment, without its extras."""
    return tuple(sorted(line for line in requires(PACKAGE) or () if "extra ==" not in line))


def outdated(current: Sequence[Environment]) -> list[Path]:
    """Folders that we built, or began to, and that are none of these.

    They are of another Python, of a pfd that wants other packages, or of a plug-in that is not installed here.
    """
    home = environments_home()
    wanted = {environment.path for environment in current}
    ours = {log.parent for name in (LOG_FILE, RECORD_FILE) for log in home.glob(f"*-*/{name}")}
    return sorted(ours - wanted)


SOURCE_PREFIX = "source-"
"""How folders are named that put this pfd and its plug-ins on another interpreter's path."""
