# An administrator's policy, for the first `countersign vault setup` of a stage and for one that changes something. Who
# holds it can give itself anything in this Vault, keys included: it writes policies, and roles that log in with them.
# Give it for one run, to who may do that anyway. To look whether all is as it should be, upkeep.hcl is enough.

# To name the rights that are missing before anything is written.
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# The Transit engine, where it is not mounted yet.
path "sys/mounts" {
  capabilities = ["read"]
}
path "sys/mounts/transit" {
  capabilities = ["update"]
}

path "transit/keys/countersign-*" {
  capabilities = ["create", "read", "update"]
}

path "sys/policies/acl/countersign-*" {
  capabilities = ["create", "read", "update"]
}

# The auth method that the rotation functions log in by, where it is not there yet; then its config and the roles.
path "sys/auth" {
  capabilities = ["read"]
}
path "sys/auth/+" {
  capabilities = ["update", "sudo"]
}
path "auth/aws/config/client" {
  capabilities = ["create", "read", "update"]
}
path "auth/jwt/config" {
  capabilities = ["create", "read", "update"]
}
path "auth/+/role/countersign-*" {
  capabilities = ["create", "read", "update"]
}
