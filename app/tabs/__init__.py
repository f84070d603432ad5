"""One module a tab: layout and event wiring, nothing else."""
