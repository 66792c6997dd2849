"""Panoptic models of the transformers library behind our protocol: raw losses by name in, candidates out."""
