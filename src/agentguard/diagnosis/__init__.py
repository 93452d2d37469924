"""Checks of the installation and of the services that it uses."""
