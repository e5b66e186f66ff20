# To look whether a stage's Vault is still as `countersign vault setup` left it. Who holds it changes nothing, and reads
# no key: setup says that all is `unchanged`, or names what differs and the rights that it lacks to change it.

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
