//! What the doctor says of files: each defect has its own cause, told in the stage that it belongs to.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use kaspi_direct::base::{Bin, FixedClock};
use kaspi_direct::config::Environment;
use kaspi_direct::doctor::{Doctor, GatewayState, Options, Report, StageId, Verdict};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use time::Duration;

use super::identity_kit::{Authority, Folder, Issued, NOW, OWNER, has_openssl};

const GIFTS: &str = "210440028324";

/// An operator's folder whose one merchant is in order.
struct Shop {
    folder: Folder,
    root: Authority,
    issued: Issued,
}

impl Shop {
    fn new() -> Self {
        let folder = Folder::new();
        let root = Authority::root("Test Root");
        let issued = root.client(|_| {});
        let shop = Self { folder, root, issued };
        std::fs::create_dir_all(shop.folder.path("certs").join(OWNER)).unwrap();
        shop.folder.write("ca.pem", shop.root.pem());
        shop.configure("");
        shop.describe(OWNER, "");
        shop.put("certificate.cer", &shop.issued.certificate);
        shop.put("private.key", &shop.issued.key);
        shop
    }

    fn configure(&self, more: &str) {
        let text = format!(
            "[kaspi]\nbase_url = \"https://kaspi.invalid/r3\"\nextra_ca_file = \"ca.pem\"\nonly_extra_ca = true\n{more}\n"
        );
        self.folder.write("kaspi.toml", text);
    }

    fn describe(&self, bin: &str, more: &str) {
        std::fs::create_dir_all(self.folder.path("certs").join(bin)).unwrap();
        let token = format!("00000000-0000-4000-8000-{bin}");
        let text =
            format!("name = \"Flower shop\"\ntrade_point_id = 385716\ndevice_token = \"{token}\"\n{more}\n");
        self.folder.write(&format!("certs/{bin}/merchant.toml"), text);
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        self.folder.write(&format!("certs/{OWNER}/{name}"), bytes)
    }

    fn put_identity(&self, issued: &Issued) {
        self.put("certificate.cer", &issued.certificate);
        self.put("private.key", &issued.key);
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path(&format!("certs/{OWNER}/{name}"))).unwrap();
    }

    fn chmod(&self, name: &str, mode: u32) {
        let path = self.folder.path(&format!("certs/{OWNER}/{name}"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    async fn report(&self) -> Report {
        self.report_of(
            OWNER,
            &Options {
                offline: true,
                ..Options::default()
            },
        )
        .await
    }

    async fn report_of(&self, bin: &str, options: &Options) -> Report {
        let file = self.folder.path("kaspi.toml");
        let doctor = Doctor::open(Some(&file), &Environment::default(), Arc::new(FixedClock(NOW)));
        let report = doctor.examine(Bin::parse(bin).ok(), options, &|_| {}).await;
        assert_whole(&report);
        report
    }
}

/// Every stage is there, in order; a verdict is what its findings say; and each finding is in the words
/// that the table announces.
pub fn assert_whole(report: &Report) {
    let ids: Vec<StageId> = report.stages.iter().map(|stage| stage.id).collect();
    assert_eq!(ids, StageId::ALL, "{report:?}");
    for stage in &report.stages {
        let worst = stage.findings.iter().map(|finding| finding.severity).max();
        match stage.verdict {
            Verdict::Skip => {
                assert!(stage.summary.starts_with("not checked because "), "{stage:?}");
                assert_eq!(worst, None, "{stage:?}");
            }
            Verdict::Pass => assert_eq!(worst, None, "{stage:?}"),
            verdict => assert_eq!(worst, Some(verdict), "{stage:?}"),
        }
        for finding in &stage.findings {
            assert!(
                finding.cause.announces(&finding.message),
                "{:?} announces `{}`, found was `{}`",
                finding.cause,
                finding.cause.entry().line,
                finding.message
            );
            for text in [&finding.message, &finding.hint] {
                assert!(!text.contains(['{', '}']), "a name is not filled in: {finding:?}");
            }
        }
    }
}

/// Where it was found and what.
fn found(report: &Report) -> Vec<(StageId, &'static str)> {
    report
        .stages
        .iter()
        .flat_map(|stage| {
            stage
                .findings
                .iter()
                .map(|finding| (stage.id, finding.cause.id()))
        })
        .collect()
}

#[tokio::test]
async fn nothing_is_found_where_all_is_well() {
    let report = Shop::new().report().await;
    assert_eq!(found(&report), []);
    assert_eq!(report.verdict, Verdict::Pass);
    for stage in &report.stages {
        let expected = if stage.id.is_online() {
            Verdict::Skip
        } else {
            Verdict::Pass
        };
        assert_eq!(stage.verdict, expected, "{stage:?}");
    }
}

/// One defect, and what is found of it.
struct Case {
    name: &'static str,
    change: fn(&Shop),
    found: &'static [(StageId, &'static str)],
}

