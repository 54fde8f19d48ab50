# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""openapi.py SOCKET ADDRESS:PORT TOKEN DESCRIPTION CONFIGURATION SLOW: the API that serves there against its description.

Prints "ok NAME" and "not ok NAME". Every reply is held to the schema of its operation and status, more strictly than a client may: no
field may come that is not described. At the end every status of every operation was seen, but those of UNSEEN. The daemon is stopped.
"""
import copy
import http.client
import json
import re
import socket
import sys
import time

from jsonschema import Draft202012Validator, FormatChecker

SOCKET, TCP, TOKEN, DESCRIPTION, CONFIGURATION, SLOW = sys.argv[1:]
PATIENCE = 20 * int(SLOW)
GENERAL = {"400", "401", "403", "405", "413"}  # asked of each operation alike
# What takes a lack of memory, or a state that lasts for an instant only; the tests in tests/unit have some of them.
UNSEEN = {("*", "500"), ("reset", "503"), ("config_put", "503"), ("config_put", "409"), ("reload", "503"), ("reload", "409"),
          ("stop", "409"), ("upgrade_now", "409"), ("snapshot_now", "409")}

description = json.load(open(DESCRIPTION, encoding="utf-8"))
seen = set()
failed = 0


def result(name, good, why=""):
    global failed
    failed += not good
    print("ok" if good else "not ok", name, flush=True)
    if not good and why:
        print("#", str(why)[:1500].replace("\n", "\n# "))


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(SOCKET)


def connection(tcp=False):
    return http.client.HTTPConnection(TCP, timeout=PATIENCE) if tcp else UnixConnection("keepnat")


def ask(method, path, body=None, headers=None, tcp=False, length=None):
    """Status, headers and text of a reply. length: announced, and never sent."""
    link = connection(tcp)
    headers = dict(headers or {})
    if length is not None:
        headers["Content-Length"] = str(length)
    if tcp and "Authorization" not in headers:
        headers["Authorization"] = "Bearer " + TOKEN
    link.request(method, path, body=body, headers=headers)
    reply = link.getresponse()
    text = reply.read().decode("utf-8")
    link.close()
    return reply.status, reply.headers, text


def resolve(node):
    while "$ref" in node:
        at = description
        for step in node["$ref"].removeprefix("#/").split("/"):
            at = at[step]
        node = at
    return node


def strict(node):
    """The same, and no field that it does not name."""
    if isinstance(node, list):
        for item in node:
            strict(item)
    elif isinstance(node, dict):
        if node.get("type") == "object" and isinstance(node.get("properties"), dict):
            node.setdefault("additionalProperties", False)
        for item in node.values():
            strict(item)
    return node


schemas = strict(copy.deepcopy(description["components"]["schemas"]))


def complaints(schema, value):
    whole = {**strict(copy.deepcopy(schema)), "components": {"schemas": schemas}}
    return [f"{e.json_path}: {e.message[:300]}" for e in
            Draft202012Validator(whole, format_checker=FormatChecker(["ipv4"])).iter_errors(value)]


operations = {}  # id -> (method, path, operation)
for path, item in description["paths"].items():
    for method in ("get", "put", "post", "delete"):
        if method in item:
            operations[item[method]["operationId"]] = (method.upper(), path, item[method])


def replies(id, path=None, body=None, expect=200, headers=None, tcp=False, length=None, quiet=False):
    """Ask an operation; its reply is as described. The JSON, or the text."""
    method, template, operation = operations[id]
    status, got, text = ask(method, path or template, body, headers, tcp, length)
    wrong = [] if status == expect else [f"status {status}, not {expect}: {text[:300]}"]
    described = resolve(operation["responses"].get(str(status), {}))
    kind = got.get("Content-Type", "")
    value = text
    if not described:
        wrong.append(f"the status {status} is not described")
    elif kind not in described["content"]:
        wrong.append(f"its type is {kind}, not {list(described['content'])}")
    else:
        schema = described["content"][kind]["schema"]
        value = json.loads(text) if kind == "application/json" else text
        wrong += complaints(schema, value)
        for name, header in described.get("headers", {}).items():
            wrong += [f"header {name}: {w}" for w in complaints(header["schema"], got.get(name))]
    seen.add((id, str(status)))
    if wrong or not quiet:
        result(f"{method} {path or template}: {status} as described", not wrong, "; ".join(wrong))
    return value


def until(condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if condition():
                return True
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            pass
        time.sleep(0.05)
    return False


def query_of(path, operation):
    found = [resolve(p) for p in operation.get("parameters", []) + description["paths"][path].get("parameters", [])]
    return {p["name"] for p in found if p["in"] == "query"}, {p["name"] for p in found if p["in"] == "path"}


def check_description():
    wrong = []
    text = json.dumps(description)
    for reference in set(re.findall(r'"\$ref": "([^"]*)"', text)):
        try:
            resolve({"$ref": reference})
        except KeyError:
            wrong.append(f"{reference} leads nowhere")
    for kind in ("schemas", "parameters", "responses"):
        for name in description["components"][kind]:
            if f'"#/components/{kind}/{name}"' not in text:
                wrong.append(f"nothing refers to {kind}/{name}")
    for name, schema in description["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        if not schema.get("description"):
            wrong.append(f"schema {name} has no description")
    count = sum(len([m for m in item if m != "parameters"]) for item in description["paths"].values())
    if len(operations) != count:
        wrong.append("operationIds are not unique, or a method is unknown")
    for method, path, operation in operations.values():
        if query_of(path, operation)[1] != set(re.findall(r"{(\w+)}", path)):
            wrong.append(f"{method} {path}: its parts are not its parameters")
        if not operation.get("summary"):
            wrong.append(f"{method} {path}: no summary")
    result("the description is sound", not wrong and description["openapi"] == "3.1.0", "; ".join(wrong))
    result("and is what is served", replies("description", quiet=True) == description)


def check_paths():
    _, _, text = ask("GET", "/v1/nothing")
    there = set(json.loads(text)["mend"].removeprefix("there are: ").split())
    result("each path that is served is described, and no other", there == set(description["paths"]),
           there ^ set(description["paths"]))
    for path in description["paths"]:
        status, headers, _ = ask("PATCH", path.replace("{name}", "wan0"))
        described = {m for m, p, _ in operations.values() if p == path}
        served = set((headers.get("Allow") or "").split(", "))
        result(f"{path}: methods as described", status == 405 and served == described, f"{status} {served ^ described}")


def check_general():
    """Each operation: an unknown parameter, no token, another site's page, a method that it has not, a body that is too long."""
    for id, (method, path, operation) in operations.items():
        at = path.replace("{name}", "wan0")
        if id == "page_part":
            at = "/page/icon.svg"
        said = replies(id, at + "?nonsense=1", expect=400, quiet=True)["mend"]
        takes = set(said.removeprefix("it takes: ").split()) if said != "it takes none" else set()
        result(f"{method} {path}: parameters as described", takes == query_of(path, operation)[0], said)
        if operation.get("security") != []:
            replies(id, at, expect=401, tcp=True, headers={"Authorization": "Bearer wrong"}, quiet=True)
        else:
            replies(id, at, tcp=True, headers={"Authorization": "Bearer wrong"}, quiet=True)
            seen.add((id, "401"))
        replies(id, at, expect=403, headers={"Origin": "http://example.net"}, quiet=True)
        replies(id, at, expect=403, headers={"Host": "rebound.example.net:8080"}, quiet=True)
        replies(id, at, expect=413, length=1 << 30, quiet=True)
        status, _, text = ask("PATCH", at)
        wrong = complaints({"$ref": "#/components/schemas/Error"}, json.loads(text))
        seen.add((id, str(status)))
        result(f"{method} {path}: refusals as described", not wrong and {(id, c) for c in GENERAL} <= seen, wrong)


