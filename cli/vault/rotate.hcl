# The rights of one purpose's rotation function in Vault. It may not delete or back up the key, list keys, or use another
# key. {{transit}}, {{key}} and {{export}} are filled in for each purpose.

# Read which versions exist.
path "{{transit}}/keys/{{key}}" {
  capabilities = ["read"]
}

# Add a version.
path "{{transit}}/keys/{{key}}/rotate" {
  capabilities = ["update"]
}

# Raise the oldest version that may be used: Vault demands this before a trim. The settings for deletion and backup cannot
# be changed.
path "{{transit}}/keys/{{key}}/config" {
  capabilities = ["update"]
  allowed_parameters = {
    "min_decryption_version" = []
    "min_encryption_version" = []
  }
}

# Delete old versions for good. A version below the minimum is only hidden: these same rights could show it again.
path "{{transit}}/keys/{{key}}/trim" {
  capabilities = ["update"]
  allowed_parameters = {
    "min_available_version" = []
  }
}

# Export a version, with its key material.
path "{{transit}}/export/{{export}}/{{key}}/*" {
  capabilities = ["read"]
}

# Revoke its own login token.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
