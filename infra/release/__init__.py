"""What a release is made of: the deployment package, its checksum, and what the changelog says of the version."""
