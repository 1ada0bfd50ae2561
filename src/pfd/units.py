"""Unit conversions at the border; inside PFD-kit everything is eV, Å, fs, K and eV/Å^3 (ASE's stress sign)."""

from __future__ import annotations

# CODATA 2014 values, as in ASE's default set, written out so that importing this costs nothing.
EV_PER_JOULE = 1.0 / 1.6021766208e-19
GPA_PER_EV_PER_A3 = 160.21766208
KBAR_PER_EV_PER_A3 = 1602.1766208
EV_PER_HARTREE = 27.21138602
EV_PER_RYDBERG = EV_PER_HARTREE / 2.0
A_PER_BOHR = 0.52917721067
BOLTZMANN_EV_PER_K = 8.6173303e-5
BAR_PER_EV_PER_A3 = 1602176.6208


def pressure_from_GPa(pressure_GPa: float) -> float:
    """Pressure in eV/Å^3 (positive compresses) from GPa."""
    return pressure_GPa / GPA_PER_EV_PER_A3


def pressure_to_GPa(pressure: float) -> float:
    """Pressure in GPa from eV/Å^3."""
    return pressure * GPA_PER_EV_PER_A3


def pressure_GPa_from_bar(pressure_bar: float) -> float:
    """Pressure in GPa from bar.

    >>> pressure_GPa_from_bar(10000)
    1.0
    """
    return pressure_bar / 10000.0


def pressure_GPa_from_kbar(pressure_kbar: float) -> float:
    """Pressure in GPa from kbar."""
    return pressure_kbar / 10.0


def seconds(duration: str | float) -> float:
    """Seconds from a number (already seconds) or a text such as ``"90s"``, ``"30min"``, ``"2h"``, ``"1d"``.

    Raises:
        ValueError: if the text is no duration.

    >>> seconds("2h")
    7200.0
    """
    if isinstance(duration, int | float):
        return float(duration)
    text = duration.strip().lower()
    for suffix, factor in (("min", 60.0), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)):
        if text.endswith(suffix):
            return float(text[: -len(suffix)]) * factor
    if text.count(":") == 2:
        hours, minutes, secs = (float(part) for part in text.split(":"))
        return hours * 3600.0 + minutes * 60.0 + secs
    return float(text)
