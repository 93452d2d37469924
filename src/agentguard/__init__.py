"""Find, understand and rehearse the failures of multi-agent systems, from their traces."""
