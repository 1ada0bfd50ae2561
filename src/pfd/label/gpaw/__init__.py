"""GPAW: its keywords for one frame, and what it reports of itself."""
