"""Tasks: each step of the loop as files in, files out; ``python -m pfd.tasks FOLDER`` runs one."""
