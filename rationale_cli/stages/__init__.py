"""The library's doors: read → compute → write, one module a verb; no typer, no rich."""