def check_lists():
    for id in ("hosts", "mappings", "sessions", "blocks", "pools"):
        value = replies(id)
        result(f"and there are {id}", len(value[id]) > 0)
        page = replies(id, f"/v1/{id}?limit=1", quiet=True)
        rows, cursor = page[id], page["cursor"]
        while cursor is not None:
            page = replies(id, f"/v1/{id}?limit=1&cursor={cursor}", quiet=True)
            rows, cursor = rows + page[id], page["cursor"]
        result(f"page by page they are as many {id}", len(rows) == len(value[id]), (len(rows), len(value[id])))
    for query in ("sessions?host=1.2.3", "sessions?outside=1.2.3.4:99999", "sessions?remote=x", "sessions?protocol=none",
                  "sessions?interface=eth9", "sessions?limit=0", "sessions?cursor=-1", "sessions?limit=1&limit=1"):
        replies("sessions", "/v1/" + query, expect=400)
    for id in ("status", "interfaces", "reasons", "config", "crashes", "snapshot", "upgrade", "page"):
        replies(id)
    replies("page_part", "/page/keepnat.js")
    replies("page_part", "/page/nothing.js", expect=404)
    replies("interfaces", "/v1/interfaces?interface=eth9", expect=400)
    replies("reasons", "/v1/reasons?interface=eth9", expect=400)
    replies("metrics")
    replies("metrics", headers={"Accept": "text/plain"})
    replies("status", tcp=True)


def check_explanations():
    for words in ("direction=out&protocol=udp&source=10.0.0.11:5000&destination=203.0.113.2:53",
                  "direction=out&protocol=gre&source=10.0.0.11&destination=203.0.113.2",
                  "direction=out&protocol=udp&source=10.0.0.11:5000&destination=192.0.2.1:53",
                  "direction=out&protocol=tcp&source=10.0.0.11:5000&destination=198.51.100.2:8080&tcp_flags=syn%2back",
                  "direction=in&protocol=tcp&source=203.0.113.2:5000&destination=198.51.100.2:8080&interface=wan0",
                  "direction=in&protocol=udp&source=203.0.113.2:5000&destination=198.51.100.51:9",
                  "direction=in&protocol=icmp&source=203.0.113.2&destination=198.51.100.50"):
        value = replies("explain", "/v1/explain?" + words)
        result("in steps", len(value["steps"]) > 1 and value["outcome"].startswith("would "), value)
    for words in ("", "direction=out&protocol=udp&source=10.0.0.11&destination=203.0.113.2:53"):
        replies("explain", "/v1/explain?" + words, expect=400)


