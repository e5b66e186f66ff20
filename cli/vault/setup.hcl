# A policy for administrators: for the first `countersign vault setup` of a stage, and for a later run that changes
# something. It writes policies, and roles that log in with them, so its holder can gain any right in this Vault, keys
# included. Grant it for one run, to an administrator. To check a stage, upkeep.hcl is enough.

# Lets the command name missing rights before it writes anything.
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# Mount the Transit engine, if it is not mounted yet.
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

# Enable the auth method that the rotation functions log in with, if it is not enabled yet; then write its config and roles.
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
