"""Ablations: arms over seeds, their scores side by side."""
