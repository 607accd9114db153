"""What may be asked for: recipes, where an occluder may be, and the keys of every random choice. Pure."""
