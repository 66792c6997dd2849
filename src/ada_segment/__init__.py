"""Automated multi-loss adaptation for panoptic segmentation."""
