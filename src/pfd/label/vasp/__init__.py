"""VASP: its input files from settings and presets, and its outputs, of which none is believed alone."""
