"""Labelers, and the acceptance rules that no label passes by chance."""
