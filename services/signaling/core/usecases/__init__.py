"""What happens when somebody wants to publish or play, whatever protocol they speak."""
