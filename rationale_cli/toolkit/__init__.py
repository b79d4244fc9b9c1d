"""What plugin authors reuse (torch): attention recorder, classifiers, geometry, weights."""
