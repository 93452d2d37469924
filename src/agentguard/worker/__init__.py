"""A Celery worker that runs jobs."""
