"""Recovery playbooks: ordered steps, each with its evidence."""
