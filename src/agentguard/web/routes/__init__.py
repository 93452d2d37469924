"""One module a group of paths; they only translate."""
