"""The section ``argo``: where a run on Kubernetes goes, and what each kind of its pods is; never a password."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, model_validator

from pfd.settings import Settings

KINDS = ("explore", "label", "train", "predict", "select", "other")
"""Kinds of pods that run tasks, as in ``resources``; ``other`` adopts models, reads files and measures speed."""
SECRETS = {
    "token": "DFLOW_TOKEN",
    "access_key": "DFLOW_S3_ACCESS_KEY",
    "secret_key": "DFLOW_S3_SECRET_KEY",
    "password": "BOHRIUM_PASSWORD",
    "ticket": "BOHRIUM_TICKET",
}
"""Keys that are never read from a file -> the environment variable that is read instead."""


class PlaceSettings(Settings):
    """Where pods of one kind run."""

    image: str | None = None
    """Container image; default ``argo.image``."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels that a node must have."""


class AdvanceSettings(PlaceSettings):
    """The pods that decide what comes next; they run light tasks themselves."""

    cores: int = Field(default=1, ge=1)
    """Cores of the pod."""
    memory_GB: float = Field(default=4.0, gt=0)
    """Memory of the pod, GB: it holds all frames of a selection."""


class PodSettings(PlaceSettings):
    """The pods of one kind of step; cores and memory of one task stand in ``resources``."""

    gpus: int | None = Field(default=None, ge=0)
    """GPUs (``nvidia.com/gpu``) of one pod; default those of one task (``resources``) for each task at once."""
    group_size: int = Field(default=1, ge=1)
    """Tasks of one pod: a pod takes seconds to start, and tasks of one pod share their imports."""
    pool_size: int = Field(default=1, ge=1)
    """Tasks that run at once in one pod, which asks for cores and memory of all of them."""

    @model_validator(mode="after")
    def _pool_in_group(self) -> PodSettings:
        if self.pool_size > self.group_size:
            raise ValueError(f"pool_size {self.pool_size} is more than the {self.group_size} tasks of a pod; see both")
        return self


class StorageSettings(Settings):
    """The S3 storage of Argo's artifacts; DFLOW_S3_ACCESS_KEY and DFLOW_S3_SECRET_KEY hold its keys."""

    endpoint: str = "127.0.0.1:9000"
    """Host and port, as seen from where ``pfd submit`` runs; the default is where dflow's quick start puts it."""
    bucket: str = "my-bucket"
    """Bucket that Argo's artifact repository is set to; the default is that of dflow's quick start."""
    secure: bool = False
    """Use TLS."""
    prefix: str = ""
    """What all keys begin with."""
    repo_key: str | None = None
    """Key of an artifact repository in the cluster, if not its default one."""


class BohriumSettings(Settings):
    """The service Bohrium, in the place of a cluster of one's own; BOHRIUM_PASSWORD or BOHRIUM_TICKET is read."""

    username: str
    """Name of the account."""
    project_id: int
    """Number of the project that pays."""


class ArgoSettings(Settings):
    """How ``pfd submit --engine argo`` runs on Kubernetes. Secrets are read from environment variables only."""

    image: str | None = None
    """Container image of all pods that name none of their own, with pfd-kit and all packages that its tasks need."""
    host: str = "https://127.0.0.1:2746"
    """Argo's server; DFLOW_TOKEN holds its token, if it asks for one."""
    namespace: str = "argo"
    """Namespace in the cluster."""
    k8s_api_server: str | None = None
    """Address of the Kubernetes API, which ``pfd resubmit`` needs where no kubeconfig tells it."""
    s3: StorageSettings = StorageSettings()
    """Storage of artifacts."""
    bohrium: BohriumSettings | None = None
    """Run on Bohrium."""
    image_pull_secrets: tuple[str, ...] = ()
    """Names of secrets in the cluster that open private image registries."""
    parallelism: int | None = Field(default=None, ge=1)
    """Most pods at once; default none."""
    pod_retries: int = Field(default=2, ge=0)
    """How often a pod that was killed or whose node was lost is started again."""
    advance: AdvanceSettings = AdvanceSettings()
    """The pods that decide what comes next."""
    explore: PodSettings = PodSettings()
    """Pods that explore."""
    label: PodSettings = PodSettings()
    """Pods that label by ``finetune.label``."""
    train: PodSettings = PodSettings()
    """Pods that train."""
    predict: PodSettings = PodSettings()
    """Pods that predict, and label by the teacher."""
    select: PodSettings = PodSettings()
    """Pods that select."""
    other: PodSettings = PodSettings()
    """Pods that adopt models, read the user's files, and measure speeds."""

    @model_validator(mode="before")
    @classmethod
    def _no_secret(cls, content: Any) -> Any:
        """Refuse secrets, without repeating them."""
        found = next(secrets_in(content), None)
        if found is not None:
            key, variable = found
            raise ValueError(f"{key} is a secret; remove it and set the environment variable {variable}")
        return content

    def pod(self, kind: str) -> PodSettings:
        """The pods of a kind."""
        pod: PodSettings = getattr(self, kind)
        return pod

    def image_of(self, kind: str) -> str | None:
        """The image of a kind of pods, ``advance`` included; None if none is named."""
        place: PlaceSettings = getattr(self, kind)
        return place.image or self.image

    def missing_images(self) -> list[str]:
        """The kinds of pods without an image."""
        return [kind for kind in ("advance", *KINDS) if not self.image_of(kind)]


_ADDRESS_WITH_PASSWORD = re.compile(r"^(\w+://)?[^/@\s]+:[^/@\s]+@")


def secrets_in(content: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted key of each secret in a tree, and the environment variable that it belongs into.

    An address with a password in it is one too.
    """
    for name, value in content.items() if isinstance(content, Mapping) else ():
        key = f"{prefix}{name}"
        if name in SECRETS and value is not None:
            yield key, SECRETS[name]
        elif isinstance(value, str) and _ADDRESS_WITH_PASSWORD.match(value):
            yield f"{key} (an address with a password)", SECRETS["token" if name == "host" else "secret_key"]
        else:
            yield from secrets_in(value, f"{key}.")


def secrets_set() -> list[str]:
    """The secrets that are set in the environment, and must stand in no file."""
    return [value for name in SECRETS.values() if (value := os.environ.get(name))]


def debugging() -> bool:
    """Whether dflow is told to run graphs on this machine, without a server."""
    return os.environ.get("DFLOW_MODE") == "debug"
