"""PFD-kit: fine-tune a pre-trained atomistic model for one material and distil it into a fast student."""
__version__ = "1.0.0.dev0"
