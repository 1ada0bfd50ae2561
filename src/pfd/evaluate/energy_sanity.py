"""A student whose energies are nonsense beside its teacher's, however good its forces are."""

from __future__ import annotations

ABSURD_FACTOR = 5.0
"""A student of the same data is within two or three times its teacher's error."""
ABSURD_MEV_PER_ATOM = 25.0
"""kT at room temperature: with a larger error no phase and no defect can be told from another by its energy."""


def absurd_energy(student_meV_per_atom: float | None, teacher_meV_per_atom: float | None) -> str:
    """A warning, if the energy RMSE of a student is beyond both limits; else nothing.

    Args:
        student_meV_per_atom: on the fixed test set; None if it is not known.
        teacher_meV_per_atom: of the model that labelled for it, on the same set.
    """
    if student_meV_per_atom is None or teacher_meV_per_atom is None:
        return ""
    if student_meV_per_atom <= max(ABSURD_MEV_PER_ATOM, ABSURD_FACTOR * teacher_meV_per_atom):
        return ""
    times = f", {student_meV_per_atom / teacher_meV_per_atom:.0f} times" if teacher_meV_per_atom > 0.0 else ", beside"
    return (
        f"WARNING the student's energy error is {student_meV_per_atom:.0f} meV/atom{times} its teacher's "
        f"{teacher_meV_per_atom:.1f}: do not compare energies with it, whatever its forces are. Give it a larger "
        "size or more frames, and set distill.converge.energy_rmse_meV_per_atom: then such a student is not called "
        "converged"
    )
