"""The section ``argo`` from what an input of PFD-kit 0.10 says of dflow, its storage, Bohrium and images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pfd.config.argo import SECRETS, secrets_in
from pfd.errors import SettingError

_DFLOW = {"host": "host", "namespace": "namespace", "k8s_api_server": "k8s_api_server"}
_STORAGE = {
    "endpoint": "endpoint",
    "bucket_name": "bucket",
    "secure": "secure",
    "prefix": "prefix",
    "repo_key": "repo_key",
}
_BOHRIUM = {"username": "username", "project_id": "project_id"}
_STEPS = {
    "run_explore_config": "explore",
    "run_fp_config": "label",
    "run_train_config": "train",
    "select_confs_config": "select",
    "evaluate_config": "predict",
    "collect_data_config": "advance",
}
"""Step of then -> kind of pods of now; ``prep_explore`` and ``prep_fp`` are parts of the decision now, too."""


def argo_of_older(older: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What an older input says of Kubernetes.

    Args:
        older: the whole input; of it ``dflow_config``, ``dflow_s3_config``, ``bohrium_config``,
            ``default_step_config``, ``step_configs`` and ``parallelism`` are read.

    Returns:
        The section ``argo`` (empty if nothing is said), and the dotted keys that have no meaning any more.

    Raises:
        SettingError: if there is a secret in it, naming the environment variable to use.
    """
    sections = ("dflow_config", "dflow_s3_config", "bohrium_config", "default_step_config", "step_configs")
    told = {name: older[name] for name in sections if older.get(name)}
    for key, variable in secrets_in(told):
        hint = f"remove it and set the environment variable {variable}"
        raise SettingError(f"{key} is a secret, and is never read from a file", where=key, hint=hint)
    ignored: list[str] = []
    argo = _moved(told, "dflow_config", _DFLOW, ignored)
    if storage := _moved(told, "dflow_s3_config", _STORAGE, ignored):
        argo["s3"] = storage
    if bohrium := _moved(told, "bohrium_config", _BOHRIUM, ignored):
        argo["bohrium"] = bohrium
    argo |= _pod(told.get("default_step_config"), "default_step_config", ignored, whole={"image"})
    for step, config in (told.get("step_configs") or {}).items():
        place = f"step_configs.{step}"
        if step not in _STEPS:
            ignored.append(place)
            continue
        kind = _STEPS[step]
        whole = {"image"} if kind == "advance" else {"image", "group_size", "pool_size"}
        if pod := _pod(config, place, ignored, whole):
            argo[kind] = pod
    if older.get("parallelism") is not None:
        argo["parallelism"] = older["parallelism"]
    return argo, ignored


def _moved(told: Mapping[str, Any], section: str, names: Mapping[str, str], ignored: list[str]) -> dict[str, Any]:
    """The keys of a section under their names of now; others are noted."""
    content = {key: value for key, value in (told.get(section) or {}).items() if not key.startswith("_")}
    ignored += [f"{section}.{key}" for key in content if key not in names and key not in SECRETS]
    return {names[key]: value for key, value in content.items() if key in names and value is not None}


def _pod(config: Any, place: str, ignored: list[str], whole: set[str]) -> dict[str, Any]:
    """Image and sizes of groups, as far as they have a meaning; other keys are noted."""
    pod: dict[str, Any] = {}
    for part, content in (config or {}).items():
        if not isinstance(content, Mapping) or part == "executor":
            ignored += [f"{place}.{part}"] if content is not None else []
            continue
        for key, value in content.items():
            if key in whole and value is not None:
                pod[key] = value
            elif value is not None:
                ignored.append(f"{place}.{part}.{key}")
    return pod
