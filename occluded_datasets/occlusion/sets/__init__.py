"""Simulated sets on disk: written by simulate, rebuilt by replay."""
