#!/usr/bin/env python3
"""One order, one invoice, whatever happens in between.

    kaspi serve --sandbox                # prints the address of the gateway
    python3 examples/order_flow.py http://127.0.0.1:8014
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

# which organisation gets the money of which shop
BIN_OF_SHOP = {"flowers": "891027350515", "gifts": "210440028324"}


class Gateway:
    def __init__(self, address):
        self.address = address
        # gateway and backend are neighbours: no proxy between them
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method, path, body=None, key=None):
        """Gives the HTTP status and the answer; every status is an answer here."""
        headers = {"Content-Type": "application/json"}
        if token := os.environ.get("KASPI_TOKEN"):  # a sandbox needs none
            headers["Authorization"] = f"Bearer {token}"
        if key:
            headers["Idempotency-Key"] = key
        payload = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.address + path, payload, headers, method=method)
        try:
            with self.opener.open(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


class LookFirst(Exception):
    """It may have happened. A person looks before anybody asks with another key."""


def ask_for_money(gateway, shop, order, phone, amount):
    """The number of the payment. The key is the order's: asked twice, it is one invoice."""
    body = {
        "phone": phone,
        "amount": amount,
        "message": f"Order {order}",
        "organization_bin": BIN_OF_SHOP[shop],
    }
    for attempt in range(3):
        status, answer = gateway.call("POST", "/api/v1/kaspi/create", body, f"order-{order}")
        if status == 200:
            return answer["external_id"]
        if status == 504:
            raise LookFirst(answer["detail"])
        if status not in (429, 503):  # these two were not sent; anything else stays as it is
            raise ValueError(answer["detail"])
        time.sleep(1 + attempt)
    raise TimeoutError("not sent, three times: try again later, with the same key")


def pay_back(gateway, order, payment, amount, number):
    """Each refund of an order has a number of its own in its key."""
    body = {"external_id": payment, "amount": amount}
    return gateway.call("POST", "/api/v1/kaspi/refund", body, f"order-{order}-refund-{number}")


def main():
    gateway = Gateway(sys.argv[1])
    first = ask_for_money(gateway, "gifts", 17, "77000000000", 990)
    again = ask_for_money(gateway, "gifts", 17, "77000000000", 990)
    assert first == again, "one order, two invoices"
    try:
        ask_for_money(gateway, "gifts", 17, "77000000000", 1990)
    except ValueError as conflict:
        print(f"another amount under the same key: {conflict}")
    else:
        sys.exit("the same key made two different invoices")
    print(f"order 17 is payment {first}: {gateway.call('GET', f'/api/v1/kaspi/status/{first}')[1]['status']}")
    status, answer = pay_back(gateway, 17, first, 90, 1)
    print(f"a refund before it is paid: {status} {answer['detail']}")


if __name__ == "__main__":
    main()
