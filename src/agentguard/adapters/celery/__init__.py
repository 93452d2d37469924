"""Delivery of jobs to Celery workers through RabbitMQ or Redis."""
