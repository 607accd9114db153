"""Things that can stand in front of a person, painted: cars, bushes, umbrellas, boards."""
