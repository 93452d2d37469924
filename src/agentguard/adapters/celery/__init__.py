"""Jobs brought to Celery workers, over RabbitMQ or Redis."""
