"""A run that stops on purpose, to go on when it is submitted again."""

from __future__ import annotations

FOR_LABELS = "external labels"
"""What a run is paused for while labels are made by hand."""


class Paused(Exception):
    """The run reached the step after which ``--until`` stops it, or waits for labels.

    Args:
        after: the step, or ``FOR_LABELS``.
        message: what the user is to do; nothing where submitting again is enough.
    """

    def __init__(self, after: str, message: str = "") -> None:
        super().__init__(after)
        self.after, self.message = after, message
