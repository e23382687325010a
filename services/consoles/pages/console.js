// The page around noVNC. The query's `path` is where the WebSocket is, seen from this page's
// folder; it carries the token.
import RFB from "./novnc/core/rfb.js";

const query = new URLSearchParams(location.search);
const path = query.get("path") ?? `?token=${query.get("token") ?? ""}`;
const url = new URL(`./${path.replace(/^\/+/, "")}`, location.href);
url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
url.hash = "";

const status = document.getElementById("status");
const ctrlAltDel = document.getElementById("ctrl-alt-del");

function say(text, bad = false) {
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

const rfb = new RFB(document.getElementById("screen"), url.href, { wsProtocols: ["binary"] });
rfb.scaleViewport = true;
rfb.background = "#1c1c1c";

let connected = false;
rfb.addEventListener("connect", () => {
  connected = true;
  ctrlAltDel.disabled = false;
  say("Connected");
  rfb.focus();
});
rfb.addEventListener("disconnect", (event) => {
  ctrlAltDel.disabled = true;
  if (!connected) {
    say("No connection: the address has expired, or the server is gone. Ask for a new one.", true);
  } else {
    say(event.detail.clean ? "Disconnected" : "The connection was lost", !event.detail.clean);
  }
});
rfb.addEventListener("securityfailure", (event) => {
  say(`Refused: ${event.detail.reason ?? event.detail.status}`, true);
});
rfb.addEventListener("desktopname", (event) => {
  document.title = `${event.detail.name} - console`;
  document.getElementById("name").textContent = event.detail.name;
});
ctrlAltDel.addEventListener("click", () => {
  rfb.sendCtrlAltDel();
  rfb.focus();
});
