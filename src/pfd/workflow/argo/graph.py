"""The loop as a dflow graph: replay, run a round of tasks in pods, and again; it runs where dflow is installed.

Not by dflow's ``Slices`` of a ``PythonOPTemplate``: its scripts hold dflow's whole configuration, the secret key of the
storage and the server's token among it, and every image would need dflow. Our pods get a shell script of one line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pfd.config.argo import KINDS, ArgoSettings

if TYPE_CHECKING:
    import dflow

IN, OUT = "/tmp/in", "/tmp/out"  # noqa: S108  in a container; dflow's debug mode puts its own folder in its place
PYTHON = "python3 -P -m pfd.workflow.argo.pod"
START = "start"
"""What the first replay comes after."""
KILLED = "lastRetry.status == 'Error' || asInt(lastRetry.exitCode) > 128"
"""When a pod is started again: its node was lost, or a signal ended it. Other failures are the tasks' own."""
TOLD = ("finished", "kind", "round", "slots", "place")
"""What a replay tells the graph."""


class PodSize(NamedTuple):
    """What one pod asks for; memory in GB."""

    cores: int
    memory_GB: float
    gpus: int = 0


@dataclass(frozen=True)
class GraphRequest:
    """All that the graph depends on.

    Attributes:
        name: name of the run.
        settings: section ``argo`` of the input.
        pods: kind -> what one pod asks for.
        start: where the run folder, and the folder that the first replay takes in, lie in the storage.
    """

    name: str
    settings: ArgoSettings
    pods: Mapping[str, PodSize]
    start: tuple[str, str]


def make_workflow(request: GraphRequest, *, reaches_cluster: bool = True) -> dflow.Workflow:
    """The workflow, ready to be submitted or written as YAML.

    Args:
        request: what it is made of.
        reaches_cluster: whether the artifact repository may be looked up in the cluster.
    """
    from argo.workflows.client import V1LocalObjectReference
    from dflow import S3Artifact, Step, Workflow

    settings = request.settings
    loop = _loop(request)
    workflow = Workflow(
        name=workflow_name(request.name),
        host=settings.host,
        namespace=settings.namespace,
        k8s_api_server=settings.k8s_api_server,
        parallelism=settings.parallelism,
        image_pull_secrets=[V1LocalObjectReference(name=name) for name in settings.image_pull_secrets] or None,
        artifact_repo_key=settings.s3.repo_key if reaches_cluster else None,
    )
    run, done = (S3Artifact(key=key) for key in request.start)
    workflow.add(Step("loop", template=loop, parameters={"after": START}, artifacts={"run": run, "done": done}))
    return workflow


def workflow_name(name: str) -> str:
    """A run's name as Kubernetes allows it."""
    kept = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower())
    return f"pfd-{kept}".strip("-")[:50].rstrip("-")


def _loop(request: GraphRequest) -> dflow.Steps:
    """One turn: a replay, the pods of the round that it planned, and the next turn unless it was the last."""
    from dflow import InputArtifact, InputParameter, Inputs, Step, Steps

    loop = Steps(
        "pfd-loop",
        inputs=Inputs(
            parameters={"after": InputParameter()}, artifacts={"run": InputArtifact(), "done": InputArtifact()}
        ),
    )
    loop.add(
        Step(
            "advance",
            template=_advance(request),
            parameters={"after": "{{inputs.parameters.after}}"},
            artifacts={"run": "{{inputs.artifacts.run}}", "done": "{{inputs.artifacts.done}}"},
            key="advance-{{inputs.parameters.after}}",
        )
    )
    for kind in KINDS:
        loop.add(
            Step(
                kind,
                template=_work(request, kind),
                parameters={"slot": "{{item}}", "place": _told("place")},
                artifacts={"tasks": _artifact("tasks") + "/{{item}}.tar", "shared": _artifact("tasks") + "/shared.tar"},
                with_param=_told("slots"),
                when=f"{_told('kind')} == {kind}",
                key=_told("round") + "-{{item}}",
                continue_on_failed=True,
                continue_on_error=True,
            )
        )
    loop.add(
        Step(
            "next",
            template=loop,
            parameters={"after": _told("round")},
            artifacts={"run": _artifact("run"), "done": _artifact("done")},
            when=f"{_told('finished')} == false",
        )
    )
    return loop


