"""DeePMD-kit: pre-trained DPA models as teachers, and se_e2_a and se_atten_v2 students that run in LAMMPS."""
