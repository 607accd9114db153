"""What is put in front: drawn and packed occluders, and people cut from a pool of images."""
