"""``python -m pfd.workflow.argo.server``: what needs dflow, in an interpreter that has it; JSON in, JSON out.

With ``DFLOW_MODE=debug`` dflow itself runs the graph, here and in processes, in the folder ``argo`` of the run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.config.argo import ArgoSettings, debugging, secrets_set
from pfd.errors import PFDError, RunError, TransientError, error_content
from pfd.workflow.argo.check import require_whole
from pfd.workflow.argo.graph import make_workflow, request_of

if TYPE_CHECKING:
    import dflow

BOHRIUM_SERVER, BOHRIUM_STORAGE = "https://workflows.deepmodeling.com", "oss-bohrium"
Tree = dict[str, Any]


def configure(settings: ArgoSettings, folder: Path) -> None:
    """Tell dflow where everything is; it reads the secrets from the environment itself."""
    import dflow

    dflow.config.update(host=settings.host, namespace=settings.namespace, k8s_api_server=settings.k8s_api_server)
    dflow.config["debug_workdir"] = str(folder)
    s3 = settings.s3
    dflow.s3_config.update(endpoint=s3.endpoint, bucket_name=s3.bucket, secure=s3.secure, prefix=s3.prefix)
    if settings.bohrium is not None:
        from dflow.plugins import bohrium

        bohrium.config.update(username=settings.bohrium.username, project_id=settings.bohrium.project_id)
        dflow.config.update(host=BOHRIUM_SERVER, k8s_api_server=BOHRIUM_SERVER)
        dflow.s3_config.update(repo_key=BOHRIUM_STORAGE, storage_client=bohrium.TiefblueClient())


def compile_graph(given: Tree) -> Tree:
    """The workflow as plain data, checked; nothing is reached over a network.

    Raises:
        RunError: if it cannot work.
    """
    import dflow

    with _no_storage():
        request = request_of(given["request"])
        content: Tree = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
        content |= make_workflow(request, reaches_cluster=False).to_dict()
    content["metadata"]["namespace"] = request.settings.namespace
    content = json.loads(json.dumps(content))
    require_whole(content, [*secrets_set(), dflow.s3_config["secret_key"]])
    return {"workflow": content}


@contextmanager
def _no_storage() -> Iterator[None]:
    """A storage that nothing can be put into: a compiled graph only names what lies there."""
    import dflow
    from dflow.utils import StorageClient

    class Nowhere(StorageClient):  # type: ignore[misc]  # dflow has no types
        def upload(self, key: str, path: str) -> None:
            raise AssertionError(key)

        def download(self, key: str, path: str) -> None:
            raise AssertionError(key)

        def list(self, prefix: str, recursive: bool = False) -> list[str]:
            raise AssertionError(prefix)

        def copy(self, src: str, dst: str) -> None:
            raise AssertionError(src)

        def get_md5(self, key: str) -> str:
            raise AssertionError(key)

        def to_dict(self) -> Tree:
            return {}

    before = dict(dflow.s3_config)
    dflow.s3_config["storage_client"] = Nowhere()
    try:
        yield
    finally:
        dflow.s3_config.update(before)


def submit(given: Tree) -> Tree:
    """Upload what the graph starts from, and submit it.

    Args:
        given: ``request``; ``start``, the folder with ``run.tar`` and ``done``; ``reuse``, a workflow whose steps are
            used again, and ``until``, the key of the first step that is not.
    """
    from dflow.utils import upload_s3

    request = request_of(given["request"])
    start = Path(given["start"])
    if not debugging():
        compile_graph(given)
    keys = [
        upload_s3(path=str(start / name), key=None if debugging() else key)
        for name, key in zip(("run.tar", "done"), request.start, strict=True)
    ]
    content = {**given["request"], "start": keys}
    workflow = make_workflow(request_of(content))
    reuse = _steps_to_reuse(given, request.settings) if given.get("reuse") else None
    workflow.submit(reuse_step=reuse)
    phase = workflow.query_status() if debugging() else "Submitted"
    return {"workflow": workflow.id, "reused": len(reuse or ()), "phase": phase}


def _steps_to_reuse(given: Tree, settings: ArgoSettings) -> list[Any]:
    """The finished steps with keys of an earlier workflow, up to the one that is to be done again."""
    found = sorted(_steps(_existing(given["reuse"], settings)), key=lambda step: str(step.startedAt))
    if given.get("until"):
        keys = [step.key for step in found]
        if given["until"] not in keys:
            raise RunError(f"no step has the key {given['until']!r}", hint=f"there are {', '.join(keys)}")
        found = found[: keys.index(given["until"])]
    return [step for step in found if step.phase == "Succeeded"]


def status(given: Tree) -> Tree:
    """Phase of the workflow, and of each step with a key, oldest first."""
    workflow = _existing(given["workflow"], ArgoSettings.model_validate(given["settings"]))
    steps = sorted(_steps(workflow), key=lambda step: str(step.startedAt))
    return {"phase": workflow.query_status(), "steps": [{"key": step.key, "phase": step.phase} for step in steps]}


def stop(given: Tree) -> Tree:
    """Have the server end all pods of the workflow; steps that have succeeded can be used again."""
    _existing(given["workflow"], ArgoSettings.model_validate(given["settings"])).terminate()
    return {"workflow": given["workflow"]}


def download(given: Tree) -> Tree:
    """Download the run folder that the last replay wrote, however it ended.

    Raises:
        RunError: if none has written one yet.
    """
    from dflow.utils import download_artifact

    workflow = _existing(given["workflow"], ArgoSettings.model_validate(given["settings"]))
    replays = [step for step in _steps(workflow) if step.key.startswith("advance-") and "run" in step.outputs.artifacts]
    if not replays:
        hint = f"pfd status tells how far it is; the workflow is {workflow.query_status()}"
        raise RunError("no replay has ended yet", where=workflow.id, hint=hint)
    last = max(replays, key=lambda step: str(step.startedAt))
    download_artifact(last.outputs.artifacts["run"], path=given["to"])
    return {"after": last.key, "phase": workflow.query_status()}


def _existing(name: str, settings: ArgoSettings) -> dflow.Workflow:
    from dflow import Workflow

    return Workflow(id=name, host=settings.host, namespace=settings.namespace, k8s_api_server=settings.k8s_api_server)


def _steps(workflow: dflow.Workflow) -> list[Any]:
    """The pods with keys."""
    return [step for step in workflow.query_step(type="Pod") if step.key]


ACTIONS = {"compile": compile_graph, "submit": submit, "status": status, "stop": stop, "download": download}


def main(action: str, given: Tree) -> Tree:
    """Do one thing.

    Returns:
        What it returned, or ``error``.
    """
    import urllib3
    from argo.workflows.client.exceptions import OpenApiException
    from minio.error import MinioException

    settings = ArgoSettings.model_validate(given.get("settings") or given["request"]["settings"])
    configure(settings, Path(given.get("folder") or ".").resolve())
    try:
        return ACTIONS[action](given)
    except PFDError as error:
        return {"error": error_content(error)}
    except (urllib3.exceptions.HTTPError, OpenApiException, MinioException, OSError, KeyError) as error:
        return {"error": error_content(_unreached(error, settings))}


def _unreached(error: BaseException, settings: ArgoSettings) -> TransientError:
    """What a user is told of a server that does not answer, or says no, without any secret."""
    words = " ".join(str(error).split())
    for secret in secrets_set():
        words = words.replace(secret, "***")
    pool = getattr(error, "pool", None)  # urllib3 tells where it got no answer from
    what = f"no answer from {pool.host}:{pool.port}" if pool is not None else f"{type(error).__name__}: {words[:300]}"
    return TransientError(
        what,
        where=f"argo.host {settings.host}, argo.s3.endpoint {settings.s3.endpoint}",
        hint="see that both answer (kubectl port-forward), and that DFLOW_TOKEN and the keys of the storage are right",
    )


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        answer = main(sys.argv[1], json.load(sys.stdin))
    print(json.dumps(answer))
