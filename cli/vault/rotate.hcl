# What the rotation function of one purpose may do in Vault, and nothing else: no deletion of the key, no backup, no
# list, no other key. {{transit}}, {{key}} and {{export}} are filled in per purpose.

# Which versions there are.
path "{{transit}}/keys/{{key}}" {
  capabilities = ["read"]
}

# Add one.
path "{{transit}}/keys/{{key}}/rotate" {
  capabilities = ["update"]
}

# Move the least versions that may be used, which Vault wants before it trims. Whether the key may be deleted or backed
# up stays as it is.
path "{{transit}}/keys/{{key}}/config" {
  capabilities = ["update"]
  allowed_parameters = {
    "min_decryption_version" = []
    "min_encryption_version" = []
  }
}

# Delete old versions for good. What is only hidden could be shown again, by these same rights.
path "{{transit}}/keys/{{key}}/trim" {
  capabilities = ["update"]
  allowed_parameters = {
    "min_available_version" = []
  }
}

# Read one, whole.
path "{{transit}}/export/{{export}}/{{key}}/*" {
  capabilities = ["read"]
}

# End its own login.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
