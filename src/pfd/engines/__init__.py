"""Engines: who runs task folders."""
