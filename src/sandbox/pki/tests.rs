use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;

#[test]
fn a_client_certificate_has_the_banks_profile() {
    let authority = Authority::generate(KeyKind::Rsa2048).unwrap();
    let shop = authority.client(&["891027350515", "210440028324"]).unwrap();

    let (_, certificate) = X509Certificate::from_der(shop.certificate_der()).unwrap();
    let issuer = certificate.issuer().to_string();
    assert!(issuer.starts_with("C=KZ, O=Sandbox ") && issuer.ends_with(", CN=KBS-CA"));
    assert_eq!(
        certificate.subject().to_string(),
        "C=KZ, ST=Almaty, L=Almaty, O=Sandbox Shop, OU=BIN891027350515 BIN210440028324, CN=shop.example"
    );
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert!(usage.value.digital_signature() && usage.value.non_repudiation());
    assert!(usage.value.key_encipherment() && usage.value.data_encipherment());
    assert!(!usage.value.key_cert_sign());
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.client_auth && !extended.server_auth);
    assert!(certificate.subject_alternative_name().unwrap().is_none());
    assert_eq!(certificate.public_key().parsed().unwrap().key_size(), 2048);
    let days = (certificate.validity().not_after.timestamp() - certificate.validity().not_before.timestamp())
        / 86_400;
    assert_eq!(days, 5 * 365 + 1);
    assert_eq!(
        declared_bins(shop.certificate_der()),
        ["891027350515", "210440028324"]
    );
}

#[test]
fn a_saved_authority_goes_on_issuing() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::generate(KeyKind::P256).unwrap();
    authority.save(folder.path()).unwrap();

    let again = Authority::load(folder.path()).unwrap();
    assert_eq!(again.chain_pem(), authority.chain_pem());
    let shop = again.client(&["891027350515"]).unwrap();
    let (_, leaf) = X509Certificate::from_der(shop.certificate_der()).unwrap();
    let anchors = authority.anchors();
    let (_, issuer) = X509Certificate::from_der(&anchors[1]).unwrap();
    leaf.verify_signature(Some(issuer.public_key())).unwrap();

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let key = folder.path().join("kbs_ca.key");
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn serials_are_random_and_positive() {
    let authority = Authority::generate(KeyKind::P256).unwrap();
    let serial = || {
        let shop = authority.client(&["891027350515"]).unwrap();
        let (_, certificate) = X509Certificate::from_der(shop.certificate_der()).unwrap();
        certificate.raw_serial().to_vec()
    };
    let (first, second) = (serial(), serial());
    assert_ne!(first, second);
    for serial in [first, second] {
        assert_eq!(serial.len(), 16);
        assert!(serial[0] < 0x80);
    }
}

#[test]
fn what_is_no_bin_is_not_certified() {
    let authority = Authority::generate(KeyKind::P256).unwrap();
    let error = authority.client(&["89102735051"]).unwrap_err();
    assert_eq!(error.to_string(), "a BIN has 12 digits, `89102735051` was given");
}

#[test]
fn a_request_is_signed_without_its_key() {
    let authority = Authority::generate(KeyKind::P256).unwrap();
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap();
    let text = authority
        .sign_request(&request.pem().unwrap(), &["210440028324"])
        .unwrap();
    let der = CertificateDer::from(pem::parse(text).unwrap().into_contents());
    assert_eq!(declared_bins(&der), ["210440028324"]);
    assert!(authority.sign_request("nothing", &["210440028324"]).is_err());
}

#[test]
fn debug_shows_no_key() {
    let authority = Authority::generate(KeyKind::P256).unwrap();
    let shop = authority.client(&["891027350515"]).unwrap();
    let text = format!("{authority:?} {shop:?}");
    assert!(!text.contains("PRIVATE") && text.len() < 400, "{text}");
}
