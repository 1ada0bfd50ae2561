"""The input.json of PFD-kit 0.10, translated into today's input; docs/older-input.md has the table."""
