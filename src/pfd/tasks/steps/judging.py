"""Steps that judge: errors from files of labels and predictions, and the decision after an iteration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pfd.frames import fit_energy_shift, labels_of, read_frames
from pfd.tasks.context import TaskContext

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

    from pfd.frames import Labels


def evaluate(task: TaskContext) -> None:
    """Parameters converge (or null), asked, up_to_stage; inputs labelled, predicted, and those of a shift.

    With shift_labelled and shift_predicted, the energy shift is fitted on them (never on what is scored). The report is
    on all frames, the verdicts on those of stages up to the given one. Output: errors.json.
    """
    from pfd.evaluate import ConvergeSettings, converged, error_report, judge_errors, parity_points

    labelled, predicted = read_pair(task.input("labelled"), task.input("predicted"))
    shift = None
    if task.has("shift_labelled"):
        shift = fit_energy_shift(*read_pair(task.input("shift_labelled"), task.input("shift_predicted")))
    report = error_report(labelled, predicted, shift)
    settings = task.parameters["converge"]
    verdicts = []
    if settings is not None:
        last = task.parameters["up_to_stage"]
        judged = [pair for pair in zip(labelled, predicted, strict=True) if pair[0].info.get("stage", last) <= last]
        part = report
        if len(judged) < len(labelled):
            part = error_report([frame for frame, _ in judged], [labels for _, labels in judged], shift)
        verdicts = judge_errors(part, ConvergeSettings.model_validate(settings), task.parameters["asked"])
    task.write(
        "errors.json",
        {
            "report": report.model_dump(mode="json"),
            "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts],
            "passed": converged(verdicts),
            "parity": parity_points(labelled, predicted, shift).model_dump(mode="json"),
        },
    )


def read_pair(labelled: Path, predicted: Path) -> tuple[list[Atoms], list[Labels]]:
    """Labelled frames and the predictions of the same frames."""
    return read_frames(labelled), [labels_of(frame) for frame in read_frames(predicted)]


def list_students(task: TaskContext) -> None:
    """Parameters settings (students: family and size of each that was there). Output: students.json."""
    task.write("students.json", {"students": task.parameters["settings"]["students"]})


def choose_student(task: TaskContext) -> None:
    """Parameters settings (candidates, and tried: a ``StudentTrial`` of each); inputs train, valid, test.

    Output: choice.json with index, reason and students.
    """
    from pfd.errors import TaskFailed
    from pfd.evaluate.student_choice import StudentTrial
    from pfd.evaluate.student_choice import choose_student as choose

    trials = [StudentTrial.model_validate(each) for each in task.parameters["settings"]["tried"]]
    choice = choose(trials)
    if choice is None:
        what = "none of the students could be fitted: " + "; ".join(f"{each.name}: {each.failed}" for each in trials)
        raise TaskFailed(what, where="student: auto", hint="name a student: {family: pod, size: M}")
    students = [
        trial.model_copy(update={"chosen": index == choice.place}).model_dump(mode="json")
        for index, trial in enumerate(trials)
    ]
    task.write("choice.json", {"index": choice.place, "reason": choice.reason, "students": students})


def decide_next(task: TaskContext) -> None:
    """Parameters iteration, stage, stages, max_iterations, budget_reached, and what was lost, if anything was.

    Inputs: test (errors.json), prospective (errors.json, if there were new frames), counts (of collect),
    selection (of select), report0... (of exploration), md0... and own (of the student's own MD, and of the frames
    sampled from it), properties (of hold, if they enter the decision). Output: decision.json.
    """
    from pfd.evaluate.decision import IterationFacts, decide

    def content(path: Path) -> dict[str, object]:
        read: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
        return read

    selection = content(task.input("selection"))
    candidates, insane = selection["candidates"], selection["insane"]
    assert isinstance(candidates, int)
    assert isinstance(insane, int)
    student_md = [content(path)["finished"] for path in task.inputs("md")]
    if task.has("own"):
        student_md.append(content(task.input("own"))["insane"] == 0)
    facts = IterationFacts.model_validate(
        {
            **task.parameters,
            "new_frames": content(task.input("counts"))["accepted"],
            "candidates_selected": selection["selected"],
            "prospective_passed": content(task.input("prospective"))["passed"] if task.has("prospective") else None,
            "test_passed": content(task.input("test"))["passed"],
            "exploration_finished": all(content(path)["finished"] for path in task.inputs("report")),
            "sane_fraction": (candidates - insane) / candidates if candidates else 0.0,
            "student_md_finished": all(student_md) if student_md else None,
            "properties_missed": _missed(content(task.input("properties"))) if task.has("properties") else (),
        }
    )
    task.write("decision.json", {**decide(facts).model_dump(), "facts": facts.model_dump()})


def _missed(held: dict[str, Any]) -> list[str]:
    """The numbers of properties that are not within their limits."""
    names = [f"{each['property']} {each['quantity']}" for each in held["held"] if not each["passed"]]
    return names or ([] if held["passed"] else ["nothing was judged"])
