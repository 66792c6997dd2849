"""What the commands do: settings, data, training and report brought together in a run folder."""
