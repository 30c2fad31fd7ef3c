import pytest

from modules.frontends.gradio_ui import share


def test_the_tunnel_leads_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def tunnel(host: str, port: int, token: str, *_: None) -> str:
        assert (host, port) == ("127.0.0.1", 7861)
        assert len(token) >= 32
        return "https://x.gradio.live"

    monkeypatch.setattr(share, "setup_tunnel", tunnel)
    assert share.open_share_link("http://127.0.0.1:7861") == "https://x.gradio.live"


def test_without_a_connection_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_tunnel(*_: object) -> str:
        raise RuntimeError("Could not get share link from Gradio API Server.")

    monkeypatch.setattr(share, "setup_tunnel", no_tunnel)
    with pytest.raises(share.ShareError, match="The local address works"):
        share.open_share_link("http://127.0.0.1:7861")
