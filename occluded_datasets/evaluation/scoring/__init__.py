"""From vectors or a matrix to scores by probe. Pure NumPy, exact to the bit on every machine."""
