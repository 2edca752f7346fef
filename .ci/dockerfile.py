"""What a linter does not know of our Dockerfile.

    python3 .ci/dockerfile.py Dockerfile                checks it
    python3 .ci/dockerfile.py --variables Dockerfile    prints the variables of the last stage
    python3 .ci/dockerfile.py --sources Dockerfile      prints what it takes from the repository
"""

import fnmatch
import os
import re
import shlex
import sys

SECRET = re.compile(r"PASS|SECRET|TOKEN|IDENTITY|PRIVATE|KEY", re.I)


def instructions(text):
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), rest.strip()


def stages(text):
    found = []
    for word, rest in instructions(text):
        if word == "FROM":
            found.append({"from": rest, "rest": []})
        else:
            found[-1]["rest"].append((word, rest))
    return found


def variables(stage):
    return [pair for word, rest in stage["rest"] if word == "ENV" for pair in shlex.split(rest)]


def sources(found):
    for stage in found:
        for word, rest in stage["rest"]:
            if word == "COPY" and "--from=" not in rest:
                yield from [part for part in rest.split() if not part.startswith("--")][:-1]


def let_in(path):
    """Whether .dockerignore lets a path into the build, which begins with nothing."""
    kept = False
    for line in open(".dockerignore"):
        line = line.strip()
        if line and not line.startswith("#"):
            pattern = line.lstrip("!")
            if fnmatch.fnmatch(path, pattern) or path.startswith(pattern + "/"):
                kept = line.startswith("!")
    return kept


def check(text):
    found = stages(text)
    names = set()
    for stage in found:
        image, *name = re.split(r"\s+AS\s+", stage["from"], flags=re.I)
        tag = image.rpartition(":")[2]
        if image != "scratch":
            assert re.fullmatch(r"[\w.-]*\d+\.\d+\.\d+[\w.-]*", tag), f"{image} is not pinned to a version"
        for word, rest in stage["rest"]:
            if word == "ARG" or word == "ENV":
                for name_ in re.findall(r"(\w+)(?:=|$)", rest):
                    assert not SECRET.search(name_), f"{word} {name_} would be in the image's history"
            if word in ("COPY", "ADD"):
                assert word == "COPY", "ADD unpacks and downloads"
                words = [part for part in rest.split() if not part.startswith("--")]
                stage_of = re.search(r"--from=(\S+)", rest)
                if stage_of:
                    assert stage_of[1] in names, f"there is no stage {stage_of[1]}"
                    continue
                assert len(words) > 1, rest
                for source in sources([{"rest": [(word, rest)]}]):
                    assert os.path.exists(source), f"COPY {source}: it does not exist"
                    assert let_in(source), f"COPY {source}: .dockerignore keeps it out"
        names.update(name)
    last = found[-1]
    users = [rest for word, rest in last["rest"] if word == "USER"]
    assert users and re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]), "the last stage runs as root, or as a name"
    words = [word for word, _ in last["rest"]]
    assert "RUN" not in words and last["from"] == "scratch", "there is something to run in the last stage"
    assert dict(last["rest"])["ENTRYPOINT"].startswith("["), "ENTRYPOINT needs a shell"
    # what the program is compiled from is what is copied
    copied = list(sources(found))
    for folder, _, files in os.walk("src"):
        for file in files:
            path = os.path.join(folder, file)
            if not file.endswith(".rs"):
                continue
            source = open(path).read()
            if path == os.path.join("src", "lib.rs"):
                source = source.split("#[cfg(all(doctest")[0]
            for named in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', source):
                real = os.path.normpath(os.path.join(folder, named))
                assert any(real == part or real.startswith(part + "/") for part in copied), f"{path} needs {real}"
    for secret in ("certs", "kaspi.toml", ".git", "certs.example"):
        assert not let_in(secret), f".dockerignore lets {secret} in"


if __name__ == "__main__":
    text = open(sys.argv[-1]).read()
    if sys.argv[1] == "--variables":
        print("\n".join(variables(stages(text)[-1])))
    elif sys.argv[1] == "--sources":
        print("\n".join(sources(stages(text))))
    else:
        check(text)
