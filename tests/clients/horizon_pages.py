"""Run inside the environment of Horizon: what a browser sees there.

Owns: the pages and the words on them. May not: import Muster.
Crash story: the browser ends with the run.
"""

# ruff: noqa: T201
from __future__ import annotations

import sys
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as see
from selenium.webdriver.support.wait import WebDriverWait

WAIT_S = 60
PAGES = {
    "demo": (
        "/project/", "/project/instances/", "/project/volumes/", "/project/server_groups/",
        "/project/key_pairs", "/project/images", "/project/networks/", "/project/snapshots/",
        "/project/security_groups/", "/project/floating_ips/", "/project/api_access/",
    ),
    "admin": (
        "/admin/", "/admin/instances/", "/admin/hypervisors/", "/admin/aggregates/",
        "/admin/flavors/", "/admin/info/", "/admin/volumes/", "/identity/", "/identity/users/",
    ),
}  # fmt: skip
ERRORS = ".alert-danger, .toast-error"


def browser() -> webdriver.Chrome:
    options = Options()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(argument)
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


def sign_in(driver: webdriver.Chrome, url: str, user: str) -> None:
    driver.get(f"{url}/auth/login/")
    driver.find_element(By.ID, "id_username").send_keys(user)
    driver.find_element(By.ID, "id_password").send_keys(user)
    driver.find_element(By.CSS_SELECTOR, "#loginBtn, button[type=submit]").click()
    WebDriverWait(driver, WAIT_S).until(see.presence_of_element_located((By.ID, "sidebar")))


def main(url: str, screenshots: Path) -> None:
    screenshots.mkdir(parents=True, exist_ok=True)
    complaints = []
    for user, pages in PAGES.items():
        driver = browser()
        try:
            sign_in(driver, url, user)
            for page in pages:
                driver.get(url + page)
                WebDriverWait(driver, WAIT_S).until(
                    see.presence_of_element_located((By.ID, "content_body"))
                )
                rows = len(driver.find_elements(By.CSS_SELECTOR, "table tbody tr:not(.empty)"))
                errors = [each.text for each in driver.find_elements(By.CSS_SELECTOR, ERRORS)]
                name = f"{user}{page.rstrip('/').replace('/', '-')}.png"
                driver.save_screenshot(str(screenshots / name))
                print(f"{user} {page}: {rows} rows, {errors or 'no errors'}")
                complaints += [f"{page}: {error}" for error in errors]
        finally:
            driver.quit()
    if complaints:
        sys.exit("; ".join(complaints))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
