"""One replay of the campaign in a pod: from what came back to the next round of tasks, or to the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from pfd.config.reading import ResolvedInput, read_input
from pfd.engines.engine import Progress
from pfd.errors import PFDError
from pfd.workflow.argo.parcel import receive
from pfd.workflow.argo.replay import ReplayEngine, Round, RoundPlanned, Rounds
from pfd.workflow.campaign import Campaign
from pfd.workflow.earlier import Earlier
from pfd.workflow.outcome import Outcome
from pfd.workflow.pause import Paused
from pfd.workflow.run_folder import RunFolder

FIRST_LABELS = 10
"""Labels that are begun at once before one has told what it costs, where core hours are capped."""
ALL_AT_ONCE = 10**6
"""Cores that a cluster lends, where the input names no cap: labels are not held back to run one after the other."""


@dataclass(frozen=True)
class Advanced:
    """Where a run stands after a replay.

    Attributes:
        planned: the tasks to run next; None at the end.
        status: ``running``, ``converged``, ``not_converged``, or ``waiting`` for a person.
    """

    planned: Round | None
    status: str


def advance(path: Path, came: Path) -> Advanced:
    """Take in what came back, and replay the campaign of a run folder until it needs a round of tasks, or ends.

    Args:
        path: the run folder, with its input.
        came: folder with what came back of the last round.

    Raises:
        PFDError: whatever ended the run; journal and summary say so.
    """
    rounds = Rounds(path)
    if rounds.last is not None:
        rounds.returned(receive(path, rounds.last, came))
    rounds.write()
    resolved = on_cluster(read_input(path / "input.yaml"))
    run = RunFolder(path, ReplayEngine(path, rounds.lost), resolved.input.seed, _tell)
    inputs = len(list(path.glob("resolved-*.yaml")))
    run.journal.write("submit", version=version("pfd-kit"), edited=inputs - 1, engine="argo")
    earlier = Earlier.read(path / f"earlier-{inputs:03d}.json") if inputs > 1 else Earlier()
    campaign = Campaign(run, resolved, None, earlier)
    campaign.outcome.write(run)
    with _honest_end(run, campaign.outcome):
        try:
            campaign.execute()
        except RoundPlanned as met:
            planned = rounds.plan(met.folders, resolved.input.argo)
            rounds.write()
            run.journal.write("round", name=planned.name, kind=planned.kind, pods=len(planned.slots))
            return Advanced(planned, campaign.outcome.status)
        except Paused as paused:  # the graph ends here; once somebody has looked, the run is submitted again
            campaign.outcome.status = paused.status
            run.journal.write("paused", after=paused.after, message=paused.message, superseded=run.superseded())
            return Advanced(None, paused.status)
        run.journal.write("end", status=campaign.outcome.status, superseded=run.superseded(), reused=run.reused)
    return Advanced(None, campaign.outcome.status)


def on_cluster(resolved: ResolvedInput) -> ResolvedInput:
    """The input with the cores of the cluster in the place of those of the pod."""
    resources = resolved.input.resources
    if resources.cores is not None:
        return resolved
    pods = resolved.input.argo.parallelism
    if pods is None and resolved.campaign.max_core_hours is not None:
        pods = FIRST_LABELS
    cores = ALL_AT_ONCE if pods is None else pods * resources.label.cores
    told = resources.model_copy(update={"cores": cores})
    return replace(resolved, input=resolved.input.model_copy(update={"resources": told}))


@contextmanager
def _honest_end(run: RunFolder, outcome: Outcome) -> Iterator[None]:
    """However the replay ends, journal and summary say how."""
    try:
        yield
    except PFDError as error:
        outcome.status = "failed"
        run.journal.write("end", status="failed", error=str(error), superseded=run.superseded())
        raise
    finally:
        outcome.write(run)


def _tell(place: str, progress: Progress) -> None:
    """What is to stay in sight goes into the pod's log."""
    if progress.message:
        print(f"{place}: {progress.message}", flush=True)
