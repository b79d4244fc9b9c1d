"""ALBEF and BLIP of salesforce-lavis as models of rationale."""
