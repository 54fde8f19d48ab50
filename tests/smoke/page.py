# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""page.py PORT BROWSER URL TOKEN PROFILE SLOW [PICTURES]: the page of the gateway at URL, by the chromedriver at PORT.

Prints "ok NAME" and "not ok NAME". The gateway is under load, has had one recovery, and is reset twice. Only WebDriver's own requests are
used, so nothing but a browser and Python need be there.
"""
import base64
import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

PORT, BROWSER, URL, TOKEN, PROFILE, SLOW = sys.argv[1:7]
PICTURES = sys.argv[7] if len(sys.argv) > 7 else ""
PATIENCE = 30 * int(SLOW)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
TAB, ENTER, ESCAPE, DOWN = "\ue004", "\ue007", "\ue00c", "\ue015"
SECTIONS = ("overview", "hosts", "pools", "reasons", "events", "recoveries")
failed = 0
base = f"http://127.0.0.1:{PORT}/session"


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=2 * PATIENCE) as reply:
            return json.load(reply)["value"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(error.read().decode()[:500]) from None


def post(path, **body):
    return call("POST", path, body)


def run(script, *arguments):
    return post("/execute/sync", script=script, args=arguments)


def find(selector):
    return post("/element", using="css selector", value=selector)[ELEMENT]


def find_all(selector):
    return [e[ELEMENT] for e in post("/elements", using="css selector", value=selector)]


def click(selector):
    post(f"/element/{find(selector)}/click")


def write(selector, text):
    element = find(selector)
    post(f"/element/{element}/clear")
    post(f"/element/{element}/value", text=text)


def press(*keys):
    strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
    post("/actions", actions=[{"type": "key", "id": "keyboard", "actions": strokes}])


def devtools(command, **parameters):
    return post("/goog/cdp/execute", cmd=command, params=parameters)


def text(selector):
    return run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)


def result(name, good, why=""):
    global failed
    failed += not good
    print("ok" if good else "not ok", name, flush=True)
    if not good:
        print("#", str(why)[:1500].replace("\n", "\n# "), flush=True)


def until(name, condition, why=lambda: ""):
    end = time.monotonic() + PATIENCE
    while not (good := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    result(name, good, "" if good else why())
    return good


def picture(name, height=750):
    if not PICTURES:
        return
    devtools("Emulation.setDeviceMetricsOverride", width=1200, height=height, deviceScaleFactor=1, mobile=False)
    time.sleep(1)
    pathlib.Path(PICTURES, name).write_bytes(base64.b64decode(call("GET", "/screenshot")))
    devtools("Emulation.clearDeviceMetricsOverride")


def begin():
    global base
    options = {"binary": BROWSER, "args": ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
               "--disable-dev-shm-usage", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 10.0.0.1", f"--user-data-dir={PROFILE}", "--window-size=1200,900"]}
    session = post("", capabilities={"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options,
                                                     "goog:loggingPrefs": {"browser": "ALL"}}})
    base += "/" + session["sessionId"]


def is_open(dialog):
    return run("return document.getElementById(arguments[0]).open", dialog)


def go(section):
    run("document.querySelector(arguments[0]).click()", f'nav a[href="#{section}"]')
    shown = run("return [...document.querySelectorAll('main > section')].filter((s) => !s.hidden).map((s) => s.id)")
    current = run("return [...document.querySelectorAll('nav a[aria-current]')].map((a) => a.hash)")
    result(f"the section {section} is seen, alone", shown == [section] and current == [f"#{section}"], (shown, current))


def rows(table):
    return run("return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map((r) => [...r.cells].map((c) => c.innerText))", table)


def check_token():
    post("/url", url=URL)
    until("who has no token is asked for it", lambda: is_open("token-dialog"))
    write("#token", "wrong-wrong-wrong")
    press(ENTER)
    until("a wrong one is none", lambda: "not the token" in text("#token-said"))
    write("#token", TOKEN)
    press(ENTER)
    until("the right one opens the page", lambda: not is_open("token-dialog") and text("#state") == "ready")
    post("/refresh")
    until("it is kept in this tab", lambda: text("#state") == "ready")
    result("and stands in no address", TOKEN not in call("GET", "/url"))


def check_overview():
    for way in ("in", "out"):
        until(f"traffic {way} is seen", lambda: text(f"#rate-{way}").endswith("Mbit/s"), lambda: text(f"#rate-{way}"))
    until("sessions are counted", lambda: text("#sessions") not in ("", "–", "0"))
    until("the charts are drawn", lambda: len(find_all(".chart canvas")) == 2)
    until("and are told in words", lambda: "now out" in run("return document.getElementById('chart-throughput').ariaLabel"))
    until("by which the traffic is told", lambda: "out 0 bit/s" not in run("return document.getElementById('chart-throughput').ariaLabel"))
    until("interfaces have their rows", lambda: [r[0] for r in rows("interfaces-table")] == ["wan0", "lan0", "lan1"])
    result("only outside ones have a reset", len(find_all("#interfaces-table button")) == 1)


def check_reset():
    click('button[aria-label="Reset wan0"]')
    result("a reset asks first", is_open("reset-dialog") and "Reset wan0?" in text("#reset-dialog"))
    press(ESCAPE)
    until("and can be left", lambda: not is_open("reset-dialog"))
    click('button[aria-label="Reset wan0"]')
    click('#reset-form input[value="hosts"]')
    click("#reset-form .danger")
    until("a click resets, and reports", lambda: "keeping hosts" in text("#reset-done"), lambda: text("#reset-dialog"))
    ended = text('[data-count="sessions_ended"]') or "0"
    now = text('[data-count="sessions_now"]') or "0"
    result("with what ended", int(ended) + int(now) > 0, (ended, now))
    press(ENTER)
    until("Enter closes the report", lambda: not is_open("reset-dialog"))
    run("document.querySelector('button[aria-label=\"Reset wan0\"]').focus()")
    press(ENTER)
    until("by keyboard: Enter asks", lambda: is_open("reset-dialog"))
    result("and what is chosen is to leave it", run("return document.activeElement.innerText") == "Cancel")
    press(TAB)
    press(ENTER)
    until("the next one resets", lambda: "keeping mappings" in text("#reset-done"), lambda: text("#reset-dialog"))
    result("the focus is in the report", run("return document.activeElement.innerText") == "Close")
    press(ESCAPE)


def sessions_seen():
    """Those of the moment: asked for anew if there were none."""
    if is_open("detail-dialog"):
        if "203.0.113.2:80" in text("#detail"):
            return True
        press(ESCAPE)
    else:
        click('button[aria-label="Sessions of 10.0.1.12"]')
    return False


def check_hosts():
    go("hosts")
    until("hosts are listed", lambda: len(rows("hosts-table")) > 20, lambda: rows("hosts-table"))
    write("#hosts-search", "10.0.0.107")
    press(ENTER)
    until("one is found by its address", lambda: [r[0] for r in rows("hosts-table")] == ["10.0.0.107"], lambda: rows("hosts-table"))
    outside = rows("hosts-table")[0][1]
    write("#hosts-search", "0.0.11")
    press(ENTER)
    until("several by a part of it", lambda: len(rows("hosts-table")) == 10 and all("0.0.11" in r[0] for r in rows("hosts-table")),
          lambda: rows("hosts-table"))
    write("#hosts-search", outside)
    press(ENTER)
    until("and by the outside address", lambda: "found" in text("#hosts-said") and "among" not in text("#hosts-said") and
          {r[1] for r in rows("hosts-table")} == {outside}, lambda: rows("hosts-table"))
    write("#hosts-search", "10.0.1.12")
    press(ENTER)
    until("the host of the load", lambda: [r[0] for r in rows("hosts-table")] == ["10.0.1.12"])
    until("has sessions", sessions_seen, lambda: text("#detail"))
    press(ESCAPE)


def check_lists():
    go("pools")
    until("pools have used and free ports", lambda: any("used, " in r[3] and "free" in r[3] for r in rows("pools-table")))
    result("each address of the pool is there", len(rows("pools-table")) >= 4, rows("pools-table"))
    go("reasons")
    until("reasons are counted", lambda: any(r[1] in ("out_fast", "out_session") for r in rows("reasons-table")), lambda: rows("reasons-table"))
    few = len(rows("reasons-table"))
    click("#reasons-all")
    until("others can be seen, too", lambda: len(rows("reasons-table")) > few)
    go("events")
    until("events have the reset", lambda: "interface_reset wan0" in text("#events-list"))
    run("const s = document.getElementById('events-severity'); s.value = '0'; s.dispatchEvent(new Event('change'))")
    until("and can be sifted", lambda: "interface_reset" not in text("#events-list"))
    result("a recovery is unread", text("#unread") == "1", text("#unread"))
    go("recoveries")
    until("it is listed", lambda: len(rows("recoveries-table")) == 1)
    click("#recoveries-table button")
    until("with its report", lambda: "backtrace" in text("#detail pre"))
    press(ESCAPE)
    click("#recoveries-ack")
    until("and can be acknowledged", lambda: not run("return document.querySelector('#recoveries-ack').checkVisibility()"))
    until("then nothing is unread", lambda: not run("return document.querySelector('#unread').checkVisibility()"))


def check_access():
    """What a screen reader says, and what a keyboard reaches."""
    nameless = []
    for section in SECTIONS:
        go(section)
        for selector in ("button", "a", "input", "select", "table th"):
            for element in find_all(f"body :is({selector})"):
                shown = run("return arguments[0].checkVisibility()", {ELEMENT: element})
                if shown and selector != "table th" and not call("GET", f"/element/{element}/computedlabel"):
                    nameless.append((section, run("return arguments[0].outerHTML", {ELEMENT: element})))
    result("everything that can be used has a name", not nameless, nameless)
    go("overview")
    run("document.activeElement.blur()")
    post("/refresh")
    until("after a reload", lambda: text("#state") == "ready")
    press(TAB)
    result("the first stop leads past the navigation", run("return document.activeElement.className") == "skip")
    stops = set()
    for _ in range(12):
        press(TAB)
        stops.add(run("const e = document.activeElement; return e.getAttribute('aria-label') ?? e.id ?? e.innerText"))
    result("the keyboard reaches the reset", "Reset wan0" in stops, stops)


CONTRAST = """
const probe = document.body.appendChild(document.createElement('i'));
const light = (name) => {
  probe.style.color = `var(--${name})`;
  const [r, g, b] = getComputedStyle(probe).color.match(/[0-9.]+/g).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const pairs = [['text', 'card'], ['text', 'ground'], ['faint', 'card'], ['faint', 'ground'], ['good', 'good-ground'], ['warn', 'warn-ground'],
  ['bad', 'bad-ground'], ['bad', 'card'], ['on-accent', 'accent']];
const weak = pairs.map(([a, b]) => [a, b, (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05)]).filter(([, , c]) => c < 4.5);
probe.remove();
return weak;
"""


def check_colours():
    grounds = []
    for scheme in ("light", "dark"):
        devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        grounds.append(run("return getComputedStyle(document.body).backgroundColor"))
        weak = run(CONTRAST)
        result(f"texts can be read in {scheme}", not weak, weak)
        picture(f"page-{scheme}.png")
    result("light and dark differ", grounds[0] != grounds[1], grounds)


def check_phone():
    devtools("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True)
    for section in SECTIONS:
        go(section)
        until(f"{section} has room on a phone", lambda: run("return document.documentElement.scrollWidth") <= 360,
              lambda: run("return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && !e.closest('.scroll') && "
                          "e.getBoundingClientRect().right > 361).map((e) => e.outerHTML.slice(0, 120))"))
        if PICTURES:
            time.sleep(1)
            pathlib.Path(PICTURES, f"phone-{section}.png").write_bytes(base64.b64decode(call("GET", "/screenshot")))
    devtools("Emulation.clearDeviceMetricsOverride")


def check_end():
    other = run("return performance.getEntriesByType('resource').map((e) => e.name).filter((n) => !n.startsWith(arguments[0]))", URL)
    result("nothing was asked of anybody else", not other, other)
    log = [e["message"] for e in post("/se/log", type="browser") if e["level"] == "SEVERE"]
    bad = [m for m in log if "401" not in m]
    result("the browser has nothing to complain of", not bad, "\n".join(bad))


begin()
try:
    check_token()
    check_overview()
    check_reset()
    check_hosts()
    check_lists()
    check_access()
    if PICTURES:
        go("overview")
        time.sleep(45)
    check_colours()
    check_phone()
    check_end()
finally:
    call("DELETE", "")
sys.exit(failed > 0)
