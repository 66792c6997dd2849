"""A population of members in training under one controller."""
