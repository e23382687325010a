"""What a running service says about itself: logs, health, metrics."""
