"""What happens when somebody asks, leaves or dies: acts through `services.edge.ports`."""
