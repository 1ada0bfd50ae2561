"""What to do after an iteration: one pure function, called by every engine that runs the loop."""

from __future__ import annotations

from typing import Literal

from pfd.settings import Settings
from pfd.wording import counted

MIN_SANE_FRACTION = 0.5
"""'Nothing new' is believed only if at least this part of the candidates were physical frames."""


class IterationFacts(Settings):
    """Everything the decision depends on."""

    iteration: int
    """Number of the iteration within its stage, from 0."""
    stage: int
    """Number of the stage, from 0."""
    stages: int
    """How many stages the loop has."""
    max_iterations: int
    """Most iterations for one stage."""
    new_frames: int
    """Newly labelled frames of this iteration, after rejection."""
    candidates_selected: int
    """Frames that the selection chose: zero means that exploration found nothing new."""
    prospective_passed: bool | None
    """Did the errors on frames labelled before the model had trained on them pass? None if there were none."""
    test_passed: bool
    """Did the errors on the fixed test set pass?"""
    exploration_finished: bool
    """Did every trajectory that gave a result run to its end?"""
    exploration_lost: int = 0
    """Trajectories without a result: their tasks were given up, so nobody knows where they would have gone."""
    sane_fraction: float
    """Part of the candidates that are physical frames, new or not."""
    student_md_finished: bool | None = None
    """Distillation: did the student's own MD pass the stop checks at every condition, and visit no frame that the
    sanity gate refuses? None in fine-tuning, and where only pools are explored."""
    student_md_lost: int = 0
    """Runs of the student's own MD without a result; a student that crashes its program leaves none."""
    explored_by_own: bool = True
    """Did a model that this loop has trained explore (or did no model)? That the pre-trained one finds nothing new says
    nothing of where the fine-tuned one goes."""
    properties_missed: tuple[str, ...] = ()
    """Numbers of physical properties that are not within their limits, where these are to be met."""
    budget_reached: bool = False
    """Was a cap on labels or core hours reached?"""


class Decision(Settings):
    """What happens next, and why."""

    action: Literal["again", "next_stage", "converged", "give_up"]
    reason: str


def decide(facts: IterationFacts) -> Decision:
    """The decision after one iteration.

    An iteration passes if the fixed-test errors pass, all dynamics of the model at hand ran to its end (in distillation
    the student's own MD, else the exploration), none of it lost, and either the prospective errors pass or nothing new
    was found among candidates that were mostly sane; and physical properties, where they are to, meet their limits.
    """
    lacks = _lacks(facts)
    if not lacks:
        if facts.stage + 1 < facts.stages:
            return Decision(action="next_stage", reason=f"stage {facts.stage} converged")
        return Decision(
            action="converged", reason="all criteria are met" if facts.new_frames else "nothing new to select"
        )
    why = "; ".join(lacks)
    if facts.budget_reached:
        return Decision(action="give_up", reason=f"the label budget is used up ({why})")
    if facts.iteration + 1 >= facts.max_iterations:
        return Decision(action="give_up", reason=f"max_iterations ({facts.max_iterations}) reached ({why})")
    return Decision(action="again", reason=why)


def _lacks(facts: IterationFacts) -> list[str]:
    """What is missing for convergence, in words."""
    lacks = []
    if not facts.test_passed:
        lacks.append("the error on the fixed test set is above its limit")
    if facts.student_md_finished is False:
        lacks.append("the student's own MD did not pass the stop checks")
    if facts.student_md_lost:
        lacks.append(f"{counted(facts.student_md_lost, 'run')} of the student's own MD gave no result")
    if facts.student_md_finished is None and not facts.student_md_lost:
        lacks += [] if facts.exploration_finished else ["trajectories stopped early"]
        lost = counted(facts.exploration_lost, "run")
        lacks += [f"{lost} of the exploration gave no result"] if facts.exploration_lost else []
    if facts.properties_missed:
        lacks.append(f"beyond their limits: {', '.join(facts.properties_missed)}")
    return lacks + _lacks_of_exploration(facts)


def _lacks_of_exploration(facts: IterationFacts) -> list[str]:
    """What is missing of new frames, and of what was found of them."""
    lacks = []
    if facts.prospective_passed is False:
        lacks.append("the prospective error on new frames is above its limit")
    if facts.budget_reached and not facts.candidates_selected:
        lacks.append("no label was left to look for new frames with")
    elif facts.prospective_passed is None:
        if facts.candidates_selected:
            lacks.append("no new frame was labelled to judge the model by")
        elif not facts.explored_by_own:
            lacks.append("nothing new was found, but by a model that was not trained yet")
        if facts.sane_fraction < MIN_SANE_FRACTION:
            lacks.append("nothing new was found, but most candidates are no sane frames")
    return lacks
