"""Evaluate: errors against labels, whether they have converged, and the points of parity plots."""

from pfd.evaluate.converge import ConvergeSettings, Verdict, converged, judge_errors
from pfd.evaluate.error_report import AtomErrors, ErrorReport, Errors
from pfd.evaluate.errors_of import error_report
from pfd.evaluate.parity import Parity, ParityPoints, parity_points

__all__ = [
    "AtomErrors",
    "ConvergeSettings",
    "ErrorReport",
    "Errors",
    "Parity",
    "ParityPoints",
    "Verdict",
    "converged",
    "error_report",
    "judge_errors",
    "parity_points",
]
