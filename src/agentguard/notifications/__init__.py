"""Notifications: messages about incidents, delivered to webhooks, Slack and PagerDuty."""
