"""Independent computations to test against; they share no code with the package."""
