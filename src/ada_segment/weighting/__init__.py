"""Named losses to one total: the ways to weight them."""
