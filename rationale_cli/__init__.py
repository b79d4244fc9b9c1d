"""rationale: is a fine-tuned vision-language model right for the right reasons?"""

__version__ = "0.1.0"
