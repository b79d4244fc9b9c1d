"""Built-in attributions."""
