"""Any calculator of ASE as labeler, in an interpreter that has it."""
