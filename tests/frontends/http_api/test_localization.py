"""The route from which the page has its language."""

from pathlib import Path

from fastapi.testclient import TestClient

ROUTE = "/internal/localization"


def test_the_browsers_language_counts_until_one_is_chosen(client: TestClient) -> None:
    chinese = client.get(ROUTE, headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert chinese.json()["Generate"] == "生成"
    assert chinese.headers["Content-Language"] == "zh-CN"
    english = client.get(ROUTE, headers={"Accept-Language": "en-US,zh;q=0.5"})
    assert (english.json(), english.headers["Content-Language"]) == ({}, "en")


def test_a1111s_none_means_english(client: TestClient) -> None:
    client.post("/sdapi/v1/options", json={"localization": "None"})
    assert client.get(ROUTE, headers={"Accept-Language": "zh-CN"}).json() == {}


def test_a_pack_of_the_data_folder_can_be_chosen(client: TestClient, data: Path) -> None:
    (data / "localizations").mkdir()
    (data / "localizations" / "فارسی.json").write_text('{"Seed": "بذر", "rtl": true}', encoding="utf-8")
    sections = client.get("/internal/settings").json()
    entries = {entry["name"]: entry for section in sections for entry in section["settings"]}
    assert entries["localization"]["choices"] == ["Automatic", "None", "zh_CN", "فارسی"]
    client.post("/internal/settings", json={"changes": {"localization": "فارسی"}})
    answer = client.get(ROUTE, headers={"Accept-Language": "zh-CN"})
    assert answer.json() == {"Seed": "بذر", "rtl": True}
    assert "Content-Language" not in answer.headers


def test_no_other_file_is_read_as_a_pack(client: TestClient, data: Path) -> None:
    (data / "secret.json").write_text('{"password": "1"}')
    client.post("/sdapi/v1/options", json={"localization": "../secret"})
    assert client.get(ROUTE).json() == {}
