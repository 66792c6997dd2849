"""Learning dynamics to a distribution over weights, and how rewards move it."""
