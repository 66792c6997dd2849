"""From the losses of a training to the weights of its next round, and how rewards teach it."""
