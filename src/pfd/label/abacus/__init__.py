"""ABACUS, in plane waves or atomic orbitals."""
