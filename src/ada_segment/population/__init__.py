"""A population of models in training under one controller."""
