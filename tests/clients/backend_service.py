#!/usr/bin/env python3
"""Callers of today in front of the gateway, while the bank misbehaves.

Two callers are copied here with their habits, the bad ones too:

`WrapperClient` is the backend's client of the old PHP wrapper: GET with everything in the query, 30 s,
any HTTP error and any time-out is tried again up to three times, for calls that move money too, and an
empty body counts as success. `BackendCaller` posts to `/api/v1/kaspi` and tries again four times on any
answer that is not 2xx.

Each scenario arms a fault at the simulated bank, lets a caller do what it does, and then counts at the
bank: one order is one invoice, a refund is paid back once. The last line says `ok`; the exit code is 1
where a count is wrong.

    kaspi serve --sandbox -o json        # prints the addresses
    backend_service.py --gateway http://127.0.0.1:8014 --control http://127.0.0.1:PORT
"""

import argparse
import itertools
import json
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

try:
    import httpx
except ImportError:  # the standard library behaves the same for what is needed here
    httpx = None

BIN = "891027350515"
CREATE = "/r3/v01/remote/create"
RETURN = "/r3/v01/payment/return"


class HttpFailure(Exception):
    """A time-out, a broken connection, or (where the caller counts it so) a status that is not 2xx."""


def send(method, url, timeout, body=None, headers=None):
    """One request; gives status, headers and text. Proxies of the environment are ignored."""
    headers = dict(headers or {})
    if body is not None:
        headers["Content-Type"] = "application/json"
    if httpx is not None:
        try:
            with httpx.Client(timeout=timeout, follow_redirects=True, trust_env=False) as client:
                answer = client.request(method, url, content=body, headers=headers)
                return answer.status_code, dict(answer.headers), answer.text
        except httpx.HTTPError as error:
            raise HttpFailure(type(error).__name__) from error
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(
        url, data=None if body is None else body.encode(), method=method, headers=headers
    )
    try:
        with opener.open(request, timeout=timeout) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()
    except (urllib.error.URLError, socket.timeout, ConnectionError, OSError) as error:
        raise HttpFailure(type(error).__name__) from error


class Checks:
    """The gateway's own call that asks the bank at once, beside the old contracts."""

    base, token = "", None

    def check(self, external_id):
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        _, _, text = send("GET", f"{self.base}/api/v1/kaspi/check/{external_id}", 30.0, None, headers)
        return json.loads(text)


class WrapperClient(Checks):
    """The backend's service layer over the old wrapper's contract."""

    def __init__(self, base, token=None, timeout=30.0, retries=3, pause=1.0):
        self.base, self.token = base.rstrip("/"), token
        self.timeout, self.retries, self.pause = timeout, retries, pause
        self.requests = 0

    def call(self, operation, **params):
        query = {} if self.token is None else {"access_token": self.token}
        query.update({name: value for name, value in params.items() if value is not None})
        url = f"{self.base}/api/v2/paymentkaspi/{operation}/?{urllib.parse.urlencode(query)}"
        last = None
        for attempt in range(self.retries + 1):
            if attempt:
                time.sleep(self.pause)
            self.requests += 1
            try:
                status, _, text = send("GET", url, self.timeout)
                if not 200 <= status < 300:
                    raise HttpFailure(f"HTTP {status}")
            except HttpFailure as error:
                last = error
                continue
            if not text.strip():
                return {"status": True, "data": {}}
            return json.loads(text)
        return {"status": False, "error": f"Max retries exceeded: {last}"}

    @staticmethod
    def truth(answer):
        return answer.get("status", answer.get("success", False))

    def create(self, phone, amount, message, organization_bin=None):
        answer = self.call(
            "create", phone=phone, amount=str(float(amount)), message=message, organizationBin=organization_bin
        )
        data = answer.get("data") or {}
        return {"success": self.truth(answer), "external_id": data.get("externalId"), "answer": answer}

    def status(self, external_id):
        answer = self.call("status", externalId=external_id)
        return {"success": self.truth(answer), "status": (answer.get("data") or {}).get("status")}

    def refund(self, external_id, amount, organization_bin=None):
        answer = self.call(
            "refund", externalId=external_id, amount=str(float(amount)), organizationBin=organization_bin
        )
        return {"success": self.truth(answer), "answer": answer}


