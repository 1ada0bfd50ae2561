"""The hpc engine: task folders as jobs of a cluster's queue, submitted once whatever happens to the driver."""
