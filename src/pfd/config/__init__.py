"""The input file: one typed tree, assembled from the settings that each room and plug-in owns."""
