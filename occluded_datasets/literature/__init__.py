"""What others report, and what their loaders make of the sets. No score of ours imports it."""
