"""The Hubbard correction of one element, as an input file gives it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pfd.settings import Settings


class Hubbard(Settings):
    """DFT+U on one shell of one element."""

    orbital: Literal["s", "p", "d", "f"]
    """The shell that is corrected."""
    U_eV: float
    """On-site Coulomb interaction, eV."""
    J_eV: float = Field(default=0.0)
    """On-site exchange, eV: 0, as in the rotationally invariant form of Dudarev, where only U - J matters."""

    @property
    def angular_momentum(self) -> int:
        """0, 1, 2 or 3 for s, p, d or f."""
        return "spdf".index(self.orbital)

    def __str__(self) -> str:
        exchange = f" J {self.J_eV:g}" if self.J_eV else ""
        return f"{self.orbital} U {self.U_eV:g}{exchange} eV"
