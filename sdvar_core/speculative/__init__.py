"""Draft, verify, judge, commit: the decoding loop and its rules."""
