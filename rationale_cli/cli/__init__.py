"""The command line: each command parses, calls one stage and renders. Module level imports typer only."""
