"""Find, understand and simulate the failures of multi-agent systems, from their traces."""
