"""The command line: thin, and lazy, so that ``pfd --help`` is fast."""