def _told(name: str) -> str:
    return f"{{{{steps.advance.outputs.parameters.{name}}}}}"


def _artifact(name: str) -> str:
    return f"{{{{steps.advance.outputs.artifacts.{name}}}}}"


def _advance(request: GraphRequest) -> dflow.ShellOPTemplate:
    """A replay. The key of what comes back is told by the workflow that made it: a reused step's pods write there."""
    from dflow import InputArtifact, InputParameter, Inputs, OutputArtifact, OutputParameter, Outputs, S3Artifact

    place = "{{workflow.name}}/after-{{inputs.parameters.after}}"
    settings = request.settings.advance
    return _pod(
        request,
        "advance",
        PodSize(settings.cores, settings.memory_GB),
        script=f"{PYTHON} advance {IN}/run.tar {IN}/done {OUT} '{place}'",
        inputs=Inputs(
            parameters={"after": InputParameter()},
            artifacts={
                "run": InputArtifact(path=f"{IN}/run.tar", archive=None),
                "done": InputArtifact(path=f"{IN}/done", archive=None),
            },
        ),
        outputs=Outputs(
            parameters={name: OutputParameter(value_from_path=f"{OUT}/{name}") for name in TOLD},
            artifacts={
                "run": OutputArtifact(path=f"{OUT}/run.tar", archive=None),
                "tasks": OutputArtifact(path=f"{OUT}/tasks", archive=None),
                "done": OutputArtifact(path=f"{OUT}/done", archive=None, save=[_came_back(S3Artifact, place)]),
            },
        ),
    )


def _work(request: GraphRequest, kind: str) -> dflow.ShellOPTemplate:
    """Pods of one kind, each with a parcel of tasks; what comes back of all of them lies beside each other."""
    from dflow import InputArtifact, InputParameter, Inputs, OutputArtifact, Outputs, S3Artifact

    pool = request.settings.pod(kind).pool_size
    slot = "{{inputs.parameters.slot}}"
    return _pod(
        request,
        kind,
        request.pods[kind],
        script=f"{PYTHON} work {IN}/tasks.tar {IN}/shared.tar {OUT} '{slot}' {pool}",
        inputs=Inputs(
            parameters={"slot": InputParameter(), "place": InputParameter()},
            artifacts={
                "tasks": InputArtifact(path=f"{IN}/tasks.tar", archive=None),
                "shared": InputArtifact(path=f"{IN}/shared.tar", archive=None),
            },
        ),
        outputs=Outputs(
            artifacts={
                "done": OutputArtifact(
                    path=f"{OUT}/done", archive=None, save=[_came_back(S3Artifact, "{{inputs.parameters.place}}")]
                )
            }
        ),
    )


def _came_back(artifact: Any, place: str) -> Any:
    return artifact(key=f"{place}/done")


def _pod(request: GraphRequest, kind: str, asked: PodSize, **what: Any) -> dflow.ShellOPTemplate:
    from dflow import ShellOPTemplate
    from dflow.client import V1alpha1RetryStrategy

    settings = request.settings
    place = getattr(settings, kind)
    amounts = {"cpu": str(asked.cores), "memory": f"{round(asked.memory_GB * 1000)}M"}
    gpus = {"nvidia.com/gpu": str(asked.gpus)} if asked.gpus else {}
    return ShellOPTemplate(
        name=f"pfd-{kind}",
        labels={"pfd-kind": kind},
        image=settings.image_of(kind),
        node_selector=dict(place.node_selector),
        requests=amounts,
        limits={"memory": amounts["memory"], **gpus},
        retry_strategy=V1alpha1RetryStrategy(limit=settings.pod_retries, expression=KILLED),
        **what,
    )


def request_of(content: Mapping[str, Any]) -> GraphRequest:
    """A request from plain data (see ``plain``)."""
    return GraphRequest(
        name=content["name"],
        settings=ArgoSettings.model_validate(content["settings"]),
        pods={kind: PodSize(*asked) for kind, asked in content["pods"].items()},
        start=(content["start"][0], content["start"][1]),
    )


def plain(request: GraphRequest) -> dict[str, Any]:
    """A request as plain data, for another interpreter."""
    content = {**vars(request), "settings": request.settings.model_dump(mode="json")}
    plain_content: dict[str, Any] = json.loads(json.dumps(content))
    return plain_content
