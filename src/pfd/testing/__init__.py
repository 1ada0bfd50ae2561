"""Toys that run the whole loop in seconds, and contract tests that every plug-in must pass."""
