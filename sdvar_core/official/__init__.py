"""The authors' published checkpoints: what is in their files, where to get them, how they become ours."""