class BackendCaller(Checks):
    """Whoever calls the backend's own contract: any status that is not 2xx is tried again."""

    def __init__(self, base, token=None, timeout=30.0, attempts=4, pause=0.2):
        self.base, self.token = base.rstrip("/"), token
        self.timeout, self.attempts, self.pause = timeout, attempts, pause
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.requests = 0

    def call(self, method, path, body=None):
        last = {"detail": "never asked"}
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.pause)
            self.requests += 1
            try:
                status, _, text = send(
                    method,
                    self.base + "/api/v1/kaspi" + path,
                    self.timeout,
                    None if body is None else json.dumps(body),
                    self.headers,
                )
            except HttpFailure as error:
                last = {"detail": str(error)}
                continue
            last = json.loads(text)
            if 200 <= status < 300:
                return last
        return {"success": False, **last}

    def create(self, phone, amount, message, organization_bin=None):
        body = {"phone": phone, "amount": amount, "message": message}
        if organization_bin is not None:
            body["organization_bin"] = organization_bin
        return self.call("POST", "/create", body)

    def status(self, external_id):
        return self.call("GET", f"/status/{external_id}")

    def refund(self, external_id, amount, organization_bin=None):
        body = {"external_id": str(external_id), "amount": amount}
        if organization_bin is not None:
            body["organization_bin"] = organization_bin
        return self.call("POST", "/refund", body)


class Bank:
    """The simulated bank's control interface: what a customer, a cashier and bad luck do."""

    def __init__(self, control):
        self.control = control.rstrip("/")

    def call(self, method, path, body=None):
        status, _, text = send(method, self.control + path, 30.0, None if body is None else json.dumps(body))
        if status != 200:
            raise SystemExit(f"the bank's control interface: {method} {path}: {status} {text}")
        return json.loads(text)

    def arm(self, path, fault, times=1, **more):
        self.call("POST", "/faults", {"path": path, "fault": fault, "times": times, **more})

    def calm(self):
        self.call("DELETE", "/faults")

    def invoices(self, phone):
        return [row for row in self.call("GET", "/payments") if row["phone"] == phone]

    def payment(self, payment_id):
        return self.call("GET", f"/payments/{payment_id}")

    def pay(self, payment_id):
        self.call("POST", f"/payments/{payment_id}/pay")


class Report:
    def __init__(self):
        self.failures = 0

    def check(self, scenario, holds, **facts):
        if not holds:
            self.failures += 1
        line = {"scenario": scenario, "ok": bool(holds), **facts}
        print(json.dumps(line, ensure_ascii=False, default=str), flush=True)


PHONES = (f"7700{number:07d}" for number in itertools.count(1))


def plain_day(report, bank, caller, name):
    """Create, look, pay, refund, too much: everything in good order."""
    phone = next(PHONES)
    made = caller.create(phone, 100.0, "Order", BIN)
    invoices = bank.invoices(phone)
    report.check(f"{name}: create", made["success"] is True and len(invoices) == 1, invoices=len(invoices))
    payment = invoices[0]["payment_id"]
    report.check(f"{name}: the same id", str(made["external_id"]) == str(payment), answered=made["external_id"])
    waiting = caller.status(payment)
    report.check(f"{name}: not paid yet", waiting["success"] is True, status=waiting["status"])
    bank.pay(payment)
    back = caller.refund(payment, 30.0)
    report.check(f"{name}: refund", back["success"] is True, refunded=bank.payment(payment)["refunded"])
    over = caller.refund(payment, 1000.0, BIN)
    told = json.dumps(over, ensure_ascii=False)
    report.check(f"{name}: too much", not over["success"] and "Insufficient funds" in told, told=told)
    report.check(f"{name}: paid back once", bank.payment(payment)["refunded"] == "30.00")


