from tests.client.scripted_server import serve

__all__ = ["serve"]
