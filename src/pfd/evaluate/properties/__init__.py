"""Physical properties of a model: what each is, how it is measured, and how it is held against a reference."""
