"""Components and calls become a dependency graph with evidence."""
