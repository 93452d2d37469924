"""What answers look like to people: JSON documents in, Rich renderables out."""
