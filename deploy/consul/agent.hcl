# Consul of the compose stack: one server that keeps nothing on disk. After a restart the nodes register again.
disable_update_check = true
log_level = "warn"
leave_on_terminate = true
