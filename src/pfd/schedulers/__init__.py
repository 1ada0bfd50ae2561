"""Schedulers of clusters: what is asked of Slurm, PBS, Torque, LSF and SGE, and what they answer."""
