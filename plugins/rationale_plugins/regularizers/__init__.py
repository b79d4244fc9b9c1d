"""Terms for the loss of other methods."""
