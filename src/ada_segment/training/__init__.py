"""Training of panoptic models, as members of a population or alone."""
