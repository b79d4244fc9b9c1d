"""The mathematics of evidence in numpy and scipy: no torch, no files."""
