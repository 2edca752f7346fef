"""The Kubernetes example against the program.

    python3 .ci/manifests.py target/release/kaspi

What the manifest mounts is laid out in a folder as the kubelet does it, with the links through `..data`, and with the
files of a simulated Kaspi for the secrets. The program is started by the manifest's own words; then it is probed, and a
Secret is renewed under it.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request

import yaml

PATIENCE = 60
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
HERE = pathlib.Path("packaging/kubernetes")


def documents(name):
    return [document for document in yaml.safe_load_all((HERE / name).read_text()) if document]


def one(of_kind, manifests):
    found = [manifest for manifest in manifests if manifest["kind"] == of_kind]
    assert len(found) == 1, f"{len(found)} of {of_kind}"
    return found[0]


def wait_for(what, ask):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.1)
    raise SystemExit(f"waited {PATIENCE} s for {what}")


class Example:
    """The manifests, and what has to fit in them."""

    def __init__(self):
        manifests = documents("kaspi.yaml")
        self.config = one("ConfigMap", manifests)
        self.deployment = one("Deployment", manifests)
        self.service = one("Service", manifests)
        self.secrets = {secret["metadata"]["name"]: secret for secret in documents("secrets.example.yaml")}
        self.pod = self.deployment["spec"]["template"]["spec"]
        (self.container,) = self.pod["containers"]
        self.toml = self.config["data"]["kaspi.toml"]
        self.settings = tomllib.loads(self.toml)
        self.volumes = {volume["name"]: volume for volume in self.pod["volumes"]}
        self.mounts = {mount["mountPath"]: mount for mount in self.container["volumeMounts"]}
        self.bins = {}
        for path, mount in self.mounts.items():
            if "secret" in self.volumes[mount["name"]]:
                self.bins[os.path.basename(path)] = self.volumes[mount["name"]]["secret"]["secretName"]

    def check(self):
        labels = self.deployment["spec"]["template"]["metadata"]["labels"]
        assert self.deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert self.service["spec"]["selector"].items() <= labels.items(), "the Service selects other pods"
        names = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        (port,) = self.service["spec"]["ports"]
        assert port["targetPort"] in names
        listen = self.settings["gateway"]["listen"]
        assert listen.rpartition(":")[2] == str(names[port["targetPort"]]), f"it listens on {listen}, not on {names}"
        assert listen.startswith("0.0.0.0:"), "nobody reaches a pod that listens for itself"

        for mount in self.container["volumeMounts"]:
            assert "subPath" not in mount and "subPathExpr" not in mount, f"{mount}: it would never be renewed"
        certs = self.settings["certs_dir"]
        for bin_, secret in self.bins.items():
            assert f"{certs}/{bin_}" in self.mounts, f"BIN {bin_} is mounted outside {certs}"
            assert self.mounts[f"{certs}/{bin_}"].get("readOnly"), bin_
            assert secret in self.secrets, f"secrets.example.yaml shows no {secret}"
        assert len(set(self.bins.values())) == len(self.bins) >= 2, "one Secret for each BIN"
        assert self.settings["default_bin"] in self.bins
        for token in self.settings["gateway"]["token"]:
            assert set(token["bins"]) <= set(self.bins), f"{token['name']} may act for BINs that are not mounted"
        state = self.mounts[os.path.dirname(self.settings["state_dir"])]
        assert "emptyDir" in self.volumes[state["name"]] and not state.get("readOnly")
        config = self.container["args"][self.container["args"].index("--config") + 1]
        assert os.path.dirname(config) in self.mounts and os.path.basename(config) in self.config["data"]
        assert set(self.volumes) == {mount["name"] for mount in self.container["volumeMounts"]}

        for entry in self.container["env"]:
            reference = entry["valueFrom"]["secretKeyRef"]
            assert reference["key"] in self.secrets[reference["name"]]["stringData"], reference
        assert self.deployment["spec"]["replicas"] == 1 or "KASPI_JOURNAL_URL" in [e["name"] for e in self.container["env"]]

        user = next(line for line in open("Dockerfile") if line.startswith("USER ")).split()[1]
        security = self.pod["securityContext"]
        assert user == f"{security['runAsUser']}:{security['runAsGroup']}" and security["runAsNonRoot"]
        own = self.container["securityContext"]
        assert own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"]
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert self.pod["automountServiceAccountToken"] is False
        for volume in self.volumes.values():
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440, "a key for the group alone"


def mount(folder, version, files):
    """What the kubelet makes of a Secret or a ConfigMap; of a later version too: one link is swapped."""
    real = folder / f"..2026_{version}"
    real.mkdir(parents=True)
    for name, data in files.items():
        (real / name).write_bytes(data)
        (real / name).chmod(0o440)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(real.name)
    os.replace(folder / "..data_tmp", folder / "..data")


def secret_files(example, bin_, shop):
    """The keys that the example has, filled from the simulated bank."""
    own = shop / "certs" / bin_
    said = tomllib.loads((own / "merchant.toml").read_text())
    shown = example.secrets[example.bins[bin_]]["stringData"]
    filled = {
        "merchant.toml": shown["merchant.toml"].encode(),
        "device.token": said["device_token"].encode(),
        **{name: (own / name).read_bytes() for name in ("certificate.cer", "private.key", "password")},
    }
    assert filled.keys() == shown.keys(), f"{bin_}: {filled.keys()} and {shown.keys()}"
    assert tomllib.loads(shown["merchant.toml"])["trade_point_id"] == said["trade_point_id"]
    return filled


def run(kaspi):
    example = Example()
    example.check()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        running = []
        try:
            play(kaspi, example, scratch, running)
        finally:
            for process in running:
                process.kill()
                process.wait()


def play(kaspi, example, scratch, running):
    def told(*arguments, **more):
        ran = subprocess.run([kaspi, "-o", "json", *arguments], capture_output=True, text=True, **more)
        assert ran.returncode == 0, f"{arguments}: {ran.stdout} {ran.stderr}"
        return json.loads(ran.stdout)

    def started(arguments, environment=None):
        log = open(scratch / "log", "a+")
        process = subprocess.Popen([kaspi, *arguments], stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        running.append(process)
        line = process.stdout.readline()
        assert line, (scratch / "log").read_text()
        return process, json.loads(line)

    bins = [word for bin_ in example.bins for word in ("--bin", bin_)]
    shop = scratch / "shop"
    told("sandbox", "init", str(shop), *bins)
    _, bank = started(["sandbox", "run", "--dir", str(shop)])
    token = told("token", "new", "--name", "shop-backend", *bins)

    root = scratch / "root"
    certs = root / example.settings["certs_dir"].lstrip("/")
    for bin_ in example.bins:
        mount(certs / bin_, 1, secret_files(example, bin_, shop))
    state = root / os.path.dirname(example.settings["state_dir"]).lstrip("/")
    state.mkdir(parents=True)
    base_url, proxy = example.settings["kaspi"]["base_url"], example.settings["kaspi"]["proxy"]
    (hash_,) = {entry["sha256"] for entry in example.settings["gateway"]["token"]}
    text = example.toml
    for here, there in [
        (f'"{example.settings["certs_dir"]}"', f'"{certs}"'),
        (f'"{example.settings["state_dir"]}"', f'"{state}/state"'),
        (f'"{base_url}"', f'"https://{bank["listen"]}/r3"\nextra_ca_file = "{shop}/kbs_chain.pem"'),
        (f'proxy = "{proxy}"', ""),
        (f'"{example.settings["gateway"]["listen"]}"', '"127.0.0.1:0"'),
        (hash_, token["sha256"]),
    ]:
        assert text.count(here) == 1, here
        text = text.replace(here, there)
    config = root / "etc/kaspi"
    mount(config, 1, {"kaspi.toml": text.encode()})

    arguments = [str(config / "kaspi.toml") if word.startswith("/etc/kaspi/") else word for word in example.container["args"]]
    (journal,) = [entry for entry in example.container["env"] if entry["name"] == "KASPI_JOURNAL_URL"]
    reference = journal["valueFrom"]["secretKeyRef"]
    address = example.secrets[reference["name"]]["stringData"][reference["key"]]
    # the address in the example is one that the program takes; nobody is there
    told("merchants", "list", "--config", arguments[1], env={"KASPI_JOURNAL_URL": address})

    environment = {"KASPI_JOURNAL_URL": f"sqlite://{state}/kaspi.db"}
    gateway, ready = started([*arguments, "-o", "json"], environment)
    gate = f"http://{ready['listen']}"
    probes = {probe: example.container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    for probe, path in probes.items():
        assert DIRECT.open(gate + path).status == 200, probe
    assert json.load(DIRECT.open(gate + "/readyz"))["merchants"] == [
        {"bin": bin_, "state": "ready"} for bin_ in sorted(example.bins)
    ]
    for bin_ in example.bins:
        body = json.dumps({"phone": "77000000000", "amount": 100, "message": "Order 17", "organization_bin": bin_})
        call = urllib.request.Request(
            gate + "/api/v1/kaspi/create", body.encode(), {"Content-Type": "application/json", "X-API-Key": token["token"]}
        )
        assert json.load(DIRECT.open(call))["success"] is True, bin_

    # one Secret is renewed; the other BIN stays what it is
    renewed, other = list(example.bins)[:2]
    later = scratch / "later"
    told("sandbox", "init", str(later), *bins, "--ca", str(shop))
    files = secret_files(example, renewed, later)
    files["device.token"] = secret_files(example, renewed, shop)["device.token"]

    def served(bin_):
        sheet = told("merchants", "show", "--config", arguments[1], "--bin", bin_, env=environment)
        assert sheet["source"] == "live", sheet
        return sheet["certificate_sha256"], sheet["generation"]

    before = {bin_: served(bin_) for bin_ in example.bins}
    mount(certs / renewed, 2, files)
    wait_for("the renewed Secret to be served", lambda: served(renewed) != before[renewed])
    assert served(other) == before[other]

    gateway.send_signal(signal.SIGTERM)
    assert gateway.wait(PATIENCE) == 0
    print(f"{len(example.bins)} BINs from Secrets, {len(probes)} probes, one Secret renewed")


if __name__ == "__main__":
    run(os.path.realpath(sys.argv[1]))
