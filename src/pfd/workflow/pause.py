"""A run that stops on purpose, to go on when it is submitted again."""

from __future__ import annotations

FOR_LABELS = "external labels"
"""What a run is paused for while labels are made by hand."""
FOR_APPROVAL = "approval"
"""What a run is paused for while a person looks at the chosen frames."""


class Paused(Exception):
    """The run reached the step after which ``--until`` stops it, or waits for a person.

    Args:
        after: the step, ``FOR_LABELS`` or ``FOR_APPROVAL``.
        message: what the user is to do; nothing where submitting again is enough.
    """

    def __init__(self, after: str, message: str = "") -> None:
        super().__init__(after)
        self.after, self.message = after, message

    @property
    def status(self) -> str:
        """What the run is called from now on."""
        return "waiting" if self.after in {FOR_LABELS, FOR_APPROVAL} else "paused"
