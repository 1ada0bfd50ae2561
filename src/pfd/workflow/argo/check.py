"""Whether an Argo workflow can work at all, told without a server: every name in it leads to something."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pfd.errors import RunError
from pfd.workflow.argo.recursion import endless
from pfd.workflow.argo.references import Reference, one_reference, references_in, references_of_expression

Tree = dict[str, Any]
WORKFLOW_WIDE = {"name", "namespace", "uid", "serviceAccountName", "status", "creationTimestamp", "priority"}
LOOPS = ("withParam", "withItems", "withSequence")
BODIES = ("steps", "dag", "script", "container", "resource", "http", "suspend", "data", "plugin", "containerSet")


def require_whole(content: Tree, secrets: Collection[str] = ()) -> None:
    """Refuse a workflow that cannot work, or that holds a secret.

    Args:
        content: the workflow as plain data.
        secrets: values that must not stand in it.

    Raises:
        RunError: with one line per defect.
    """
    found = defects(content)
    text = str(content)
    found += ["a secret stands in it" for secret in secrets if secret and secret in text]
    if found:
        raise RunError("\n  ".join([f"the compiled workflow has {len(found)} defects", *found]), hint="report this")


def defects(content: Tree) -> list[str]:
    """One line for each defect of a workflow; none if it is sound."""
    spec = content.get("spec") or {}
    templates: dict[str, Tree] = {}
    found = []
    for template in spec.get("templates") or []:
        if template.get("name") in templates:
            found.append(f"two templates are called {template['name']!r}")
        templates[template.get("name")] = template
    if spec.get("entrypoint") not in templates:
        found.append(f"the entry point {spec.get('entrypoint')!r} is no template")
    globals_ = _named((spec.get("arguments") or {}).get("parameters"))
    for name, template in templates.items():
        found += [f"template {name}: {line}" for line in _Template(template, templates, globals_).defects()]
    if spec.get("entrypoint") in templates:
        needs = _needed(templates[spec["entrypoint"]], globals_)
        found += [f"the entry point is not given its {kind[:-1]} {name!r}" for kind, name in needs]
    return found + endless(templates)


def calls_of(template: Tree) -> list[list[Tree]]:
    """The steps of a template in groups that run one after the other, or the tasks of its DAG as one group."""
    if template.get("dag"):
        return [template["dag"].get("tasks") or []]
    return [group if isinstance(group, list) else [group] for group in template.get("steps") or []]


class _Template:
    """One template among all of a workflow."""

    def __init__(self, template: Tree, templates: Mapping[str, Tree], globals_: Mapping[str, Tree]) -> None:
        self.template, self.templates, self.globals = template, templates, globals_
        inputs = template.get("inputs") or {}
        self.inputs = {kind: _named(inputs.get(kind)) for kind in ("parameters", "artifacts")}
        self.calls = {call["name"]: call for group in calls_of(template) for call in group}

    def defects(self) -> Iterator[str]:
        bodies = [body for body in BODIES if self.template.get(body) is not None]
        if len(bodies) != 1:
            yield f"it has {len(bodies)} of steps, dag, script and container ({', '.join(bodies)})"
        yield from self._images()
        yield from self._outputs()
        seen: set[str] = set()
        for group in calls_of(self.template):
            before = set(self.calls) if self.template.get("dag") else set(seen)
            for call in group:
                if call["name"] in seen:
                    yield f"two steps are called {call['name']!r}"
                seen.add(call["name"])
                yield from (f"step {call['name']}: {line}" for line in self._call(call, before - {call["name"]}))
        body = {key: value for key, value in self.template.items() if key not in {"steps", "dag", "outputs"}}
        yield from self._unresolved(references_in(body), set(), item=False)

    def _images(self) -> Iterator[str]:
        pods: list[tuple[str, Tree | None]] = [
            ("", self.template[body]) for body in ("script", "container") if body in self.template
        ]
        for extra in ("initContainers", "sidecars"):
            pods += [(f"{extra} {each.get('name')}: ", each) for each in self.template.get(extra) or []]
        for where, pod in pods:
            if not (pod or {}).get("image"):
                yield f"{where}no image"
        script = self.template.get("script")
        if script is not None and not (script.get("command") and script.get("source")):
            yield "its script has no command, or no source"

    def _outputs(self) -> Iterator[str]:
        outputs = self.template.get("outputs") or {}
        for name, parameter in _named(outputs.get("parameters")).items():
            source = parameter.get("valueFrom") or {}
            if not (source.get("path") or source.get("parameter") or source.get("expression") or "value" in parameter):
                yield f"output parameter {name!r} comes from nowhere"
            expression = source.get("expression")
            yield from self._unresolved(
                [*references_in(parameter), *(references_of_expression(expression) if expression else ())],
                set(self.calls),
                item=False,
            )
        for name, artifact in _named(outputs.get("artifacts")).items():
            if not (artifact.get("path") or artifact.get("from") or artifact.get("fromExpression")):
                yield f"output artifact {name!r} comes from nowhere"
            yield from self._from(artifact)
            expression = artifact.get("fromExpression")
            found = [*references_in(artifact), *(references_of_expression(expression) if expression else ())]
            yield from self._unresolved(found, set(self.calls), item=False)

    def _call(self, call: Tree, before: set[str]) -> Iterator[str]:
        item = any(call.get(loop) is not None for loop in LOOPS)
        called = self.templates.get(call.get("template", ""))
        if called is None:
            yield f"there is no template {call.get('template')!r}"
        else:
            yield from _arguments(call, called)
        for artifact in (call.get("arguments") or {}).get("artifacts") or []:
            yield from self._from(artifact)
        for needed in call.get("dependencies") or []:
            if needed not in self.calls:
                yield f"it waits for {needed!r}, which is no task here"
        looped = {key: value for key, value in call.items() if key not in LOOPS}
        yield from self._unresolved(references_in(looped), before, item)
        yield from self._unresolved(references_in({loop: call.get(loop) for loop in LOOPS}), before, item=False)

    @staticmethod
    def _from(artifact: Tree) -> Iterator[str]:
        text = artifact.get("from")
        reference = one_reference(text)
        if text is not None and (reference is None or reference.kind != "artifacts"):
            yield f"artifact {artifact.get('name')!r} comes from {text!r}, which is no artifact"

    def _unresolved(self, found: Any, before: set[str], item: bool) -> Iterator[str]:
        for reference in dict.fromkeys(found):
            if (why := self._why_not(reference, before, item)) is not None:
                yield f"{reference.text}: {why}"

    def _why_not(self, reference: Reference, before: set[str], item: bool) -> str | None:
        """Why a reference leads nowhere; None if it leads somewhere."""
        if reference.owner == "inputs":
            there = reference.name in self.inputs.get(reference.kind, {})
            return None if there else f"there is no such input; {self._known_inputs()}"
        if reference.owner in {"steps", "tasks"}:
            return self._why_no_output(reference, before)
        if reference.owner == "item":
            return None if item else "the step is not repeated over items"
        there = _known_everywhere(reference.parts, self.globals)
        return None if there else "neither the workflow nor the pod has such a thing"

    def _known_inputs(self) -> str:
        names = [name for kind in self.inputs.values() for name in kind]
        return f"there are {', '.join(names)}" if names else "there are none"

    def _why_no_output(self, reference: Reference, before: set[str]) -> str | None:
        step = reference.parts[1] if len(reference.parts) > 1 else ""
        if step not in self.calls:
            return f"there is no step {step!r} in this template"
        if step not in before:
            return f"step {step!r} has not run by then"
        if not reference.names_output():
            return None if reference.parts[2:] in {("status",), ("id",), ("exitCode",)} else "a step has no such thing"
        called: Tree = self.templates.get(self.calls[step].get("template", ""), {})
        there = _named((called.get("outputs") or {}).get(reference.kind))
        return None if reference.name in there else f"step {step!r} gives no such {reference.kind[:-1] or 'thing'}"


def _arguments(call: Tree, called: Tree) -> Iterator[str]:
    """What a call gives to its template and that does not know of, and the other way round."""
    given = {kind: _named((call.get("arguments") or {}).get(kind)) for kind in ("parameters", "artifacts")}
    for kind, arguments in given.items():
        declared = _named((called.get("inputs") or {}).get(kind))
        yield from (f"its template has no input {kind[:-1]} {name!r}" for name in arguments if name not in declared)
    for kind, name in _needed(called, {}):
        passed = given[kind].get(name)
        if passed is None or not (_has_value(passed) if kind == "parameters" else _has_source(passed)):
            yield f"its template's input {kind[:-1]} {name!r} is not given"


def _known_everywhere(parts: tuple[str, ...], globals_: Mapping[str, Tree]) -> bool:
    """Whether something is known in every template."""
    if parts[0] == "workflow":
        return (len(parts) == 2 and parts[1] in WORKFLOW_WIDE) or (
            len(parts) == 3 and parts[1] == "parameters" and parts[2] in globals_
        )
    return parts in {("pod", "name"), ("node", "name"), ("retries",)}


def _needed(template: Tree, given: Collection[str]) -> Iterator[tuple[str, str]]:
    """The inputs that a template must be given: kind and name."""
    inputs = template.get("inputs") or {}
    for name, parameter in _named(inputs.get("parameters")).items():
        if not _has_value(parameter) and "default" not in parameter and name not in given:
            yield "parameters", name
    for name, artifact in _named(inputs.get("artifacts")).items():
        if not _has_source(artifact) and not artifact.get("optional"):
            yield "artifacts", name


def _has_value(parameter: Tree) -> bool:
    return parameter.get("value") is not None or bool(parameter.get("valueFrom"))


def _has_source(artifact: Tree) -> bool:
    for kind in ("from", "fromExpression", "raw", "http", "git"):
        if artifact.get(kind):
            return True
    return any((artifact.get(storage) or {}).get("key") for storage in ("s3", "oss", "gcs", "azure", "hdfs"))


def _named(entries: list[Tree] | None) -> dict[str, Tree]:
    return {entry["name"]: entry for entry in entries or []}
