"""The rows of the benchmark: one module for each kind of work. Standard library only."""
