#!/usr/bin/env python3
"""A client in another language against `kaspi sandbox run`, from the documented facts alone.

    python3 examples/sandbox_client.py PATH_OF_KASPI

It starts a sandbox, as the fixture of a test-suite would, and takes money in the three ways that scheme
r3 has: by phone, by QR code and by link. Nothing but Python's standard library is needed; the TLS is
OpenSSL's. Copy `Sandbox` into your own tests and point your own client at `sandbox.base_url`.
"""

import http.client
import json
import pathlib
import ssl
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import uuid


class Sandbox:
    """A simulated Kaspi in a process of its own, with a folder of test certificates."""

    def __init__(self, kaspi: str, folder: pathlib.Path):
        subprocess.run([kaspi, "sandbox", "init", str(folder)], check=True, stdout=subprocess.DEVNULL)
        self.folder = folder
        self.process = subprocess.Popen(
            [kaspi, "sandbox", "run", "--dir", str(folder)], stdout=subprocess.PIPE, text=True
        )
        # one line of JSON when both ports answer
        ready = json.loads(self.process.stdout.readline())
        self.listen, self.control = ready["listen"], ready["control"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def do(self, path: str, body: dict | None = None):
        """Calls the control API: what customers, cashiers and time do."""
        request = urllib.request.Request(
            f"http://{self.control}{path}", method="POST", data=json.dumps(body or {}).encode()
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def requests(self) -> list[dict]:
        """What the server saw, and with which certificate."""
        with urllib.request.urlopen(f"http://{self.control}/requests", timeout=10) as answer:
            return json.load(answer)

    def merchant(self, bin_: str) -> "Kaspi":
        return Kaspi(self, bin_)


class Refused(Exception):
    """Kaspi answered with a StatusCode other than 0."""

    def __init__(self, code: int):
        super().__init__(f"StatusCode {code}")
        self.code = code


class Kaspi:
    """The calls of scheme r3 for one organisation, over its own certificate."""

    def __init__(self, sandbox: Sandbox, bin_: str):
        folder = sandbox.folder / "certs" / bin_
        context = ssl.create_default_context(cafile=sandbox.folder / "kbs_chain.pem")
        password = (folder / "password").read_text().strip()
        context.load_cert_chain(folder / "certificate.cer", folder / "private.key", password)
        host, port = sandbox.listen.rsplit(":", 1)
        self.connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=20)
        self.bin = bin_
        self.token = next(
            line.split('"')[1]
            for line in (folder / "merchant.toml").read_text().splitlines()
            if line.startswith("device_token ")
        )

    def call(self, method: str, path: str, body: dict | None = None):
        headers = {"Content-Type": "application/json", "X-Request-ID": uuid.uuid4().hex}
        payload = json.dumps(body) if body is not None else None
        self.connection.request(method, f"/r3/{path}", payload, headers)
        answer = json.loads(self.connection.getresponse().read())
        if answer["StatusCode"] != 0:
            raise Refused(answer["StatusCode"])
        return answer.get("Data")

    def own(self, **fields):
        return {"OrganizationBin": self.bin, "DeviceToken": self.token, **fields}

    def trade_points(self):
        return self.call("GET", f"v01/partner/tradepoints/{self.bin}")

    def invoice(self, phone: str, amount: float, comment: str) -> int:
        body = self.own(Amount=amount, PhoneNumber=phone, Comment=comment)
        return self.call("POST", "v01/remote/create", body)["QrPaymentId"]

    def cancel(self, payment: int) -> str:
        return self.call("POST", "v01/remote/cancel", self.own(QrPaymentId=payment))["Status"]

    def qr(self, amount: float):
        return self.call("POST", "v01/qr/create", self.own(Amount=amount, ExternalId="15"))

    def link(self, amount: float):
        return self.call("POST", "v01/qr/create-link", self.own(Amount=amount, ExternalId="16"))

    def status(self, payment: int) -> str:
        return self.call("GET", f"v02/payment/status/{payment}")["Status"]

    def left(self, payment: int) -> float:
        query = urllib.parse.urlencode({"QrPaymentId": payment, "DeviceToken": self.token})
        return self.call("GET", f"v01/payment/details?{query}")["AvailableReturnAmount"]

    def refund(self, payment: int, amount: float) -> int:
        body = self.own(QrPaymentId=payment, Amount=amount)
        return self.call("POST", "v01/payment/return", body)["ReturnOperationId"]


def must_be(what: str, found, expected):
    if found != expected:
        sys.exit(f"{what}: expected {expected!r}, found {found!r}")
    print(f"ok  {what}: {found}")


def refused(what: str, code: int, call, *arguments):
    try:
        call(*arguments)
    except Refused as refusal:
        must_be(what, refusal.code, code)
    else:
        sys.exit(f"{what}: was not refused")


def by_phone(sandbox: Sandbox, shop: Kaspi, other: Kaspi):
    payment = shop.invoice("77000000000", 100.5, "Order 17")
    must_be("an invoice waits", shop.status(payment), "RemotePaymentCreated")
    refused("an unpaid invoice cannot be refunded", -99000011, shop.refund, payment, 1)
    sandbox.do(f"/payments/{payment}/pay")
    must_be("it is paid", shop.status(payment), "Processed")
    shop.refund(payment, 50)
    must_be("what is left after a refund of 50", shop.left(payment), 50.5)
    refused("more than the rest cannot be refunded", -99000005, shop.refund, payment, 60)
    refused("nor through another organisation", -99000003, other.refund, payment, 10)
    shop.refund(payment, 50.5)
    must_be("what is left in the end", shop.left(payment), 0)

    unpaid = shop.invoice("87000000000", 10, "Order 18")
    must_be("an invoice is taken back", shop.cancel(unpaid), "RemotePaymentCanceled")
    must_be("and stays so", shop.status(unpaid), "RemotePaymentCanceled")


def by_qr_and_link(sandbox: Sandbox, shop: Kaspi):
    qr = shop.qr(200.0)
    payment = qr["QrPaymentId"]
    must_be("a QR code", (shop.status(payment), len(qr["QrToken"]) > 0), ("QrTokenCreated", True))
    sandbox.do(f"/payments/{payment}/scan")
    must_be("it is scanned", shop.status(payment), "Wait")
    sandbox.do(f"/payments/{payment}/pay")
    must_be("and paid", shop.status(payment), "Processed")

    link = shop.link(300.0)
    must_be("a link", link["PaymentLink"].startswith("https://pay.kaspi.kz/pay/"), True)
    sandbox.do("/clock/advance", {"seconds": 600})
    must_be("nobody opened it in time", shop.status(link["PaymentId"]), "Error")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as parent:
        with Sandbox(sys.argv[1], pathlib.Path(parent) / "kaspi") as sandbox:
            shop, other = sandbox.merchant("891027350515"), sandbox.merchant("210440028324")
            must_be("trade points", len(shop.trade_points()), 1)
            by_phone(sandbox, shop, other)
            by_qr_and_link(sandbox, shop)
            seen = {(row["bin"], row["client_cert_sha256"]) for row in sandbox.requests() if row["bin"]}
            must_be("each organisation came with one certificate of its own", len(seen), 2)


if __name__ == "__main__":
    main()
