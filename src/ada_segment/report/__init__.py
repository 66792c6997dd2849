"""From the journal of a run to displays, tables and pictures."""
