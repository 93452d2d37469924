"""Signs users in with an OpenID Connect provider."""
