"""Weights in training loops that are not ours: plain PyTorch, Lightning and Hugging Face."""
