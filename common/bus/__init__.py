"""Messages between services: one port, two adapters (rabbitmq, memory), one topology module."""
