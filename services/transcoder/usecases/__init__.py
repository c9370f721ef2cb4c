"""What happens when streams begin and end, rungs are watched and machines get tired."""
