"""Python's httpx with one client kept: rounds of calls, asked for by lines on the standard input."""

import asyncio
import json
import ssl
import sys
import time

import httpx

FOLDER, URL, BODY = sys.argv[1:4]


async def play(client, asked):
    times, faults = [], []
    begun, busy = time.perf_counter(), time.process_time()
    until = begun + asked["milliseconds"] / 1000

    async def calls():
        made = 0
        while made < asked["at_least"] or time.perf_counter() < until:
            made += 1
            began = time.perf_counter()
            try:
                answer = (await client.post(URL, json=json.loads(BODY))).json()
                if answer["StatusCode"] != 0 or answer["Data"]["QrPaymentId"] <= 0:
                    raise ValueError(answer)
                times.append(time.perf_counter() - began)
            except Exception as error:  # every reason is reported
                faults.append(repr(error))

    await asyncio.gather(*(calls() for _ in range(asked["in_flight"])))
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    times.sort()

    def at(share):
        return times[min(int(len(times) * share), len(times) - 1)] * 1e6 if times else 0.0

    return {
        "calls": len(times),
        "failed": len(faults),
        "why": faults[0] if faults else None,
        "per_second": len(times) / seconds,
        "p50_us": at(0.50),
        "p99_us": at(0.99),
        "cpu_us_per_call": busy * 1e6 / max(len(times), 1),
    }


async def main():
    trust = ssl.create_default_context(cafile=f"{FOLDER}/chain.pem")
    trust.load_cert_chain(f"{FOLDER}/client.pem", f"{FOLDER}/client.key")
    limits = httpx.Limits(max_connections=128, max_keepalive_connections=128)
    async with httpx.AsyncClient(verify=trust, limits=limits, trust_env=False, timeout=60) as client:
        print(json.dumps({"ready": True}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await play(client, json.loads(line))), flush=True)


asyncio.run(main())
