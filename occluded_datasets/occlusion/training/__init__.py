"""Occlusion as a transform: a simulator with an epoch and a counter of visits."""
