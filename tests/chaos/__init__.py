"""What can be killed is killed, over a running load; afterwards every promise is checked."""
