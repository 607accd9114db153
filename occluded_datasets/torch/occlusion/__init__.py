"""Occlusion in a PyTorch pipeline: transform, dataset, batch and pairs."""
