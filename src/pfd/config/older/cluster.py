"""Executors of an older input, which submitted tasks by dpdispatcher, as ``resources`` with ``engine: hpc``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pfd.config.older.old_section import OldSection

SCHEDULERS = {
    "slurm": "slurm",
    "slurmjobarray": "slurm",
    "pbs": "pbs",
    "torque": "torque",
    "lsf": "lsf",
    "sge": "sge",
    "bohrium": "bohrium",
    "dpcloudserver": "bohrium",
    "openapi": "bohrium",
    "lebesgue": "bohrium",
}
"""dpdispatcher's batch types, in lower case -> schedulers."""
HOW = "how dpdispatcher did it"


@dataclass(frozen=True)
class OldExecutor:
    """What one executor asks for.

    Attributes:
        cluster: the section ``resources.cluster``.
        step: keys of the step in ``resources``.
    """

    cluster: dict[str, Any]
    step: dict[str, Any]


def translate_executor(config: OldSection, image: str | None, project: int | None) -> OldExecutor | None:
    """The executor of a step's configuration; None if it runs on this machine.

    Args:
        config: such as ``step_configs.run_fp_config``.
        image: the step's container image.
        project: number of the Bohrium project that the whole input names.
    """
    executor = config.section("executor")
    if not executor:
        return None
    if executor.text("type") != "dispatcher":
        executor.refuse("type", "dispatcher is the only kind of executor that is known here")
        return None
    machine, resources = executor.section("machine_dict"), executor.section("resources_dict")
    profile = machine.section("remote_profile")
    executor.ignore(
        HOW, "image_pull_policy", "retry_on_submission_error", "command", "image", "clean", "merge_sliced_step"
    )
    profile.ignore(HOW, "timeout")
    kind = (machine.text("batch_type") or "Slurm").lower()
    if kind == "shell":
        machine.refuse("batch_type", "Shell has no queue; leave the executor out to run on this machine")
        return None
    if kind not in SCHEDULERS:
        machine.refuse("batch_type", f"{kind!r} is none of {', '.join(SCHEDULERS)}")
        return None
    scheduler = SCHEDULERS[kind]
    if scheduler == "bohrium":
        cluster = _bohrium(machine, profile, image, project)
    else:
        cluster = {"scheduler": scheduler} | _reached(executor, machine, profile)
    return OldExecutor(cluster, _step(executor, resources))


def _reached(executor: OldSection, machine: OldSection, profile: OldSection) -> dict[str, Any]:
    """How files get to a cluster."""
    context = (machine.text("context_type") or "").lower()
    host = executor.text("host") or profile.text("hostname", "host")
    folder = executor.text("remote_root") or machine.text("remote_root")
    machine.ignore("the run folder is where files are", "local_root", "clean_asynchronously")
    user = executor.text("username") or profile.text("username")
    port = executor.whole("port") or profile.whole("port") or 22
    key = executor.text("private_key_file") or profile.text("key_filename")
    if "local" in context or (not host and "ssh" not in context):
        return {"context": "shared"}
    if not host or not folder:
        executor.refuse("host" if not host else "remote_root", "missing: files go there by ssh")
    cluster = {"context": "ssh", "host": host, "user": user, "port": port, "key_file": key, "remote_folder": folder}
    return {name: value for name, value in cluster.items() if value is not None and (name, value) != ("port", 22)}


def _bohrium(machine: OldSection, profile: OldSection, image: str | None, project: int | None) -> dict[str, Any]:
    """A machine of Bohrium."""
    data = profile.section("input_data")
    machine.seen("context_type")
    number = profile.whole("program_id", "project_id")
    profile.ignore("the key of access is read from the environment variable BOHRIUM_ACCESS_KEY", "email")
    data.ignore(HOW, "job_type", "platform", "log_file", "job_name", "disk_size")
    image = data.text("image_name", "image_address") or image
    size = data.text("scass_type", "machine_type")
    for value, section, name, what in (
        (image, data, "image_name", "the container's image"),
        (size, data, "scass_type", "the machine"),
        (project or number, profile, "program_id", "the number of the project"),
    ):
        if not value:
            section.refuse(name, f"missing: {what}")
    cluster = {"scheduler": "bohrium", "context": "bohrium", "project": project or number}
    return cluster | {"image": image, "machine_type": size}


def _step(executor: OldSection, resources: OldSection) -> dict[str, Any]:
    """What the jobs of the step ask for."""
    nodes = resources.whole("number_node", least=1) or 1
    cores, gpus = resources.whole("cpu_per_node", least=1), resources.whole("gpu_per_node", least=0)
    before = [f"source {file}" for file in resources.listed(str, "source_list")]
    exports = resources.section("envs")
    before += [f"export {name}={exports.raw(name)}" for name in exports.names()]
    before += [line.strip() for line in resources.listed(str, "prepend_script") if line.strip()]
    resources.ignore(HOW, "para_deg", "strategy", "wait_time", "module_purge", "append_script", "kwargs", "batch_type")
    step = {
        "engine": "hpc",
        "queue": executor.text("queue_name") or resources.text("queue_name"),
        "nodes": nodes if nodes > 1 else None,
        "cores": None if cores is None else cores * nodes,
        "gpus": gpus * nodes if gpus else None,
        "modules": resources.listed(str, "module_list") or None,
        "before": " && ".join(before) or None,
        "tasks_per_job": resources.whole("group_size", least=1),
        "directives": resources.listed(str, "custom_flags") or None,
    }
    return {name: value for name, value in step.items() if value is not None}
