"""Panoptic segmentation: models with named raw losses, merging, panoptic quality."""
