"""What happens when nodes ask for seats and operators for licenses."""
