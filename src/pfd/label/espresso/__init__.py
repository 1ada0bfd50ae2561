"""Quantum ESPRESSO: input and output of pw.x."""
