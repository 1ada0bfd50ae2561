"""Environments of families that exclude each other: where they lie, how they are built, how tasks start there."""
