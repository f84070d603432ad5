"""The networks: the tokenizer and the next-scale transformer."""
