"""The option ``--engine``: who runs tasks."""

from __future__ import annotations

from pfd.errors import SettingError

ENGINES = ("local", "argo")


def require_engine(name: str) -> str:
    """The name of an engine.

    Raises:
        SettingError: if there is none of that name.
    """
    if name not in ENGINES:
        raise SettingError(f"no engine {name!r}", where="--engine", hint=f"one of {', '.join(ENGINES)}")
    return name
