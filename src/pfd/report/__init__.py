"""Report: one self-contained HTML page, one table and one figure from a run folder."""

from pfd.report.data import ReportData, read_report_data
from pfd.report.page import write_report
from pfd.report.summary_plot import summary_plot
from pfd.report.table import results_tables

__all__ = ["ReportData", "read_report_data", "results_tables", "summary_plot", "write_report"]