fn case(name: &'static str, found: &'static [(StageId, &'static str)], change: fn(&Shop)) -> Case {
    Case { name, change, found }
}

fn cases() -> Vec<Case> {
    use StageId::{Certificate, Config, Files, Key, Trust};
    vec![
        case(
            "the certificate has expired",
            &[(Certificate, "certificate_expired")],
            |shop| {
                shop.put_identity(
                    &shop
                        .root
                        .client(|params| params.not_after = NOW - Duration::days(3)),
                );
            },
        ),
        case(
            "not yet valid",
            &[(Certificate, "certificate_not_yet_valid")],
            |shop| {
                shop.put_identity(
                    &shop
                        .root
                        .client(|params| params.not_before = NOW + Duration::days(3)),
                );
            },
        ),
        case("due in 29 days", &[(Certificate, "expires_soon")], |shop| {
            shop.put_identity(
                &shop
                    .root
                    .client(|params| params.not_after = NOW + Duration::hours(24 * 29 + 1)),
            );
        }),
        case("due in 31 days is well", &[], |shop| {
            shop.put_identity(
                &shop
                    .root
                    .client(|params| params.not_after = NOW + Duration::days(31)),
            );
        }),
        case(
            "a server's certificate",
            &[(Certificate, "no_client_auth")],
            |shop| {
                shop.put_identity(&shop.root.client(|params| {
                    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                }));
            },
        ),
        case("wrong order", &[(Certificate, "chain_order")], |shop| {
            let intermediate = shop.root.intermediate("Test Intermediate");
            let issued = intermediate.client(|_| {});
            shop.put_identity(&issued);
            shop.put(
                "certificate.cer",
                format!("{}{}", intermediate.pem(), issued.certificate),
            );
        }),
        case("intermediate in the file is well", &[], |shop| {
            let intermediate = shop.root.intermediate("Test Intermediate");
            let issued = intermediate.client(|_| {});
            shop.put_identity(&issued);
            shop.put(
                "certificate.cer",
                format!("{}{}", issued.certificate, intermediate.pem()),
            );
        }),
        case(
            "intermediate missing",
            &[(Certificate, "missing_intermediate")],
            |shop| {
                shop.put_identity(&shop.root.intermediate("Test Intermediate").client(|_| {}));
            },
        ),
        case(
            "a wrong intermediate",
            &[
                (Certificate, "unrelated_certificate"),
                (Certificate, "missing_intermediate"),
            ],
            |shop| {
                let issued = shop.root.intermediate("Test Intermediate").client(|_| {});
                let other = shop.root.intermediate("Another Intermediate");
                shop.put_identity(&issued);
                shop.put(
                    "certificate.cer",
                    format!("{}{}", issued.certificate, other.pem()),
                );
            },
        ),
        case("self-signed", &[(Certificate, "self_signed")], |shop| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::default();
            params.not_before = NOW - Duration::days(1);
            params.not_after = NOW + Duration::days(100);
            let certificate = params.self_signed(&key).unwrap();
            shop.put("certificate.cer", certificate.pem());
            shop.put("private.key", key.serialize_pem());
        }),
        case(
            "the BIN of another in the subject",
            &[(Certificate, "other_bin_in_subject")],
            |shop| {
                shop.put_identity(&shop.root.client(|params| {
                    params.distinguished_name.push(
                        rcgen::DnType::CustomDnType(vec![2, 5, 4, 5]),
                        format!("BIN{GIFTS}"),
                    );
                }));
            },
        ),
        case(
            "the key of another certificate",
            &[(Key, "key_mismatch")],
            |shop| {
                shop.put("private.key", shop.root.client(|_| {}).key);
            },
        ),
        case("a key that is no key", &[(Key, "broken_pem")], |shop| {
            shop.put("private.key", "-----BEGIN PRIVATE KEY-----\nMIG\n");
        }),
        case("an empty key", &[(Key, "file_empty")], |shop| {
            shop.put("private.key", "");
        }),
        case(
            "a key in a form of another program",
            &[(Key, "wrong_form")],
            |shop| {
                shop.put("private.key", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n");
            },
        ),
        case(
            "certificate and key exchanged",
            &[(Certificate, "no_certificate"), (Key, "no_private_key")],
            |shop| {
                shop.put("certificate.cer", &shop.issued.key);
                shop.put("private.key", &shop.issued.certificate);
            },
        ),
        case(
            "a key that others can read",
            &[(Files, "key_file_mode")],
            |shop| shop.chmod("private.key", 0o644),
        ),
        case("a key that is a folder", &[(Files, "not_a_file")], |shop| {
            shop.remove("private.key");
            std::fs::create_dir(shop.folder.path(&format!("certs/{OWNER}/private.key"))).unwrap();
        }),
        case(
            "a token that others can read",
            &[(Files, "world_readable")],
            |shop| shop.chmod("merchant.toml", 0o644),
        ),
        case("no files", &[(Config, "no_identity")], |shop| {
            shop.remove("certificate.cer");
            shop.remove("private.key");
        }),
        case("no certificate", &[(Config, "key_without_certificate")], |shop| {
            shop.remove("certificate.cer")
        }),
        case(
            "a key that is named and not there",
            &[(Config, "file_missing")],
            |shop| {
                shop.describe(OWNER, "private_key = \"absent.key\"");
            },
        ),
        case("switched off", &[(Config, "inactive_bin")], |shop| {
            shop.describe(OWNER, "active = false")
        }),
        case("a misspelt key", &[(Config, "unknown_key")], |shop| {
            shop.describe(OWNER, "activ = false")
        }),
        case(
            "an identity of a BIN that is not there",
            &[(Config, "no_such_identity")],
            |shop| {
                shop.remove("certificate.cer");
                shop.remove("private.key");
                shop.describe(OWNER, &format!("identity = \"{GIFTS}\""));
            },
        ),
        case("one token for two", &[(Config, "shared_device_token")], |shop| {
            std::fs::create_dir_all(shop.folder.path(&format!("certs/{GIFTS}"))).unwrap();
            let text =
                std::fs::read_to_string(shop.folder.path(&format!("certs/{OWNER}/merchant.toml"))).unwrap();
            shop.folder.write(
                &format!("certs/{GIFTS}/merchant.toml"),
                format!("{text}identity = \"{OWNER}\"\n"),
            );
        }),
        case("a misspelt setting", &[(Config, "unknown_key")], |shop| {
            shop.configure("conect_timeout = \"5s\"")
        }),
        case("a file that is not TOML", &[(Config, "config_syntax")], |shop| {
            shop.folder.write("kaspi.toml", "[kaspi\n");
        }),
        case(
            "no signatures",
            &[(Certificate, "no_digital_signature")],
            |shop| {
                shop.put_identity(&shop.root.client(|params| {
                    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyEncipherment];
                }));
            },
        ),
        case(
            "twice the same",
            &[(Certificate, "duplicate_certificate")],
            |shop| {
                shop.put("certificate.cer", shop.issued.certificate.repeat(2));
            },
        ),
        case(
            "the root in the file",
            &[(Certificate, "root_in_chain")],
            |shop| {
                shop.put(
                    "certificate.cer",
                    format!("{}{}", shop.issued.certificate, shop.root.pem()),
                );
            },
        ),
        case(
            "bytes behind the certificate",
            &[(Certificate, "trailing_data")],
            |shop| {
                let mut bytes = shop.issued.der.clone();
                bytes.extend_from_slice(b"more");
                shop.put("certificate.cer", bytes);
            },
        ),
        case("half a certificate", &[(Certificate, "file_truncated")], |shop| {
            shop.put("certificate.cer", &shop.issued.der[..300]);
        }),
        case("two keys", &[(Key, "several_private_keys")], |shop| {
            shop.put("private.key", shop.issued.key.repeat(2));
        }),
        case(
            "a key with an absurd figure",
            &[(Files, "file_too_large")],
            |shop| {
                shop.put("private.key", vec![b'x'; 2 * 1024 * 1024]);
            },
        ),
        case(
            "a plain file and a container",
            &[(Config, "ambiguous_identity")],
            |shop| {
                shop.put("identity.p12", "x");
            },
        ),
        case("a wrapper that is not there", &[(Config, "no_wrapper")], |shop| {
            shop.describe(OWNER, "route = \"wrapper\"");
        }),
        case("through the wrapper", &[(Config, "route_wrapper")], |shop| {
            shop.folder.write("token", "wrapper-token");
            let text = std::fs::read_to_string(shop.folder.path("kaspi.toml")).unwrap();
            let wrapper = "[wrapper]\nbase_url = \"https://shop.example/api\"\ntoken_file = \"token\"\n";
            shop.folder.write("kaspi.toml", format!("{text}{wrapper}"));
            shop.describe(OWNER, "route = \"wrapper\"");
        }),
        case("no address", &[(Config, "missing_setting")], |shop| {
            shop.folder.write("kaspi.toml", "[kaspi]\n");
        }),
        case("an address that is none", &[(Config, "invalid_value")], |shop| {
            shop.folder
                .write("kaspi.toml", "[kaspi]\nbase_url = \"http://kaspi.invalid\"\n");
        }),
        case("no configuration", &[(Config, "config_not_found")], |shop| {
            std::fs::remove_file(shop.folder.path("kaspi.toml")).unwrap();
        }),
        case(
            "one authority of two has expired",
            &[(Trust, "root_expired")],
            |shop| {
                let key = KeyPair::generate().unwrap();
                let mut params = CertificateParams::default();
                params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
                params
                    .distinguished_name
                    .push(rcgen::DnType::CommonName, "Old Root");
                params.not_before = NOW - Duration::days(100);
                params.not_after = NOW - Duration::days(1);
                let old = params.self_signed(&key).unwrap().pem();
                shop.folder.write("ca.pem", format!("{}{old}", shop.root.pem()));
            },
        ),
        case(
            "an authority that has expired",
            &[(Trust, "roots_expired")],
            |shop| {
                let key = KeyPair::generate().unwrap();
                let mut params = CertificateParams::default();
                params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
                params
                    .distinguished_name
                    .push(rcgen::DnType::CommonName, "Test Root");
                params.not_before = NOW - Duration::days(100);
                params.not_after = NOW - Duration::days(1);
                shop.folder
                    .write("ca.pem", params.self_signed(&key).unwrap().pem());
            },
        ),
        case("an authority that is none", &[(Trust, "not_a_ca")], |shop| {
            shop.folder.write(
                "ca.pem",
                format!("{}{}", shop.root.pem(), shop.issued.certificate),
            );
        }),
        case(
            "authorities that are no certificates",
            &[(Trust, "extra_ca_unusable")],
            |shop| {
                shop.folder.write("ca.pem", "nothing");
            },
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_defect_of_the_files_has_its_own_cause() {
    let mut told = String::new();
    for case in cases() {
        let shop = Shop::new();
        (case.change)(&shop);
        let report = shop.report().await;
        assert_eq!(found(&report), case.found, "{}: {report:#?}", case.name);
        told.push_str(&format!("# {}\n", case.name));
        for stage in &report.stages {
            for finding in &stage.findings {
                let (message, hint) = (&finding.message, &finding.hint);
                told.push_str(&format!(
                    "{} {}: {message}\n  hint: {hint}\n",
                    stage.id, finding.severity
                ));
            }
            if stage.verdict == Verdict::Skip && !stage.id.is_online() {
                told.push_str(&format!("{} skip: {}\n", stage.id, stage.summary));
            }
        }
    }
    let told: Vec<String> = Shop::new()
        .folder
        .redacted(&told)
        .lines()
        .map(without_folder)
        .collect();
    insta::assert_snapshot!("doctor_files", told.join("\n"));
}

/// A line without the folder of its case.
fn without_folder(line: &str) -> String {
    let mut text = line.to_owned();
    while let Some(at) = text.find("/tmp/.tmp") {
        let end = at + "/tmp/.tmpXXXXXX".len();
        text.replace_range(at..end, "DIR");
    }
    text
}

#[tokio::test]
async fn passwords_that_are_not_the_right_ones() {
    if !has_openssl() {
        return;
    }
    let shop = Shop::new();
    shop.folder.openssl(&format!(
        "pkcs8 -topk8 -in certs/{OWNER}/private.key -out certs/{OWNER}/encrypted.key -passout pass:right"
    ));
    shop.describe(OWNER, "private_key = \"encrypted.key\"");
    assert_eq!(found(&shop.report().await), [(StageId::Key, "no_password")]);

    shop.put("password", "wrong");
    let report = shop.report().await;
    assert_eq!(found(&report), [(StageId::Key, "wrong_password")]);
    // the certificate can be read without the key
    assert_eq!(report.stage(StageId::Certificate).unwrap().verdict, Verdict::Pass);
    let hint = &report.stage(StageId::Key).unwrap().findings[0].hint;
    assert!(hint.contains("openssl pkey -in"), "{hint}");

    shop.put("password", "right\n");
    let report = shop.report().await;
    assert_eq!(found(&report), []);
    let opened = report
        .stage(StageId::Key)
        .unwrap()
        .facts
        .get("opened_with")
        .unwrap();
    assert!(opened.as_str().unwrap().ends_with("/password`"), "{opened}");

    // in a container the certificate is behind the same password
    shop.folder.openssl(&format!(
        "pkcs12 -export -in certs/{OWNER}/certificate.cer -inkey certs/{OWNER}/private.key -passout pass:right -out certs/{OWNER}/identity.p12"
    ));
    shop.remove("certificate.cer");
    shop.remove("private.key");
    shop.describe(OWNER, "");
    shop.chmod("identity.p12", 0o600);
    assert_eq!(found(&shop.report().await), []);
    shop.put("password", "wrong");
    let report = shop.report().await;
    assert_eq!(found(&report), [(StageId::Key, "wrong_password")]);
    assert_eq!(report.stage(StageId::Certificate).unwrap().verdict, Verdict::Skip);
}

#[tokio::test]
async fn a_running_gateway_that_goes_on_with_the_earlier_certificate() {
    let shop = Shop::new();
    let with = |sha256: &str| Options {
        offline: true,
        gateway: Some(GatewayState {
            generation: Some(3),
            certificate_sha256: Some(sha256.to_owned()),
            problem: Some("the canary was refused".to_owned()),
        }),
    };
    let report = shop.report_of(OWNER, &with("00ff")).await;
    assert_eq!(found(&report), [(StageId::Certificate, "gateway_serves_other")]);
    let certificate = report.stage(StageId::Certificate).unwrap();
    let own = certificate
        .facts
        .get("sha256")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        certificate.findings[0].message,
        format!(
            "the running gateway serves generation 3 with the certificate 00ff, the files hold {own}: the canary was refused"
        )
    );
    assert_eq!(found(&shop.report_of(OWNER, &with(&own)).await), []);
}

#[tokio::test]
async fn a_bin_that_is_not_there() {
    let shop = Shop::new();
    let options = Options {
        offline: true,
        ..Options::default()
    };
    for (bin, cause) in [(GIFTS, "unknown_bin"), ("891027350516", "mistyped_bin")] {
        let report = shop.report_of(bin, &options).await;
        assert_eq!(found(&report), [(StageId::Config, cause)]);
        // whom we trust does not hang on the BIN
        assert_eq!(report.stage(StageId::Trust).unwrap().verdict, Verdict::Pass);
    }
}

#[tokio::test]
async fn stages_are_told_as_they_end() {
    let shop = Shop::new();
    let file = shop.folder.path("kaspi.toml");
    let doctor = Doctor::open(Some(&file), &Environment::default(), Arc::new(FixedClock(NOW)));
    let told = std::sync::Mutex::new(Vec::new());
    let options = Options {
        offline: true,
        ..Options::default()
    };
    let report = doctor
        .examine(Bin::parse(OWNER).ok(), &options, &|stage| {
            told.lock().unwrap().push(stage.clone())
        })
        .await;
    assert_eq!(told.into_inner().unwrap(), report.stages);
}
