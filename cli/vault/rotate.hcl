# What the rotation function of one purpose may do in Vault, and nothing else: no deletion, no backup, no list, no
# other key. {{transit}}, {{key}} and {{export}} are filled in per purpose.

# Which versions there are.
path "{{transit}}/keys/{{key}}" {
  capabilities = ["read"]
}

# Add one.
path "{{transit}}/keys/{{key}}/rotate" {
  capabilities = ["update"]
}

# End old ones; whether the key may be deleted or backed up stays as it is.
path "{{transit}}/keys/{{key}}/config" {
  capabilities = ["update"]
  allowed_parameters = {
    "min_decryption_version" = []
    "min_encryption_version" = []
  }
}

# Read one, whole.
path "{{transit}}/export/{{export}}/{{key}}/*" {
  capabilities = ["read"]
}
