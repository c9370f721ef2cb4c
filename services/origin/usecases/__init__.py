"""What happens when a publisher comes, returns, leaves or dies. Acts through `services.origin.ports`."""
