"""The caps of a labelling campaign: frames and core hours, held before anything is started."""

from __future__ import annotations

from collections.abc import Iterable

from pfd.config.sections import CampaignSettings
from pfd.tasks.folder import TaskFolder


class Budget:
    """How many labels were asked for in this run, and what they cost.

    Args:
        campaign: the caps; a loop whose labels cost nothing (the teacher's) gets the defaults, which cap nothing.
    """

    def __init__(self, campaign: CampaignSettings) -> None:
        self._campaign = campaign
        self._asked: set[str] = set()
        self._accepted: set[str] = set()
        self._folders: dict[str, float] = {}

    @property
    def asked(self) -> int:
        """Different frames asked for so far."""
        return len(self._asked)

    def counts(self) -> dict[str, int]:
        """Labels ``asked`` for, ``accepted``, and ``rejected`` (or lost) so far."""
        return {"asked": self.asked, "accepted": len(self._accepted), "rejected": self.asked - len(self._accepted)}

    @property
    def core_hours(self) -> float:
        """Core hours of the labels done so far."""
        return sum(self._folders.values()) / 3600.0

    def left(self, reserve: int = 0) -> int:
        """Labels that may still be asked for, apart from a reserve (never negative)."""
        if self._campaign.max_core_hours is not None and self.core_hours >= self._campaign.max_core_hours:
            return 0
        if self._campaign.max_total is None:
            return 10**9
        return max(0, self._campaign.max_total - self.asked - reserve)

    def cap(self, reserve: int = 0) -> int | None:
        """As ``left``, but None where there is no cap at all."""
        capped = self._campaign.max_total is not None or self._campaign.max_core_hours is not None
        return self.left(reserve) if capped else None

    def reached(self) -> bool:
        """True if no further label may be asked for."""
        return self.left() == 0

    def ask(self, frames: Iterable[str]) -> None:
        """Count frames (by id) as asked for; a frame counts once."""
        self._asked.update(frames)

    def accept(self, frames: Iterable[str]) -> None:
        """Count frames (by id) as labelled."""
        self._accepted.update(frames)

    def spend(self, folders: Iterable[TaskFolder]) -> None:
        """Count the core seconds of finished label tasks."""
        for folder in folders:
            result = folder.result()
            if result is not None and result.status == "done":
                self._folders[str(folder.path)] = result.seconds * result.cores
