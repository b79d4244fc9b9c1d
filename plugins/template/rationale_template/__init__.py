"""A plugin of ``rationale`` to copy."""
