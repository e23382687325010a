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
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as see
from selenium.webdriver.support.wait import WebDriverWait

WAIT_S = 60
PAGES = {
    "demo": (
        "/project/", "/project/instances/", "/project/volumes/", "/project/server_groups/",
        "/project/key_pairs", "/project/images", "/project/networks/", "/project/snapshots/",
        "/project/security_groups/", "/project/floating_ips/", "/project/routers/",
        "/project/network_topology/", "/project/api_access/", "/project/volumes/create/",
        "/project/floating_ips/allocate/",
    ),
    "admin": (
        "/admin/", "/admin/instances/", "/admin/hypervisors/", "/admin/aggregates/",
        "/admin/flavors/", "/admin/images", "/admin/info/", "/admin/defaults/",
        "/admin/metadata_defs/", "/admin/volumes/", "/admin/networks/", "/identity/",
        "/identity/users/", "/admin/aggregates/create/", "/admin/flavors/create/",
        "/admin/routers/", "/admin/volume_types/", "/admin/floating_ips/",
    ),
}  # fmt: skip
ERRORS = ".alert-danger, .toast-error"
BUSY = "#loader-modal, .loading, .progress-loader, .loader-inline"
SERVER = "of-horizon"
FORMS = ("resize", "rebuild", "update", "rescue", "attach_interface", "attach_volume")
"""Of a server; opened, not sent."""


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


def opened(driver: webdriver.Chrome, url: str) -> None:
    """The page, with what it asks for after it was loaded."""
    driver.get(url)
    wait = WebDriverWait(driver, WAIT_S)
    wait.until(see.presence_of_element_located((By.ID, "content_body")))
    wait.until(lambda _: driver.execute_script(QUIET))
    wait.until(
        lambda _: not any(e.is_displayed() for e in driver.find_elements(By.CSS_SELECTOR, BUSY))
    )


QUIET = """
if (!window.angular) return true;
const found = angular.element(document.body).injector();
return !found || found.get('$http').pendingRequests.length === 0;
"""


def errors_on(driver: webdriver.Chrome) -> list[str]:
    return [each.text for each in driver.find_elements(By.CSS_SELECTOR, ERRORS)]


class Launch:
    """The form that starts a server, and the page of servers afterwards."""

    def __init__(self, driver: webdriver.Chrome, url: str, screenshots: Path) -> None:
        self._driver, self._url, self._screenshots = driver, url, screenshots
        self._wait = WebDriverWait(driver, WAIT_S)
        self._complaints: list[str] = []

    def everything(self) -> list[str]:
        self.fill_in()
        self.see_it()
        self.stop()
        self.delete()
        return [*self._complaints, *errors_on(self._driver)]

    def fill_in(self) -> None:
        opened(self._driver, f"{self._url}/project/instances/")
        self._click(By.ID, "instances__action_launch-ng")
        name = (By.CSS_SELECTOR, "input[name=name]")
        self._wait.until(see.element_to_be_clickable(name)).send_keys(SERVER)
        for step, row in (("Source", "cirros"), ("Flavor", "m1.tiny"), ("Networks", "private")):
            self._click(By.XPATH, f"//wizard//a[contains(normalize-space(.), '{step}')]")
            there = f"//wizard//tr[td[normalize-space(.)='{row}']]"
            self._wait.until(lambda _, there=there: self._shown(there))
            if up := self._shown(f"{there}//button[contains(@class, 'fa-arrow-up')]"):
                up[0].click()
        self._shot("launch")
        self._click(By.XPATH, "//wizard//a[contains(normalize-space(.), 'Metadata')]")
        self._wait.until(lambda _: self._shown("//wizard//*[contains(., 'Existing Metadata')]"))
        self._shot("metadata")
        self._click(By.CSS_SELECTOR, "wizard button.finish")

    def see_it(self) -> None:
        """Running, and on its own pages."""
        self._row("Active")
        self._shot("instances")
        self._click(By.LINK_TEXT, SERVER)
        address = self._driver.current_url.partition("?")[0]
        for tab, words in (
            ("overview", "m1.tiny"),
            ("log", "boot finished"),
            ("interfaces", "Active"),
            ("audit", "create"),
            ("console", "vnc_auto.html"),
        ):
            opened(self._driver, f"{address}?tab=instance_details__{tab}")
            self._wait.until(lambda d, words=words: words in d.page_source)
            self._shot(f"instance-{tab}")
        for form in FORMS:
            opened(self._driver, f"{address}{form}")
            self._complaints += errors_on(self._driver)

    def stop(self) -> None:
        opened(self._driver, f"{self._url}/project/instances/")
        row = f"//tr[td//a[normalize-space(.)='{SERVER}']]"
        self._click(By.XPATH, f"{row}//a[contains(@class, 'dropdown-toggle')]")
        self._click(By.XPATH, f"{row}//button[contains(@id, '__action_stop')]")
        self._confirm()
        self._row("Shutoff")

    def delete(self) -> None:
        self._click(By.XPATH, f"//tr[td//a[normalize-space(.)='{SERVER}']]//label")
        self._click(By.ID, "instances__action_delete")
        self._confirm()
        self._wait.until(lambda _: not self._shown(f"//td//a[normalize-space(.)='{SERVER}']"))
        self._shot("deleted")

    def _row(self, status: str) -> None:
        """The page refreshes the rows of servers that change."""
        row = f"//tr[td//a[normalize-space(.)='{SERVER}'] and td[normalize-space(.)='{status}']]"
        self._wait.until(see.presence_of_element_located((By.XPATH, row)))

    def _shown(self, path: str) -> list[WebElement]:
        return [e for e in self._driver.find_elements(By.XPATH, path) if e.is_displayed()]

    def _click(self, by: str, what: str) -> None:
        self._wait.until(see.element_to_be_clickable((by, what))).click()

    def _confirm(self) -> None:
        self._click(By.CSS_SELECTOR, ".modal.in .modal-footer .btn-danger, .modal.in .btn-primary")

    def _shot(self, name: str) -> None:
        self._driver.save_screenshot(str(self._screenshots / f"form-{name}.png"))


def main(url: str, screenshots: Path) -> None:
    screenshots.mkdir(parents=True, exist_ok=True)
    complaints = []
    for user, pages in PAGES.items():
        driver = browser()
        try:
            sign_in(driver, url, user)
            for page in pages:
                opened(driver, url + page)
                rows = len(driver.find_elements(By.CSS_SELECTOR, "table tbody tr:not(.empty)"))
                errors = errors_on(driver)
                name = f"{user}{page.rstrip('/').replace('/', '-')}.png"
                driver.save_screenshot(str(screenshots / name))
                print(f"{user} {page}: {rows} rows, {errors or 'no errors'}")
                complaints += [f"{page}: {error}" for error in errors]
            if user == "demo":
                complaints += Launch(driver, url, screenshots).everything()
                print("a server was launched, looked at, stopped and deleted")
        except BaseException:
            driver.save_screenshot(str(screenshots / "failed.png"))
            raise
        finally:
            driver.quit()
    if complaints:
        sys.exit("; ".join(complaints))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
