"""``python -m rationale_cli``, and ``accelerate launch -m rationale_cli``."""

from rationale_cli.cli.app import main

if __name__ == "__main__":
    main()
