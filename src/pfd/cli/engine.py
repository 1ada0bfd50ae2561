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


def refuse_for_argo(**options: object) -> None:
    """Refuse options of submit and resubmit that a workflow on Kubernetes cannot honour.

    Args:
        options: name without its dashes -> what was given; nothing, or False, if it was not.

    Raises:
        SettingError: naming the first.
    """
    for name, value in options.items():
        if value:
            option = f"--{name.replace('_', '-')}"
            what = "without effect: a workflow on Kubernetes runs by itself, to its end, one for each input"
            raise SettingError(what, where=option, hint="leave it out, or submit without --engine argo")
