"""The checker of compiled workflows: a sound one passes, and a defect of each kind that is put into it is found."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pfd.errors import RunError
from pfd.workflow.argo.check import defects, require_whole
from pfd.workflow.argo.references import one_reference, references_in, references_of_expression

COMPILED = Path(__file__).with_name("workflow.yaml")
WHOLE = yaml.safe_load(COMPILED.read_text(encoding="utf-8"))


@pytest.fixture
def workflow():
    return copy.deepcopy(WHOLE)


def template(workflow, name):
    return next(each for each in workflow["spec"]["templates"] if each["name"] == name)


def step(workflow, name, of="pfd-loop"):
    return next(call for group in template(workflow, of)["steps"] for call in group if call["name"] == name)


def argument(workflow, called, kind, name, of="pfd-loop"):
    return next(each for each in step(workflow, called, of)["arguments"][kind] if each["name"] == name)


def entry(workflow, of, side, kind, name):
    return next(each for each in template(workflow, of)[side][kind] if each["name"] == name)


def drop(entries, name):
    entries[:] = [each for each in entries if each["name"] != name]


def test_the_compiled_workflow_is_sound(workflow):
    assert defects(workflow) == []
    require_whole(workflow)


SEEDED = {
    "entry point": (lambda w: w["spec"].update(entrypoint="elsewhere"), "the entry point 'elsewhere' is no template"),
    "no entry point": (lambda w: w["spec"].pop("entrypoint"), "the entry point None"),
    "entry point without its input": (
        lambda w: template(w, "pfd-mini-steps")["inputs"].update(parameters=[{"name": "seed"}]),
        "the entry point is not given its parameter 'seed'",
    ),
    "template twice": (
        lambda w: w["spec"]["templates"].append(copy.deepcopy(template(w, "pfd-train"))),
        "two templates are called 'pfd-train'",
    ),
    "template reference": (lambda w: step(w, "train").update(template="pfd-trian"), "no template 'pfd-trian'"),
    "recursive reference": (lambda w: step(w, "next").update(template="loop"), "no template 'loop'"),
    "image missing": (lambda w: template(w, "pfd-label")["script"].pop("image"), "template pfd-label: no image"),
    "image empty": (lambda w: template(w, "pfd-label")["script"].update(image=""), "template pfd-label: no image"),
    "image of a sidecar": (
        lambda w: template(w, "pfd-label").update(sidecars=[{"name": "log"}]),
        "sidecars log: no image",
    ),
    "no source": (lambda w: template(w, "pfd-label")["script"].update(source=""), "no command, or no source"),
    "no body": (lambda w: template(w, "pfd-label").pop("script"), "it has 0 of steps, dag, script"),
    "two bodies": (
        lambda w: template(w, "pfd-label").update(container={"image": "x"}),
        "it has 2 of steps, dag, script",
    ),
    "parameter of a step that is not": (
        lambda w: argument(w, "next", "parameters", "after").update(value="{{steps.advnace.outputs.parameters.round}}"),
        "there is no step 'advnace'",
    ),
    "output parameter that is not": (
        lambda w: step(w, "train").update(when="{{steps.advance.outputs.parameters.sort}} == train"),
        "step 'advance' gives no such parameter",
    ),
    "output parameter removed": (
        lambda w: drop(template(w, "pfd-advance")["outputs"]["parameters"], "slots"),
        "{{steps.advance.outputs.parameters.slots}}: step 'advance' gives no such parameter",
    ),
    "output artifact removed": (
        lambda w: drop(template(w, "pfd-advance")["outputs"]["artifacts"], "tasks"),
        "step 'advance' gives no such artifact",
    ),
    "artifact from a parameter": (
        lambda w: argument(w, "next", "artifacts", "run").update(
            {"from": "{{steps.advance.outputs.parameters.round}}"}
        ),
        "which is no artifact",
    ),
    "artifact from words": (
        lambda w: argument(w, "next", "artifacts", "run").update({"from": "the last step"}),
        "comes from 'the last step', which is no artifact",
    ),
    "a step that has not run yet": (
        lambda w: argument(w, "advance", "artifacts", "run").update(
            {"from": "{{steps.explore.outputs.artifacts.done}}"}
        ),
        "step 'explore' has not run by then",
    ),
    "itself": (
        lambda w: argument(w, "train", "parameters", "slot").update(value="{{steps.train.outputs.parameters.slot}}"),
        "step 'train' has not run by then",
    ),
    "input parameter that is not": (
        lambda w: argument(w, "advance", "parameters", "after").update(value="{{inputs.parameters.before}}"),
        "{{inputs.parameters.before}}: there is no such input; there are after, run, done",
    ),
    "input artifact that is not": (
        lambda w: argument(w, "advance", "artifacts", "done").update({"from": "{{inputs.artifacts.gone}}"}),
        "{{inputs.artifacts.gone}}: there is no such input",
    ),
    "input in a script": (
        lambda w: template(w, "pfd-label")["script"].update(source="work '{{inputs.parameters.sloth}}'"),
        "template pfd-label: {{inputs.parameters.sloth}}",
    ),
    "input in a key": (
        lambda w: entry(w, "pfd-label", "outputs", "artifacts", "done")["s3"].update(
            key="{{inputs.parameters.nowhere}}"
        ),
        "template pfd-label: {{inputs.parameters.nowhere}}",
    ),
    "item without a loop": (lambda w: step(w, "train").pop("withParam"), "the step is not repeated over items"),
    "workflow without such a parameter": (
        lambda w: template(w, "pfd-label")["script"].update(source="{{workflow.parameters.x}}"),
        "neither the workflow nor the pod has such a thing",
    ),
    "unknown owner": (
        lambda w: template(w, "pfd-label")["script"].update(source="{{secrets.key}}"),
        "{{secrets.key}}",
    ),
    "argument that is not declared": (
        lambda w: step(w, "train")["arguments"]["parameters"].append({"name": "gpu", "value": "1"}),
        "its template has no input parameter 'gpu'",
    ),
    "artifact that is not declared": (
        lambda w: drop(template(w, "pfd-train")["inputs"]["artifacts"], "shared"),
        "its template has no input artifact 'shared'",
    ),
    "parameter not given": (
        lambda w: drop(step(w, "train")["arguments"]["parameters"], "place"),
        "its template's input parameter 'place' is not given",
    ),
    "parameter given nothing": (
        lambda w: argument(w, "train", "parameters", "place").pop("value"),
        "its template's input parameter 'place' is not given",
    ),
    "artifact not given": (
        lambda w: drop(step(w, "next")["arguments"]["artifacts"], "run"),
        "its template's input artifact 'run' is not given",
    ),
    "artifact without a source": (
        lambda w: argument(w, "loop", "artifacts", "run", "pfd-mini-steps").pop("s3"),
        "its template's input artifact 'run' is not given",
    ),
    "output parameter from nowhere": (
        lambda w: entry(w, "pfd-advance", "outputs", "parameters", "kind").pop("valueFrom"),
        "output parameter 'kind' comes from nowhere",
    ),
    "output artifact from nowhere": (
        lambda w: entry(w, "pfd-advance", "outputs", "artifacts", "tasks").pop("path"),
        "output artifact 'tasks' comes from nowhere",
    ),
    "step twice": (lambda w: step(w, "train").update(name="label"), "two steps are called 'label'"),
    "no condition": (lambda w: step(w, "next").pop("when"), "no condition on the way can end that"),
    "constant condition": (
        lambda w: step(w, "next").update(when="true == true"),
        "no condition on the way can end that",
    ),
    "condition on what is passed on": (
        lambda w: (
            step(w, "next").update(when="{{inputs.parameters.after}} != end"),
            argument(w, "next", "parameters", "after").update(value="{{inputs.parameters.after}}"),
        ),
        "no condition on the way can end that",
    ),
    "endless through another": (
        lambda w: (
            step(w, "next").update(template="pfd-mini-steps", arguments={"parameters": [], "artifacts": []}),
            step(w, "next").pop("when"),
        ),
        "template pfd-mini-steps: it calls itself",
    ),
}


@pytest.mark.parametrize("defect", SEEDED)
def test_a_seeded_defect_is_found(workflow, defect):
    seed, words = SEEDED[defect]
    seed(workflow)
    found = defects(workflow)
    assert any(words in line for line in found), found


def test_a_condition_on_what_changes_is_one(workflow):
    step(workflow, "next")["when"] = "{{inputs.parameters.after}} != end"
    assert defects(workflow) == []


def test_a_dag_is_read_too(workflow):
    template(workflow, "pfd-mini-steps").pop("steps")
    calls = [
        {"name": "a", "template": "pfd-a"},
        {"name": "b", "template": "pfd-b", "dependencies": ["a", "c"], "arguments": {"parameters": [{"name": "x"}]}},
    ]
    calls[1]["arguments"]["parameters"][0]["value"] = "{{=tasks['a'].outputs.parameters['y']}}"
    template(workflow, "pfd-mini-steps")["dag"] = {"tasks": calls}
    workflow["spec"]["templates"] += [
        {"name": "pfd-a", "container": {"image": "x"}},
        {"name": "pfd-b", "container": {"image": "x"}, "inputs": {"parameters": [{"name": "x"}]}},
    ]
    found = "\n".join(defects(workflow))
    assert "step b: it waits for 'c', which is no task here" in found
    assert "step b: tasks['a'].outputs.parameters['y']: step 'a' gives no such parameter" in found


def _places(content, path=()):
    """Every reference that stands alone or in a longer text: where it is."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        if isinstance(value, str) and "{{" in value:
            yield (*path, key)
        yield from _places(value, (*path, key))


PLACES = list(_places(WHOLE))


@given(place=st.sampled_from(PLACES), letter=st.sampled_from("qxz"), data=st.data())
def test_a_letter_put_into_any_reference_is_found(place, letter, data):
    """Misspell one word of one reference, anywhere."""
    workflow = copy.deepcopy(WHOLE)
    holder = workflow
    for key in place[:-1]:
        holder = holder[key]
    text = holder[place[-1]]
    start = text.index("{{") + 2
    at = data.draw(st.integers(start, text.index("}}", start)))
    holder[place[-1]] = text[:at] + letter + text[at:]
    assert defects(workflow)


@given(data=st.data())
def test_a_declared_input_or_output_that_is_removed_is_found(data):
    workflow = copy.deepcopy(WHOLE)
    lists = [
        each[side][kind]
        for each in workflow["spec"]["templates"]
        for side in ("inputs", "outputs")
        for kind in ("parameters", "artifacts")
        if each[side][kind]
    ]
    chosen = data.draw(st.sampled_from(lists))
    gone = chosen.pop(data.draw(st.integers(0, len(chosen) - 1)))
    wanted = gone["name"] == "done" and "path" in gone and gone["path"].startswith("/tmp/out")
    assert defects(workflow) or wanted  # what comes back of pods is read from the storage, by the next replay


def test_a_secret_is_refused_and_not_repeated(workflow):
    template(workflow, "pfd-train")["script"]["source"] += " --key planted-word"
    with pytest.raises(RunError) as caught:
        require_whole(workflow, ["planted-word", ""])
    assert "a secret stands in it" in str(caught.value)
    assert "planted-word" not in str(caught.value)


def test_references():
    assert [each.parts for each in references_in({"a": ["{{item}} {{steps.a.status}}"]})] == [
        ("item",),
        ("steps", "a", "status"),
    ]
    found = list(references_of_expression("asInt(inputs.parameters['n']) > 3 && steps.a.outputs.result != 'x.y'"))
    assert [each.parts for each in found] == [("inputs", "parameters", "n"), ("steps", "a", "outputs", "result")]
    assert one_reference("{{inputs.artifacts.x}}").name == "x"
    assert one_reference("{{inputs.artifacts.x}}/sub") is None
    assert one_reference(None) is None
