"""Commands that make the embedded models from nothing."""
