"""The data gate: what a labelled set brought along tells of itself, and whether it may be trained on."""
