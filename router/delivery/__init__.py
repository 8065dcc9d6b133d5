"""What moves deliveries by itself: the parts that run beside the API as long as the process does."""
