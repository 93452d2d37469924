"""The Celery worker that runs jobs."""
