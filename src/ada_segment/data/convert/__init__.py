"""Other formats made into COCO panoptic: semantic masks with instances, ADE20K, Cityscapes."""
