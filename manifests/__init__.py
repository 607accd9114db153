"""Data of the package: protocols and lists of published files. Facts only, never pixels."""
