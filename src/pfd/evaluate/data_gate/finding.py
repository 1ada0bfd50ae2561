"""What the data gate finds, with a verdict on each finding and on the whole."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from pfd.settings import Settings

MOST_NAMED = 6
"""More frames than this are counted in a text; ``Finding.frames`` names them all."""


class Verdict(StrEnum):
    """How bad a finding is."""

    FINE = "FINE"
    WARNING = "WARNING"
    REFUSED = "REFUSED"

    @property
    def rank(self) -> int:
        """0 for FINE, 1 for WARNING, 2 for REFUSED."""
        return list(Verdict).index(self)


class Finding(Settings):
    """One thing that was looked at."""

    sign: str
    """Its name, such as ``random forces``."""
    verdict: Verdict
    """What it means for training on the set."""
    where: str
    """The set, or the two sets, that it is of."""
    text: str
    """What was found, with numbers and units."""
    hint: str = ""
    """What to try where the verdict is not FINE."""
    numbers: dict[str, float] = Field(default_factory=dict)
    """The numbers of the text, with the unit in each name."""
    frames: tuple[str, ...] = ()
    """Every frame that it is about: file, number in the file, and id; for twins, two of them."""

    def __str__(self) -> str:
        first = f"{self.verdict:8}{self.where}: {self.text}"
        return f"{first}\n        Try: {self.hint}" if self.hint else first


class GateReport(Settings):
    """All findings of one pass through the gate."""

    findings: tuple[Finding, ...]
    """In the order of the sets and of the signs."""

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all findings."""
        return max((finding.verdict for finding in self.findings), key=lambda verdict: verdict.rank)

    @property
    def exit_code(self) -> int:
        """2 if a set is refused, else 0."""
        return 2 if self.verdict is Verdict.REFUSED else 0

    def of(self, sign: str) -> list[Finding]:
        """The findings of one sign."""
        return [finding for finding in self.findings if finding.sign == sign]


def named(frames: tuple[str, ...] | list[str]) -> str:
    """The first frames by name, and how many more there are."""
    more = f" and {len(frames) - MOST_NAMED} more" if len(frames) > MOST_NAMED else ""
    return ", ".join(frames[:MOST_NAMED]) + more
