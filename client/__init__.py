"""What runs on a person's device. The only package that ever sees plaintext; it never imports `server`."""
