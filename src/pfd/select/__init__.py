"""Select frames worth a label: sanity gate, descriptor of environments, entropy, greedy choice."""

from pfd.select.choose import Selection, select_frames
from pfd.select.settings import GateSettings, SelectSettings

__all__ = ["GateSettings", "SelectSettings", "Selection", "select_frames"]