def create_under(report, bank, caller, name, fault, **more):
    """Whatever happens to the call, and however often it is made: at most one invoice."""
    phone = next(PHONES)
    bank.arm(CREATE, fault, **more)
    made = caller.create(phone, 150.0, "Order", BIN)
    # Somebody presses the button again.
    again = caller.create(phone, 150.0, "Order", BIN)
    bank.calm()
    invoices = bank.invoices(phone)
    ids = {str(row["payment_id"]) for row in invoices}
    answered = {str(one["external_id"]) for one in (made, again) if one.get("success") and one.get("external_id")}
    holds = len(invoices) <= 1 and answered <= ids
    # No invoice was made up: whoever was told of success has one.
    holds = holds and not any(one.get("success") and not one.get("external_id") for one in (made, again))
    report.check(
        f"{name}: create under {fault}",
        holds,
        invoices=len(invoices),
        success=[one.get("success") for one in (made, again)],
    )


def refund_under(report, bank, caller, name, fault, done, **more):
    """A refund whose answer is lost is not paid back a second time by the caller's repetitions."""
    phone = next(PHONES)
    caller.create(phone, 100.0, "Order", BIN)
    payment = bank.invoices(phone)[0]["payment_id"]
    bank.pay(payment)
    bank.arm(RETURN, fault, **more)
    first = caller.refund(payment, 40.0, BIN)
    again = caller.refund(payment, 40.0, BIN)
    bank.calm()
    refunded = bank.payment(payment)["refunded"]
    report.check(
        f"{name}: refund under {fault}",
        refunded in done,
        refunded=refunded,
        success=[one.get("success") for one in (first, again)],
    )


def impatient(report, bank, make, name):
    """A caller that hangs up before the answer and asks again, four times in all: one invoice."""
    caller = make(timeout=0.5, pause=0.1)
    phone = next(PHONES)
    bank.arm(CREATE, "delay", delay_ms=1500)
    caller.create(phone, 170.0, "Order", BIN)
    patient = make()
    made = patient.create(phone, 170.0, "Order", BIN)
    bank.calm()
    invoices = bank.invoices(phone)
    report.check(
        f"{name}: hung up",
        len(invoices) == 1 and made.get("success") and str(made["external_id"]) == str(invoices[0]["payment_id"]),
        invoices=len(invoices),
        requests=caller.requests + patient.requests,
    )
    # A real second order like the first, once the first is known to be paid, gets its own.
    payment = invoices[0]["payment_id"]
    bank.pay(payment)
    checked = patient.check(payment)
    report.check(f"{name}: checked", checked.get("status") == "Processed", status=checked.get("status"))
    second = patient.create(phone, 170.0, "Order", BIN)
    report.check(
        f"{name}: a second order",
        second.get("success") and len(bank.invoices(phone)) == 2,
        invoices=len(bank.invoices(phone)),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", required=True, help="beginning of the gateway's address")
    parser.add_argument("--control", required=True, help="beginning of the simulated bank's control address")
    parser.add_argument("--token-file", help="file with the caller's token, where the gateway wants one")
    options = parser.parse_args()
    token = None
    if options.token_file:
        with open(options.token_file, encoding="utf-8") as file:
            token = file.read().strip()

    bank, report = Bank(options.control), Report()
    bank.calm()
    callers = {
        "old wrapper": lambda **more: WrapperClient(options.gateway, token, **{"pause": 0.2, **more}),
        "backend": lambda **more: BackendCaller(options.gateway, token, **more),
    }
    for name, make in callers.items():
        plain_day(report, bank, make(), name)
        for fault in [
            "reset_before_commit",
            "reset_after_commit",
            "html_502",
            "empty_body",
            "truncated_json",
            "unavailable_before_commit",
            "unavailable_after_commit",
        ]:
            create_under(report, bank, make(), name, fault)
        # Done at the bank: exactly once. Not done: open, and not sent again behind anybody's back.
        for fault in ["reset_after_commit", "empty_body", "truncated_json", "unavailable_after_commit"]:
            refund_under(report, bank, make(), name, fault, {"40.00"})
        for fault in ["reset_before_commit", "html_502", "refund_retry"]:
            refund_under(report, bank, make(), name, fault, {"0.00", "40.00"})
        impatient(report, bank, make, name)
    print("ok" if not report.failures else f"{report.failures} failed", flush=True)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
