"""The caps of a labelling campaign: labels and core hours, held before anything is started."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pfd.config.sections import CampaignSettings
from pfd.tasks.folder import Resources, TaskFolder, TaskSpec
from pfd.workflow.ledger import Ledger, core_seconds

UNLIMITED = 10**9
"""More labels than anyone asks for."""
JOBS_AT_ONCE = 10
"""Jobs of a cluster that count as running at once where no cap is named: before one has told what a label costs."""


class Budget:
    """How many labels were asked for, and what they cost; two counts of them serve two purposes.

    What this submission has asked for so far sizes selections and ends the loop: going through the same run again
    counts the same, so nothing that is done is done differently. What was ever begun in the run folder, by earlier
    submissions and inputs too (the ledger), is what is paid for: no label is begun beyond the caps, and a batch that
    does not fit is cut.

    Args:
        campaign: the caps; a loop whose labels cost nothing (the teacher's) gets the defaults, which cap nothing.
        ledger: the labels of the run folder; None where they cost nothing.
    """

    def __init__(self, campaign: CampaignSettings, ledger: Ledger | None = None) -> None:
        self._campaign, self.ledger = campaign, ledger
        self._asked: set[str] = set()
        self._accepted: set[str] = set()
        self._rejected: set[str] = set()
        self._costs: dict[str, float] = {}
        self._finished: set[str] = set()
        self._cut = False

    @property
    def asked(self) -> int:
        """Different frames asked for so far."""
        return len(self._asked)

    def counts(self) -> dict[str, int]:
        """Labels ``asked`` for so far, and what became of them; the others add up to ``asked``.

        ``accepted`` and ``rejected`` were judged; ``unfinished`` were lost, or have not ended yet.
        """
        accepted, rejected = len(self._accepted), len(self._rejected)
        unfinished = self.asked - accepted - rejected
        return {"asked": self.asked, "accepted": accepted, "rejected": rejected, "unfinished": unfinished}

    @property
    def core_hours(self) -> float:
        """Core hours of the labels asked for so far, failed attempts included."""
        return sum(self._costs.values()) / 3600.0

    def left(self, reserve: int = 0) -> int:
        """Labels that may still be asked for, apart from a reserve (never negative)."""
        if self._cut:
            return 0
        left = UNLIMITED if self._campaign.max_total is None else self._campaign.max_total - self.asked
        left = min(left, self._affordable(self.core_hours * 3600.0, len(self._finished), first=UNLIMITED))
        return left if left == UNLIMITED else max(0, left - reserve)

    def cap(self, reserve: int = 0) -> int | None:
        """As ``left``, but None where nothing limits the number yet."""
        left = self.left(reserve)
        return None if left == UNLIMITED else left

    def reached(self) -> bool:
        """True if no further label may be asked for."""
        return self.left() == 0

    def asked_for(self, frame: str) -> bool:
        """True if this submission has asked for that frame (by id)."""
        return frame in self._asked

    def ask(self, frames: Iterable[str]) -> None:
        """Count frames (by id) as asked for; a frame counts once."""
        self._asked.update(frames)

    def accept(self, frames: Iterable[str]) -> None:
        """Count frames (by id) as labelled."""
        self._accepted.update(frames)
        self._rejected -= self._accepted

    def reject(self, frames: Iterable[str]) -> None:
        """Count frames (by id) as rejected by a judgement."""
        self._rejected.update(set(frames) - self._accepted)

    def spend(self, folders: Iterable[TaskFolder]) -> None:
        """Count the core seconds of label tasks, whatever became of them."""
        cores = UNLIMITED if self.ledger is None else self.ledger.machine_cores
        for folder in folders:
            self._costs[str(folder.path)] = core_seconds(folder, cores)
            if folder.done():
                self._finished.add(str(folder.path))

    def portion(self, specs: Sequence[TaskSpec]) -> list[TaskSpec]:
        """Those of the tasks that are to be performed next: the caps decide, and the order of the tasks.

        Tasks that have ended cost nothing more and are all in it. Others are as many as ``max_total`` allows (a task
        that was begun before is counted already) and as ``max_core_hours`` should pay for, by the mean cost of the
        labels of this run folder. Before any cost is known these are as many as run at once; ask again afterwards.
        """
        if self.ledger is None:
            return list(specs)
        begun = self.ledger.begun({spec.identity() for spec in specs})
        known = [begun.get(spec.identity()) for spec in specs]
        ended = {folder.task()["identity"] for folder in known if folder and (folder.done() or folder.given_up())}
        total = self._campaign.max_total
        fresh = UNLIMITED if total is None else max(0, total - len(begun))
        at_once = self._at_once(specs[0].resources) if specs else 1
        paid = UNLIMITED
        if self._campaign.max_core_hours is not None:
            paid = self._affordable(self.ledger.core_seconds(), self.ledger.finished(), at_once)
        taken = dict.fromkeys(ended, True)
        for spec in specs:
            identity = spec.identity()
            new = identity not in begun
            if identity in taken or paid <= 0 or (new and fresh <= 0):
                continue
            taken[identity] = True
            paid, fresh = paid - 1, fresh - new
        return [spec for spec in specs if spec.identity() in taken]

    def _at_once(self, resources: Resources) -> int:
        """How many labels run at once, as far as is known."""
        assert self.ledger is not None
        if resources.job is not None:
            return resources.job.max_jobs or JOBS_AT_ONCE
        return max(1, self.ledger.machine_cores // min(resources.cores, self.ledger.machine_cores))

    def affords(self, labels: int) -> bool:
        """Whether the core hours that are left should pay for so many more labels, by the mean cost so far."""
        if self.ledger is None:
            return True
        return self._affordable(self.ledger.core_seconds(), self.ledger.finished(), UNLIMITED) >= labels

    def cut(self) -> None:
        """Note that a batch did not fit: from here on nothing is left."""
        self._cut = True

    def _affordable(self, spent_s: float, finished: int, first: int) -> int:
        """Labels that the rest of the core hours should pay for; ``first`` while no cost is known."""
        if self._campaign.max_core_hours is None:
            return UNLIMITED
        rest_s = self._campaign.max_core_hours * 3600.0 - spent_s
        if rest_s <= 0.0:
            return 0
        if not finished or spent_s <= 0.0:
            return first
        return min(UNLIMITED, math.floor(rest_s / (spent_s / finished)))
