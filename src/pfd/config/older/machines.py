"""Where the steps of an older input run: ``resources`` of each step, and the section ``argo`` for Kubernetes."""

from __future__ import annotations

from typing import Any

from pfd.config.older.cluster import OldExecutor, translate_executor
from pfd.config.older.old_section import OldSection

STEPS = {"run_fp": "label", "run_train": "train", "run_explore": "explore", "select_confs": "select"}
"""Steps of the older tool -> today's, the dearest first: there is one cluster, and the first step says which."""
GOES_ON = "what failed is told in the report, and the rest goes on as far as it can"
EVALUATION = ("evaluate", "run_evaluate")
DRIVEN = ("prep_train", "prep_explore", "prep_fp", "collect_data", *EVALUATION)
"""Steps that are the driver's own work here, or that of another one."""


def translate_machines(whole: OldSection, *, distils: bool) -> dict[str, Any]:
    """The sections ``resources`` and ``argo``, as far as there is something to say.

    Args:
        whole: the older input.
        distils: whether it is a distillation, whose labels are predictions.
    """
    configs = _configs(whole, distils=distils)
    argo = _argo(whole)
    project = argo.get("bohrium", {}).get("project_id")
    resources: dict[str, Any] = {}
    retries = []
    for step, config in configs.items():
        template, sliced = config.section("template_config"), config.section("template_slice_config")
        image = template.text("image")
        keys, cluster = _where(config, translate_executor(config, image, project), resources.get("cluster"), step)
        group, pool = sliced.whole("group_size", least=1), sliced.whole("pool_size", least=1)
        if image:
            argo.setdefault(step, {})["image"] = image
        if group and (cluster or argo):
            argo_pool = {"group_size": group} | ({"pool_size": pool} if pool and 1 < pool <= group else {})
            argo.setdefault(step, {}).update(argo_pool if argo and group > 1 else {})
        if cluster:
            resources["cluster"] = cluster
            keys |= {"tasks_per_job": group} if group and group > 1 else {}
            sliced.ignore("the tasks of a job run one after the other", *(["pool_size"] if pool and pool > 1 else []))
            sliced.seen("pool_size")
            keys |= {"max_jobs": jobs} if (jobs := config.whole("parallelism", least=1)) else {}
        else:
            config.ignore("as many tasks run at once as the cores and the memory allow", "parallelism")
            idle = [name for name, value in (("group_size", group), ("pool_size", pool)) if value and value > 1]
            sliced.ignore("on this machine tasks start one by one", *(idle if not argo else []))
        if step != "label":
            config.ignore(GOES_ON, "continue_on_failed", "continue_on_num_success", "continue_on_success_ratio")
        if timeout := template.positive("timeout"):
            keys["walltime"] = timeout
        retries.append(template.whole("retry_on_transient_error", least=0))
        if keys:
            resources[step] = keys
    if known := [each for each in retries if each is not None]:
        resources["max_attempts"] = max(known) + 1
        whole.say("resources.max_attempts", "retry_on_transient_error, and the first attempt")
    _devices(whole, resources)
    argo = {key: value for key, value in argo.items() if value != {}}
    return {name: content for name, content in (("resources", resources), ("argo", argo)) if content}


def _configs(whole: OldSection, *, distils: bool) -> dict[str, OldSection]:
    """The configuration of each step of today's; steps without one of their own have the default one."""
    steps, default = whole.section("step_configs"), whole.section("default_step_config")
    for name in DRIVEN:
        if (name not in EVALUATION or distils) and steps.given(f"{name}_config"):
            section = steps.section(f"{name}_config")
            section.seen(*section.names())
            section.record.ignored.append(f"{section.key}: the step is the driver's own work here, or another's")
    configs = {}
    for name, step in STEPS.items():
        today = "predict" if distils and step == "label" else step
        configs[today] = steps.section(f"{name}_config") if steps.given(f"{name}_config") else default
    if not distils:
        own = next((f"{name}_config" for name in EVALUATION if steps.given(f"{name}_config")), None)
        configs["predict"] = steps.section(own) if own else default
    if not any(config is default for config in configs.values()):
        default.ignore("each step has a configuration of its own", *default.names())
    return configs


def _where(
    config: OldSection, found: OldExecutor | None, cluster: dict[str, Any] | None, step: str
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Keys of a step in ``resources``, and the cluster if it runs there."""
    if found is None:
        return {}, None
    if cluster is not None and cluster != found.cluster:
        differing = ", ".join(name for name in found.cluster if found.cluster.get(name) != (cluster or {}).get(name))
        why = f"resources.cluster is one, and this step's has another {differing}; {step} runs on this machine"
        config.record.ignored.append(f"{config.named('executor')}: {why}")
        return {}, None
    return dict(found.step), found.cluster


def _argo(whole: OldSection) -> dict[str, Any]:
    """The section for Kubernetes, from what dflow was told."""
    server, storage, bohrium = (whole.section(f"{name}_config") for name in ("dflow", "dflow_s3", "bohrium"))
    default = whole.section("default_step_config").section("template_config")
    argo: dict[str, Any] = {}
    for name in ("host", "namespace", "k8s_api_server"):
        if value := server.text(name):
            argo[name] = value
    s3: dict[str, Any] = {name: value for name in ("endpoint", "prefix", "repo_key") if (value := storage.text(name))}
    s3 |= {"bucket": bucket} if (bucket := storage.text("bucket_name")) else {}
    s3 |= {"secure": True} if storage.flag("secure") else {}
    server.ignore("a detail of dflow that pfd sets itself", *server.names_unread())
    storage.ignore("a detail of dflow that pfd sets itself", *storage.names_unread())
    if bohrium:
        user, project = bohrium.text("username"), bohrium.whole("project_id", least=1)
        for name, missing in (("username", user is None), ("project_id", project is None)):
            if missing:
                bohrium.refuse(name, "missing: Bohrium needs it")
        argo["bohrium"] = {"username": user, "project_id": project}
        s3 |= {"repo_key": key} if (key := bohrium.text("repo_key")) else {}
        argo |= {"host": host} if (host := bohrium.text("host")) else {}
        argo |= {"k8s_api_server": address} if (address := bohrium.text("k8s_api_server")) else {}
        bohrium.ignore("pfd chooses it", "storage_client")
    argo |= {"s3": s3} if s3 else {}
    if limit := whole.whole("parallelism", least=1):
        if argo:
            argo["parallelism"] = limit
        else:
            whole.ignore("as many tasks run at once as the cores and the memory allow", "parallelism")
    whole.ignore("pfd is in the image, or copied to the cluster", "upload_python_packages", "upload_python_package")
    if image := default.text("image"):
        argo["image"] = image
    if argo:
        whole.say("argo", "dflow_config, dflow_s3_config, bohrium_config and images; used by pfd submit --engine argo")
    return argo


def _devices(whole: OldSection, resources: dict[str, Any]) -> None:
    """Devices that models were told to run on."""
    explores = whole.section("exploration", "explore").section("config")
    labels = whole.section("fp").section("run_config").section("model_args")
    for step, section in (("explore", explores), ("predict", labels), ("predict", whole.section("evaluate"))):
        if (device := section.text("device")) is None:
            continue
        kind = device.partition(":")[0]
        if kind in {"cpu", "cuda"}:
            resources.setdefault(step, {})["device"] = kind
        else:
            section.refuse("device", f"{device!r} is neither cpu nor cuda")
