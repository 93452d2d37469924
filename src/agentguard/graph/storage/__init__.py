"""Where graph versions, their runs and the history of components are stored."""
