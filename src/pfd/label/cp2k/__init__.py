"""CP2K: input and output of Quickstep."""
