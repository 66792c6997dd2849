"""Weights in training loops that are not ours: plain PyTorch and Lightning."""
