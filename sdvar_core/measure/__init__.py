"""What decoding costs: time, memory and precision, measured."""
