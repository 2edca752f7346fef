//! The table of causes: the one place that knows them all. `docs/troubleshooting.md` is made from it.
//!
//! Rows whose `line` begins with the words of another room's error are found by that room, and carry its
//! message; the others are written here alone.

use super::StageId::{Accepted, Bin, Certificate, Config, Dns, Files, Key, Tcp, Tls, Trust};
use super::Verdict::{Fail, Warn};
use super::cause::Entry;

macro_rules! causes {
    ($($stage:ident { $($severity:ident $cause:ident $id:literal {
        line: $line:literal, means: $means:literal, cure: $cure:literal $(,)?
    })* })*) => {
        /// Something that a stage can find.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[doc = $means] $cause,)*)*
        }

        impl Cause {
            /// All of them, in the order of the stages.
            pub const ALL: &'static [Self] = &[$($(Self::$cause,)*)*];

            /// Its row of the table.
            #[must_use]
            pub fn entry(self) -> Entry {
                match self {
                    $($(Self::$cause => Entry {
                        id: $id,
                        stage: $stage,
                        severity: $severity,
                        line: $line,
                        means: $means,
                        cure: $cure,
                    },)*)*
                }
            }
        }
    };
}

causes! {
    Config {
        Fail ConfigNotFound "config_not_found" {
            line: "{what}",
            means: "There is no configuration file where one is looked for, or not where `--config` or `KASPI_CONFIG` says.",
            cure: "write one from the bank's files with `kaspi init`; one that lies elsewhere is named with `--config FILE`",
        }
        Fail ConfigNotTrusted "config_not_trusted" {
            line: "{file} is not used, because {reason}",
            means: "`./kaspi.toml` could have been put there by somebody else: it belongs to another user, or others may write to it.",
            cure: "make it yours alone (`chmod go-w kaspi.toml`), or name it with `--config`",
        }
        Fail NotUtf8 "not_utf8" {
            line: "{file} line {line} is not UTF-8 text",
            means: "A configuration file was saved in another encoding.",
            cure: "convert it: `iconv -f WINDOWS-1251 -t UTF-8 FILE`",
        }
        Fail ConfigSyntax "config_syntax" {
            line: "{file} line {line} column {column} is not TOML: {why}",
            means: "A configuration file cannot be parsed.",
            cure: "correct the line; texts stand in double quotes",
        }
        Fail UnknownKey "unknown_key" {
            line: "unknown key `{key}` in {section} of {place}",
            means: "A setting is misspelt, or stands in the wrong section.",
            cure: "correct the key; docs/configuration.md lists every one",
        }
        Fail WrongType "wrong_type" {
            line: "`{key}` in {place} is {found}, not {expected}",
            means: "A number stands where a text belongs, or the like.",
            cure: "write it as docs/configuration.md shows",
        }
        Fail MissingSetting "missing_setting" {
            line: "`{key}` in {place} is missing",
            means: "A setting that has no default is not there.",
            cure: "add it; docs/configuration.md says what it is for",
        }
        Fail InvalidValue "invalid_value" {
            line: "`{key}` in {place} is {value}: {why}",
            means: "A setting has a value that cannot be used.",
            cure: "correct the value; docs/configuration.md says which are allowed",
        }
        Fail ConflictingSettings "conflicting_settings" {
            line: "{setting} excludes {other}",
            means: "Two settings exclude each other.",
            cure: "keep one of the two",
        }
        Fail FolderIsNoBin "folder_is_no_bin" {
            line: "the folder {folder} is named after no BIN: {why}",
            means: "A folder in `certs_dir` is not called by the 12 digits of a BIN.",
            cure: "rename the folder, or put a dot in front of its name to hide it",
        }
        Fail DuplicateBin "duplicate_bin" {
            line: "BIN `{bin}` has two folders, {first} and {second}",
            means: "Neither of two folders for one BIN may win.",
            cure: "keep one of the folders",
        }
        Fail UnknownBin "unknown_bin" {
            line: "BIN `{bin}` is not configured ({count} others are)",
            means: "There is no folder of this BIN in `certs_dir`.",
            cure: "`kaspi merchants list` shows the configured BINs; to add this one, make a folder of its name in `certs_dir`",
        }
        Fail MistypedBin "mistyped_bin" {
            line: "BIN `{bin}` is not configured and its control digit is wrong, so it is mistyped",
            means: "No organisation can have this number.",
            cure: "compare all 12 digits with the organisation's papers",
        }
        Fail KeyWithoutCertificate "key_without_certificate" {
            line: "{folder} has the key `{key}` but no certificate `certificate.cer`",
            means: "The merchant's folder holds half an identity; nothing is ever sent without a certificate.",
            cure: "put the bank's certificate beside the key, or name it with `certificate` in merchant.toml",
        }
        Fail AmbiguousIdentity "ambiguous_identity" {
            line: "{folder} has both `{first}` and `{second}`",
            means: "It is not clear which files are the identity.",
            cure: "keep one of the two",
        }
        Fail NoIdentity "no_identity" {
            line: "{folder} has no identity: {looked}",
            means: "The merchant's folder holds neither certificate and key nor PKCS#12, and borrows none.",
            cure: "put the bank's files there, name others in merchant.toml, or borrow with `identity = \"BIN\"`",
        }
        Fail NoSuchIdentity "no_such_identity" {
            line: "BIN `{bin}` cannot be served: `identity = \"{owner}\"` in `{file}` names a folder {why}",
            means: "The BIN wants to act with another BIN's identity, and that one has none to lend.",
            cure: "name a folder that holds certificate and key itself, or put them into this one",
        }
        Fail NoWrapper "no_wrapper" {
            line: "{setting} is `wrapper`, but {file} has no section [wrapper]",
            means: "The merchant's calls are to go through the old wrapper, and none is configured.",
            cure: "add the section, or set `route = \"direct\"`",
        }
        Warn InactiveBin "inactive_bin" {
            line: "BIN `{bin}` is switched off: `active = false` in `{file}`",
            means: "Calls for the BIN are refused. The other stages are checked as if it were on.",
            cure: "set `active = true` to serve it again",
        }
        Warn ControlDigit "control_digit" {
            line: "the control digit of BIN `{bin}` does not fit its other digits",
            means: "The BIN may be mistyped. It is used all the same.",
            cure: "compare the number with the bank's letter, digit by digit",
        }
        Warn SharedDeviceToken "shared_device_token" {
            line: "BIN `{bin}` and BIN `{other}` have the same device token",
            means: "The bank gives a device token for one BIN and one trade point, so one of the two was copied: its payments would go to the other's account, or fail.",
            cure: "register a device for one of the two with `kaspi device register`",
        }
        Warn RouteWrapper "route_wrapper" {
            line: "calls for BIN `{bin}` go through the old wrapper: `route = \"wrapper\"` in `{file}`",
            means: "Payments of this BIN do not take the way that is checked here; the check is of the way they would take with `route = \"direct\"`.",
            cure: "set `route = \"direct\"` once this report is well",
        }
    }
    Files {
        Fail FileMissing "file_missing" {
            line: "{what} does not exist",
            means: "A file that a setting names, or that has to be in the merchant's folder, is not there.",
            cure: "put the file there, or name another one in merchant.toml; paths are relative to the file that names them",
        }
        Fail FileUnreadable "file_unreadable" {
            line: "`{file}` cannot be read: {why}",
            means: "The operating system does not let the program read a configuration file, a folder, or a file of the identity.",
            cure: "let the user who runs this program read it: `ls -ld FILE` shows whose it is",
        }
        Fail NotAFile "not_a_file" {
            line: "{file} is {what}, not a file{where}",
            means: "A folder, pipe or device stands where a file is wanted.",
            cure: "name the file itself",
        }
        Fail FileTooLarge "file_too_large" {
            line: "{what}",
            means: "The file is larger than any certificate, key or configuration.",
            cure: "see what it is: `file FILE`",
        }
        Warn KeyFileMode "key_file_mode" {
            line: "private key `{file}` has mode {mode}, where 0640 is the widest that keeps it private",
            means: "Other users of the machine can read or change the private key: world-readable, or writable by its group.",
            cure: "`chmod 600 {file}`",
        }
        Warn WorldReadable "world_readable" {
            line: "{file} holds a secret and is open to every user of this machine (mode {mode})",
            means: "A password, a device token or a proxy's credentials can be read by anybody on the machine.",
            cure: "`chmod o-rwx {file}`",
        }
        Warn IgnoredFile "ignored_file" {
            line: "{file} is not used, because a set is installed: {link} leads to it",
            means: "Somebody put a file beside an identity that `kaspi cert install` has installed; nothing reads it.",
            cure: "install it with `kaspi cert install`, or remove it",
        }
    }
    Certificate {
        Fail CertificateExpired "certificate_expired" {
            line: "certificate `{file}` expired {ago}: valid until {not_after}, now it is {now}",
            means: "The certificate's time is over. No call leaves with it.",
            cure: "ask the bank for a new certificate and install it: `kaspi cert request`, then `kaspi cert install`",
        }
        Fail CertificateNotYetValid "certificate_not_yet_valid" {
            line: "certificate `{file}` is not valid yet: valid from {not_before}, now it is {now}",
            means: "The certificate's time has not begun, or this machine's clock is behind.",
            cure: "check this machine's clock (`timedatectl`), then the certificate's dates",
        }
        Fail NoClientAuth "no_client_auth" {
            line: "certificate `{file}` is not for TLS clients: its usages are {usages}, `clientAuth` is missing",
            means: "It is a server's certificate (serverAuth only), or one for something else. The bank's servers refuse it.",
            cure: "ask the bank for a certificate with extended key usage clientAuth: `kaspi cert request` makes such a request",
        }
        Fail NoDigitalSignature "no_digital_signature" {
            line: "certificate `{file}` may not sign: its key usages are {usages}, `digitalSignature` is missing",
            means: "A TLS client has to sign, and the certificate does not allow it.",
            cure: "ask the bank for a certificate with key usage digitalSignature: `kaspi cert request` makes such a request",
        }
        Fail ChainOrder "chain_order" {
            line: "`{file}`: wrong order of certificates: {what}",
            means: "TLS sends the certificates as they stand in the file, and the own one has to come first.",
            cure: "put your own certificate first, then the one that issued it, and so on",
        }
        Fail NoCertificate "no_certificate" {
            line: "`{file}` holds no certificate, it holds {found}",
            means: "The file is another one: a key, or a container without certificates.",
            cure: "put the certificate that the bank issued there",
        }
        Fail FileEmpty "file_empty" {
            line: "`{file}` is empty",
            means: "A file of the identity has nothing in it.",
            cure: "copy the file again from where it came; compare sizes",
        }
        Fail FileTruncated "file_truncated" {
            line: "`{file}` ends too early: {what} should have {expected} bytes, there are {actual}",
            means: "The file was cut off while it was copied.",
            cure: "copy the file again from where it came; compare sizes",
        }
        Fail BrokenPem "broken_pem" {
            line: "`{file}`: PEM block `{label}` {why}",
            means: "The text between `BEGIN` and `END` is damaged.",
            cure: "copy the file again, from the line `-----BEGIN` to the line `-----END`, both included",
        }
        Fail TrailingData "trailing_data" {
            line: "`{file}` has {extra} bytes after the end of {what}",
            means: "Two files were joined that cannot be.",
            cure: "copy the file again",
        }
        Fail Malformed "malformed" {
            line: "`{file}` is damaged: {what} cannot be parsed: {why}",
            means: "The file begins like a certificate or key and does not go on like one.",
            cure: "see how far openssl can read it: `openssl asn1parse -in FILE`",
        }
        Warn ExpiresSoon "expires_soon" {
            line: "certificate `{file}` expires in {days} days, on {not_after}",
            means: "Less than 30 days are left. The bank takes six to fifteen working days.",
            cure: "ask the bank for the next certificate now: `kaspi cert request`",
        }
        Warn MissingIntermediate "missing_intermediate" {
            line: "`{file}` holds {count} certificate(s) and not that of `{issuer}`, which issued yours; nor does `extra_ca_file`",
            means: "The server may know only the root: then it cannot follow your certificate up to it, and refuses it as of an unknown authority.",
            cure: "append the intermediate to the file, after your own: `cat intermediate.crt >> {file}`",
        }
        Warn WeakSignature "weak_signature" {
            line: "certificate `{file}` is signed with {algorithm}",
            means: "Servers refuse certificates that are signed with MD5 or SHA-1.",
            cure: "ask the bank for a certificate signed with SHA-256",
        }
        Warn LeafIsCa "leaf_is_ca" {
            line: "certificate `{file}` is that of a certificate authority",
            means: "It may be the bank's own certificate instead of yours.",
            cure: "make sure that this is the certificate which the bank issued to you",
        }
        Warn SelfSigned "self_signed" {
            line: "certificate `{file}` was issued by itself (`{subject}`)",
            means: "It is a test certificate of your own making: the bank takes only what it has issued.",
            cure: "send the request to the bank and use the certificate that it answers with: `kaspi cert request`",
        }
        Warn OtherBinInSubject "other_bin_in_subject" {
            line: "certificate `{file}` names BIN {named}, and the folder is that of `{bin}`",
            means: "The files of two organisations may have been mixed up.",
            cure: "compare the certificate with the bank's letter: `kaspi cert inspect {file}`",
        }
        Warn GatewayServesOther "gateway_serves_other" {
            line: "the running gateway serves generation {generation} with the certificate {serving}, the files hold {files}{why}",
            means: "The files have changed and the gateway goes on with the earlier certificate: it has refused the new one, or has not looked yet.",
            cure: "`kaspi merchants show --bin {bin}` tells why; mend that, or run `kaspi cert install` again",
        }
        Warn DuplicateCertificate "duplicate_certificate" {
            line: "`{file}` holds the same certificate as number {first} and number {second}; it is sent once",
            means: "A certificate stands in the file twice.",
            cure: "remove one of the two",
        }
        Warn RootInChain "root_in_chain" {
            line: "`{file}` holds a root as number {place} (`{subject}`); it is not sent",
            means: "The server has the root itself, or does not trust it; sending it is of no use.",
            cure: "remove the root from the file",
        }
        Warn UnrelatedCertificate "unrelated_certificate" {
            line: "`{file}`: certificate number {place} (`{subject}`) issued none of the others, where `{issuer}` is looked for; it is not sent",
            means: "A wrong intermediate stands in the file.",
            cure: "put the certificate that issued yours there instead, or leave your own alone",
        }
    }
    Key {
        Fail WrongPassword "wrong_password" {
            line: "wrong password: `{file}` ({scheme}) is not opened by {tried}",
            means: "There are passwords for the key, and none of them opens it.",
            cure: "find the right password with `openssl pkey -in {file} -noout` and put it into the file `password` beside the key",
        }
        Fail NoPassword "no_password" {
            line: "`{file}` is encrypted ({scheme}) and there is no password for it",
            means: "The key is encrypted and nobody said with what.",
            cure: "put the password into a file `password` beside the key, readable to its owner alone",
        }
        Fail PasswordEncoding "password_encoding" {
            line: "the password from {origin} is not UTF-8, which `{file}` ({scheme}) needs",
            means: "The password was saved in another encoding.",
            cure: "save the password file as UTF-8",
        }
        Fail KeyMismatch "key_mismatch" {
            line: "certificate `{certificate}` and private key `{key}` do not belong together: the certificate's public key is {certificate_key}, the private key's is {private_key}",
            means: "The key is not the one that the certificate was requested with.",
            cure: "use the key that the certificate was requested with; compare `openssl x509 -in CERTIFICATE -noout -pubkey` and `openssl pkey -in KEY -pubout`",
        }
        Fail WrongForm "wrong_form" {
            line: "`{file}` holds {found}, needed is {wanted}",
            means: "The file has a form that cannot be read as what it has to be.",
            cure: "convert it with the openssl command that the report names",
        }
        Fail UnsupportedEncryption "unsupported_encryption" {
            line: "`{file}` is encrypted with {scheme}, which is not supported",
            means: "The key is encrypted with a cipher that this program does not undo.",
            cure: "encrypt it anew: `openssl pkey -provider legacy -provider default -in FILE -aes256 -out new.key`",
        }
        Fail UnsupportedKey "unsupported_key" {
            line: "`{file}` holds a key of kind {found}; RSA 2048 to 4096 and ECDSA P-256 or P-384 are accepted",
            means: "The key is of a kind or size that TLS here does not sign with.",
            cure: "ask the bank for a certificate with an RSA 2048 key: `kaspi cert request`",
        }
        Fail KdfTooCostly "kdf_too_costly" {
            line: "`{file}` asks for {asked}, at most {limit} are accepted",
            means: "Opening the key would take absurdly long: the file is damaged or hostile.",
            cure: "get the file again, or encrypt the key anew with `openssl pkcs8 -topk8 -v2 aes-256-cbc`",
        }
        Fail NoPrivateKey "no_private_key" {
            line: "`{file}` holds no private key, it holds {found}",
            means: "The file is another one: a certificate, or a container without a key.",
            cure: "put the private key that the certificate was requested with there",
        }
        Fail SeveralPrivateKeys "several_private_keys" {
            line: "`{file}` holds {count} private keys ({names}), one is needed",
            means: "It is not clear which key is meant.",
            cure: "keep the one key that belongs to the certificate",
        }
    }
    Trust {
        Fail NoRoots "no_roots" {
            line: "`only_extra_ca` is set and `extra_ca_file` is not: no server could be trusted",
            means: "The public authorities are switched off and no others are named.",
            cure: "name the bank's CA in `extra_ca_file`, or remove `only_extra_ca`",
        }
        Fail ExtraCaUnusable "extra_ca_unusable" {
            line: "`kaspi.extra_ca_file` cannot be used: {why}",
            means: "The file of the bank's certificate authorities cannot be read as certificates. No BIN can be served before it can.",
            cure: "put the bank's root and intermediate certificates there, as PEM",
        }
        Fail RootsExpired "roots_expired" {
            line: "every certificate of `{file}` has expired, the last one on {not_after}, now it is {now}",
            means: "The bank has changed its authorities, or this machine's clock is ahead.",
            cure: "ask the bank for its present chain and put it into the file; check the clock (`timedatectl`)",
        }
        Warn RootExpired "root_expired" {
            line: "`{file}`: the authority `{subject}` expired on {not_after}, now it is {now}",
            means: "An authority of the file is of no use any more.",
            cure: "ask the bank for its present chain, and remove the expired certificate",
        }
        Warn NotACa "not_a_ca" {
            line: "`{file}`: certificate number {place} (`{subject}`) is not that of a certificate authority",
            means: "`extra_ca_file` is for the bank's root and intermediate certificates, not for the server's own, which changes often.",
            cure: "put the root and the intermediate there instead",
        }
    }
    Dns {
        Fail DnsNoSuchName "dns_no_such_name" {
            line: "`{host}` has no address: {why}",
            means: "DNS failure: the name servers do not know the name.",
            cure: "correct `{setting}` in {file}; see what this machine finds: `getent hosts {host}`",
        }
        Fail DnsUnreachable "dns_unreachable" {
            line: "`{host}` cannot be looked up: {why}",
            means: "DNS failure: this machine's name servers do not answer, so nothing is known about the name.",
            cure: "check this machine's name servers (`/etc/resolv.conf`, `resolvectl status`) and that port 53 is open",
        }
    }
    Tcp {
        Fail NothingListens "nothing_listens" {
            line: "nothing listens at {address}: connection refused",
            means: "The machine is there, and refuses connections to that port: a wrong port in `base_url`, a server that is down, or a filter that refuses instead of dropping.",
            cure: "compare host and port of `kaspi.base_url` in {file} with the bank's letter; a sandbox is started with `kaspi sandbox run --dir FOLDER`",
        }
        Fail PacketsDropped "packets_dropped" {
            line: "no answer from {address} within {limit}: packets are dropped on the way",
            means: "Nothing comes back at all. The bank drops packets from addresses that it has not listed; a firewall on the way does the same.",
            cure: "check that the bank has listed the address that this machine's calls come from ({from}), and that the firewall lets them out; a `proxy` in [kaspi] leads over a machine that is listed",
        }
        Fail Unreachable "unreachable" {
            line: "no way to {address}: {why}",
            means: "This machine has no route there.",
            cure: "check network and routes: `ip route get ADDRESS`",
        }
        Fail ConnectFailed "connect_failed" {
            line: "no connection to {address}: {why}",
            means: "The operating system, or something on the way, ended the connection while it was made.",
            cure: "check this machine's firewall, and that the bank lists its address",
        }
        Fail ProxyUnreachable "proxy_unreachable" {
            line: "the proxy `{proxy}` cannot be reached: {why}",
            means: "The way to the bank leads through a proxy, and that does not answer.",
            cure: "check `kaspi.proxy` in {file}, and that the proxy runs",
        }
        Fail ProxyCredentials "proxy_credentials" {
            line: "the proxy `{proxy}` wants {wanted}",
            means: "The proxy refuses us until it knows who we are (HTTP 407, or SOCKS5's refusal).",
            cure: "put `user:password` into a file and name it as `kaspi.proxy_credentials_file` in {file}",
        }
        Fail ProxyRefused "proxy_refused" {
            line: "the proxy `{proxy}` does not let us through to `{target}`: it answered {answer}",
            means: "The proxy was reached, and its rules do not allow the bank's address.",
            cure: "allow `{target}` in the proxy's rules",
        }
        Fail ProxyNoWay "proxy_no_way" {
            line: "the proxy `{proxy}` finds no way to `{target}`: it answered {answer}",
            means: "The proxy tried and could not connect to the bank: from there, too, the name, the port or the bank's list of addresses is wrong.",
            cure: "try from the proxy's machine: `openssl s_client -connect {target}`; the bank must have listed that machine's address",
        }
        Fail NotAProxy "not_a_proxy" {
            line: "`{proxy}` does not answer like the proxy that `kaspi.proxy` says it is: {answer}",
            means: "Something else listens there, or it speaks another protocol (HTTP instead of SOCKS5, or the other way round).",
            cure: "correct scheme, host and port of `kaspi.proxy` in {file}",
        }
    }
    Tls {
        Fail ResetBeforeTls "reset_before_tls" {
            line: "`{target}` {ended} before it said a word of TLS",
            means: "The connection stands and is ended at the first packet: that is how a filter of addresses refuses callers it does not know.",
            cure: "check that the bank has listed the address that this machine's calls come from ({from})",
        }
        Fail SilenceInTls "silence_in_tls" {
            line: "`{target}` did not answer our TLS hello of {bytes} bytes within {limit}",
            means: "The connection stands, and the first packet is swallowed: by a filter of addresses, or by something that speaks no TLS.",
            cure: "check that the bank has listed the address that this machine's calls come from ({from}), and host and port of `kaspi.base_url`",
        }
        Fail LargeHelloDropped "large_hello_dropped" {
            line: "`{target}` {ended} at our large post-quantum TLS hello ({bytes} bytes), and answers the small one",
            means: "`key_exchange = \"hybrid\"` makes a TLS hello that does not fit one packet; the server, or something on the way, drops it.",
            cure: "set `key_exchange = \"classic\"` in section [kaspi] of {file}",
        }
        Fail TlsTooOld "tls_too_old" {
            line: "`{target}` speaks {version} at most, and we speak TLS 1.2 and 1.3",
            means: "The server offers only TLS 1.0 or 1.1, which are broken.",
            cure: "compare `kaspi.base_url` in {file} with the bank's letter: the bank's own servers speak TLS 1.2",
        }
        Fail CipherSuitesTooOld "cipher_suites_too_old" {
            line: "`{target}` takes none of our cipher suites; of old ones it takes {suite}",
            means: "The server speaks TLS 1.2, but only with key exchanges or ciphers that are broken or near it, and that this program does not have.",
            cure: "compare `kaspi.base_url` in {file} with the bank's letter; if it is right, the bank must allow ECDHE with AES-GCM or ChaCha20",
        }
        Fail NotTls "not_tls" {
            line: "`{target}` does not speak TLS: it began with {beginning}",
            means: "Something else listens at that port, such as plain HTTP.",
            cure: "correct the port of `kaspi.base_url` in {file}",
        }
        Fail ServerCaUnknown "server_ca_unknown" {
            line: "we refused them: `{target}` shows a certificate that `{issuer}` issued, and none of our {count} trusted authorities stands behind it",
            means: "The server's certificate authority is not among the public ones and not in `extra_ca_file`: it is the bank's own, or somebody sits in between.",
            cure: "if the bank's letter names it, add `{ca}` to the file that `kaspi.extra_ca_file` in {file} names ({found})",
        }
        Fail ServerNameMismatch "server_name_mismatch" {
            line: "we refused them: `base_url` names `{host}`, and the server's certificate is for {names}",
            means: "Another server answers, or the server is called by another name or by its address.",
            cure: "write the name that the bank's letter gives into `kaspi.base_url` of {file}",
        }
        Fail ServerCertificateExpired "server_certificate_expired" {
            line: "we refused them: the certificate of `{target}` is valid {range}, now it is {now}",
            means: "The server's certificate is out of its time, or this machine's clock is wrong.",
            cure: "check this machine's clock (`timedatectl`); if it is right, tell the bank",
        }
        Fail ServerCertificateBad "server_certificate_bad" {
            line: "we refused them: the certificate of `{target}` cannot be trusted: {why}",
            means: "The server's certificate is not fit for its job, or an authority that only has the bank's name issued it.",
            cure: "compare the chain that the server sent (shown with `-v`) with the bank's letter",
        }
        Fail WeRefusedTls "we_refused_tls" {
            line: "we refused them: the TLS handshake with `{target}` ended because {why}",
            means: "The server does something in TLS that we do not go along with.",
            cure: "send this report (`--redact FILE`) to whoever keeps this program",
        }
        Fail TheyRefusedTls "they_refused_tls" {
            line: "they refused us: `{target}` ended the TLS handshake with the alert {alert}",
            means: "The server does not go along with what we offer in TLS; the alert is not about our certificate.",
            cure: "compare `kaspi.base_url` in {file} with the bank's letter; the bank can look the alert up in its log",
        }
        Fail TlsEnded "tls_ended" {
            line: "`{target}` {ended} in the middle of the TLS handshake",
            means: "The server answered in TLS and then ended the connection without saying why. Servers that refuse a certificate rudely do so.",
            cure: "let the bank look into its log at {now}; check that the certificate is the one it issued",
        }
        Fail CertificateNotAsked "certificate_not_asked" {
            line: "`{target}` asked for no client certificate, so no call leaves for it",
            means: "The address is not the one that works with certificates, or something in between ends TLS.",
            cure: "compare `kaspi.base_url` in {file} with the bank's letter; for scheme r3 the host is `qrapi-cert-ip.kaspi.kz`",
        }
        Fail RenegotiationWanted "renegotiation_wanted" {
            line: "`{target}` asks for the client certificate by a second handshake (TLS 1.2 renegotiation), which we do not do",
            means: "The server asks who we are only once it knows the path. Renegotiation is forbidden in TLS 1.3 and switched off in modern libraries.",
            cure: "ask the bank for an address that asks for the certificate in the first handshake; compare `kaspi.base_url`",
        }
        Fail PostHandshakeAuth "post_handshake_auth" {
            line: "`{target}` asks for the client certificate after the handshake (TLS 1.3 post-handshake authentication), which we do not do",
            means: "The server asks who we are only once it knows the path.",
            cure: "ask the bank for an address that asks for the certificate in the handshake; compare `kaspi.base_url`",
        }
        Fail NoCommonSignature "no_common_signature" {
            line: "`{target}` takes only the signatures {schemes}, and our key of kind {key} makes none of them",
            means: "The server does not take keys of this kind.",
            cure: "ask the bank for a certificate with an RSA 2048 key: `kaspi cert request`",
        }
        Warn IssuerNotListed "issuer_not_listed" {
            line: "`{target}` lists {count} issuer(s) of client certificates, and `{issuer}`, which issued ours, is not among them",
            means: "The server says whose certificates it takes, and ours is of another authority. Its answer, in the next stage, is what counts.",
            cure: "if the next stage fails, the certificate is for another server: compare `kaspi.base_url` with the bank's letter",
        }
    }
    Accepted {
        Fail OurCaUnknown "our_ca_unknown" {
            line: "they refused us: `{target}` does not know the authority `{issuer}` that issued our certificate (TLS alert {alert})",
            means: "The certificate is for another of the bank's servers (test instead of production), or is not of the bank at all.",
            cure: "compare the issuer with the bank's letter, and `kaspi.base_url` with the address that came with the certificate",
        }
        Fail IntermediateNeeded "intermediate_needed" {
            line: "they refused us: `{target}` cannot follow our certificate to a root (TLS alert {alert}): `{file}` does not hold that of `{issuer}`, which issued it",
            means: "A missing intermediate: the server knows the root alone, and our file holds only the certificate at the end.",
            cure: "append the intermediate to the file, after your own: `cat intermediate.crt >> {file}`",
        }
        Fail CertificateRefused "certificate_refused" {
            line: "they refused us: `{target}` does not take our certificate (TLS alert {alert})",
            means: "The server has seen our certificate and ended the connection: `certificate_expired` and `certificate_revoked` mean what they say, the others mean that it is not one it knows.",
            cure: "`kaspi cert inspect` shows whose it is and until when; the bank must have issued it for this address, and can look the alert up in its log",
        }
        Fail CertificatePage "certificate_page" {
            line: "they refused us: `{target}` answers with a page that refuses our certificate (HTTP {status})",
            means: "A server in front of the bank's application has seen our certificate and does not take it.",
            cure: "`kaspi cert inspect` shows whose it is and until when; the bank must have issued it for this address",
        }
        Fail NoClientCertificate "no_client_certificate" {
            line: "Kaspi answers with code -10000: it sees no client certificate that it knows",
            means: "TLS went well, and the bank's application does not know the certificate, or the address that the call comes from. This is an answer of the application, not a TLS alert.",
            cure: "check with the bank that it has registered this certificate (sha256 {sha256}) and the address that calls come from ({from})",
        }
        Fail WrongPath "wrong_path" {
            line: "`{url}` is answered with HTTP {status} and {body}: Kaspi's application is not there",
            means: "The base URL has a wrong path: the server works and has nothing there.",
            cure: "correct the path of `kaspi.base_url` in {file}; for scheme r3 it ends in `/r3`",
        }
        Fail ForeignAnswer "foreign_answer" {
            line: "`{url}` is answered with HTTP {status} and {body}, which is not an answer of Kaspi's application",
            means: "Something in between answers: a maintenance page, a filter, another application.",
            cure: "compare `kaspi.base_url` in {file} with the bank's letter; if it is right, wait and try again",
        }
        Fail KaspiUnavailable "kaspi_unavailable" {
            line: "Kaspi's application is not available: {answer}",
            means: "The bank has seen the certificate's connection and cannot answer now.",
            cure: "wait and try again; if it lasts, ask the bank",
        }
        Fail KaspiRefused "kaspi_refused" {
            line: "Kaspi answered `{call}` with code {code}{meaning}",
            means: "The bank's application says no, with a code that is not about the certificate.",
            cure: "docs/errors.md explains the codes; ask the bank about others",
        }
        Fail NoAnswer "no_answer" {
            line: "`{target}` has not answered `{call}` within {limit}",
            means: "TLS went well and no answer came. On TLS 1.3 a server that does not like a certificate may do just that.",
            cure: "try again; if it stays so, let the bank look into its log at {now}",
        }
        Fail ConnectionLost "connection_lost" {
            line: "`{target}` {ended} instead of answering `{call}`",
            means: "TLS went well on our side and the server ended the connection. On TLS 1.3 a server that refuses a certificate rudely does just that.",
            cure: "check that the certificate is the one that the bank issued for this address; let the bank look into its log at {now}",
        }
        Fail NotHttp "not_http" {
            line: "`{target}` answers `{call}` with something that is not HTTP: {why}",
            means: "Something else than a web server speaks behind TLS.",
            cure: "correct host and port of `kaspi.base_url` in {file}",
        }
        Warn ClockSkew "clock_skew" {
            line: "this machine's clock is {skew} {direction} the server's: here it is {here}, there {there}",
            means: "More than a minute apart: certificates are judged by a wrong time, and times in records do not fit the bank's.",
            cure: "let the machine keep its time: `timedatectl set-ntp true`",
        }
    }
    Bin {
        Fail BinNotDeclared "bin_not_declared" {
            line: "Kaspi takes the certificate and not BIN `{bin}` with it: it answered with code {code}{meaning}",
            means: "The organisation is not registered in Kaspi Pay, or the bank was not told that this certificate acts for it.",
            cure: "ask the bank to declare BIN {bin} for the certificate with sha256 {sha256}; compare the 12 digits with the organisation's papers",
        }
        Fail NoTradePoints "no_trade_points" {
            line: "Kaspi has no trade point of BIN `{bin}` (code {code})",
            means: "Payments belong to a trade point, and the organisation has made none.",
            cure: "make a trade point in the Kaspi Pay app",
        }
        Fail TradePointUnknown "trade_point_unknown" {
            line: "the trade point `{trade_point}` of `{file}` is not among those that Kaspi has of BIN `{bin}`: {known}",
            means: "The number is mistyped, belongs to another BIN, or the trade point was removed.",
            cure: "correct `trade_point_id`; `kaspi tradepoints --bin {bin}` lists them",
        }
        Fail DeviceTokenUnknown "device_token_unknown" {
            line: "Kaspi knows no device of BIN `{bin}` with the device token of {place} (code {code})",
            means: "The device token is that of another BIN, or was never one of the bank's.",
            cure: "register a device and put its token into merchant.toml: `kaspi device register --bin {bin} --device-id NAME --trade-point ID --token-file FILE`",
        }
        Fail DeviceTokenInactive "device_token_inactive" {
            line: "the device of the device token of {place} is switched off or deleted (code {code})",
            means: "The token was good once. No payment can be made with it.",
            cure: "register a device anew and put its token into merchant.toml: `kaspi device register --bin {bin} --device-id NAME --trade-point ID --token-file FILE`",
        }
        Fail TradePointOff "trade_point_off" {
            line: "the trade point of the device token of {place} is switched off (code {code})",
            means: "The organisation has switched the trade point off in the Kaspi Pay app.",
            cure: "switch it on in the Kaspi Pay app, or register a device at another one",
        }
        Warn NoDeviceToken "no_device_token" {
            line: "{place} has no device token",
            means: "Without one no payment can be made.",
            cure: "register a device: `kaspi device register --bin {bin} --device-id NAME --trade-point ID --token-file FILE`, and name the file as `device_token_file` in merchant.toml",
        }
        Fail BinUnanswered "bin_unanswered" {
            line: "`{call}` had no usable answer: {why}",
            means: "The bank answered a moment before, and not this question.",
            cure: "try again; if it stays so, ask the bank",
        }
        Fail Unexplained "unexplained" {
            line: "{what}",
            means: "Something that has no row of its own.",
            cure: "send this report (`--redact FILE`) to whoever keeps this program",
        }
    }
}
