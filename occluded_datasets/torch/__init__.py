"""What needs PyTorch; it is imported here and in ``afpb`` alone, inside the functions that use it."""
