"""Discovery of components, calls and workflow runs from spans."""