def check_drops():
    replies("drops")
    for query in ("reason=bored", "host=x", "protocol=none", "interface=eth9", "limit=0"):
        replies("drops", "/v1/drops?" + query, expect=400)


def check_events():
    value = replies("events")
    result("and there are events", len(value["events"]) > 0)
    replies("events", "/v1/events?severity=loud", expect=400)
    replies("events", "/v1/events?event=party", expect=400)
    links = []
    for _ in range(32):
        link = connection()
        link.request("GET", "/v1/events?cursor=0", headers={"Accept": "text/event-stream"})
        reply = link.getresponse()
        links.append((link, reply))
    text = b""
    while b"data: " not in text or not text.endswith(b"\n\n"):
        text += links[0][1].read1(4096)
    data = re.search(rb"^data: (.*)$", text, re.M).group(1)
    wrong = complaints({"$ref": "#/components/schemas/Event"}, json.loads(data))
    result("what a stream tells is an event", not wrong and links[0][1].status == 200, wrong)
    replies("events", expect=503, headers={"Accept": "text/event-stream"})
    for link, _ in links:
        link.close()


def check_crashes():
    _, headers, _ = ask("GET", "/v1/status")
    result("each answer tells of a recovery", headers.get("Keepnat-Recoveries") == "1", headers)
    name = replies("crashes")["crashes"][0]["crash"]
    result("its report is there", "backtrace" in replies("crash", "/v1/crashes/" + name).get("report", ""))
    replies("crash", "/v1/crashes/none", expect=404)
    result("one was unread", replies("crashes_ack")["acknowledged"] == 1)


def check_control():
    replies("reset_report", "/v1/interfaces/wan0/reset", expect=404)
    replies("reset", "/v1/interfaces/eth9/reset", expect=404)
    replies("reset", "/v1/interfaces/lan0/reset", expect=400)
    for wrong in ('{"keep":"all"}', '{"keep":1}', '{"wait":1}', "[]", "{", '{"keep":"none","keep":"none"}', '{"more":1}'):
        replies("reset", "/v1/interfaces/wan0/reset", wrong, expect=400)
    replies("reset", "/v1/interfaces/wan0/reset", '{"keep":"hosts","wait":true}')
    result("a reset ends", until(lambda: replies("reset_report", "/v1/interfaces/wan0/reset", quiet=True)["complete"]))
    replies("reset_report", "/v1/interfaces/wan0/reset")
    for id in ("kill_sessions", "kill_mappings"):
        replies(id, expect=400)
        replies(id, operations[id][1] + "?host=x", expect=400)
        replies(id, operations[id][1] + "?host=10.0.0.11")
    replies("kill_host", "/v1/hosts/10.0.0", expect=400)
    replies("kill_host", "/v1/hosts/10.0.0.11")
    number = replies("snapshot_now")["number"]
    result("a snapshot ends", until(lambda: replies("snapshot", quiet=True)["taken"] >= number))


def check_configuration():
    text = open(CONFIGURATION, encoding="utf-8").read()
    replies("config_put", body="interfaces: 7\nnat: {speed: 11}\n", expect=422)
    replies("config_put", body="\0", expect=422)
    replies("config_put", "/v1/config?name=mine.yaml", text)
    result("its own JSON is a configuration, too", replies("config_put", body=json.dumps(replies("config", quiet=True)))["changed"] is False)
    replies("reload")
    with open(CONFIGURATION, "w", encoding="utf-8") as out:
        out.write("interfaces: none\n")
    replies("reload", expect=422)
    with open(CONFIGURATION, "w", encoding="utf-8") as out:
        out.write(text)


def check_end():
    order = replies("upgrade_now")
    until(lambda: replies("upgrade", quiet=True)["state"] in ("refused", "done", "rolled_back"))
    result("an upgrade ends", replies("upgrade")["number"] == order["number"])
    for wrong in ('{"detach":1}', '{"detached":true}', "7"):
        replies("stop", body=wrong, expect=400)
    replies("stop", body='{"detach":false}')
    wanted = {(id, code) for id, (_, _, operation) in operations.items() for code in operation["responses"]}
    missing = {(id, c) for id, c in wanted - seen if (id, c) not in UNSEEN and ("*", c) not in UNSEEN}
    result("every reply that is described was seen", not missing, sorted(missing))


check_description()
check_paths()
check_crashes()
check_lists()
check_explanations()
check_drops()
check_events()
check_general()
check_control()
check_configuration()
check_end()
sys.exit(failed > 0)
