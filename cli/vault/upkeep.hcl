# Checks that a stage's Vault is still as `countersign vault setup` left it. The holder cannot change anything or read a
# key. With it, setup reports `unchanged` for everything, or names what differs and the rights that the change would need.

path "sys/capabilities-self" {
  capabilities = ["update"]
}
path "sys/mounts" {
  capabilities = ["read"]
}
path "transit/keys/countersign-*" {
  capabilities = ["read"]
}
path "sys/policies/acl/countersign-*" {
  capabilities = ["read"]
}
path "sys/auth" {
  capabilities = ["read"]
}
path "auth/aws/config/client" {
  capabilities = ["read"]
}
path "auth/jwt/config" {
  capabilities = ["read"]
}
path "auth/+/role/countersign-*" {
  capabilities = ["read"]
}
