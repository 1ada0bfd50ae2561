"""Templates of an Argo workflow that call themselves, and whether the condition on it can ever say no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pfd.workflow.argo.references import Reference, one_reference, references_in

Tree = dict[str, Any]


def endless(templates: Mapping[str, Tree]) -> list[str]:
    """One line for each template that calls itself, directly or through others, without a condition that can end it."""
    unconditional = {
        name: {call.get("template") for call in _calls(template) if not _can_end(call)}
        for name, template in templates.items()
    }
    return [
        f"template {name}: it calls itself, and no condition on the way can end that"
        for name in templates
        if name in _reached(name, unconditional)
    ]


def _calls(template: Tree) -> Iterator[Tree]:
    for group in template.get("steps") or []:
        yield from group if isinstance(group, list) else [group]
    yield from (template.get("dag") or {}).get("tasks") or []


def _reached(start: str, calls: Mapping[str, set[Any]]) -> set[str]:
    """Templates that are called from one, itself only if it is called."""
    reached: set[str] = set()
    ahead = list(calls[start])
    while ahead:
        name = ahead.pop()
        if name in calls and name not in reached:
            reached.add(name)
            ahead += calls[name]
    return reached


def _can_end(call: Tree) -> bool:
    """Whether the condition of a call depends on something that changes from one turn to the next."""
    when = call.get("when")
    return isinstance(when, str) and any(_changes(reference, call) for reference in references_in(when))


def _changes(reference: Reference, call: Tree) -> bool:
    if reference.names_output():
        return True
    if reference.owner != "inputs" or reference.kind != "parameters":
        return False
    for argument in (call.get("arguments") or {}).get("parameters") or []:
        passed = one_reference(argument.get("value"))
        if argument.get("name") == reference.name:
            return passed is None or passed.parts != reference.parts
    return False
