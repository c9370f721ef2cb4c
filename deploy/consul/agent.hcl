# Consul of the compose stack: one server. Nobody may do anything without a token; the container `keys` writes that part.
server = true
bootstrap_expect = 1
node_name = "consul"
data_dir = "/consul/data"
# Other agents have no business here. Nodes come over HTTP.
bind_addr = "127.0.0.1"
client_addr = "0.0.0.0"
ports {
  dns = -1
  grpc = -1
  grpc_tls = -1
  serf_wan = -1
}
performance {
  raft_multiplier = 1
}
disable_update_check = true
log_level = "warn"
