"""One image and a recipe to the occluded image, its mask and its record."""
