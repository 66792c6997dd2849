"""Panoptic pictures: COCO panoptic format, generated scenes, splits, checks."""
