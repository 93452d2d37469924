"""The e-commerce system."""
