# Consul of the compose stack: one server, nothing on disk; nodes register themselves again after a restart.
disable_update_check = true
log_level = "warn"
leave_on_terminate = true
