"""The workflow: run folder, journal, and the loop: the only place that knows the order of the steps."""
