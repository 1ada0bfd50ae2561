"""Model families: calculators, prediction, fine-tuning, fitting and export, one file (or folder) each."""
