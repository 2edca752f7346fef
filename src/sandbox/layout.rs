//! The operator's folder, filled: `kaspi.toml`, `certs/BIN/...`, and the sandbox's own files.
//!
//! [`init`] writes it, [`Options::from_dir`](super::Options::from_dir) reads it back. It is the
//! layout that a merchant has in front of the real bank, so that nothing but the address differs.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::SandboxError;
use super::files::{self, Mode};
use super::options::{Merchant, Options, TradePoint};
use super::pki::{self, Authority, KeyKind, is_bin};

/// The example organisations, used where no BIN is named.
const EXAMPLES: [(&str, &str); 2] = [("891027350515", "Flower shop"), ("210440028324", "Gift shop")];

/// The first trade point's number; further organisations count on.
const FIRST_TRADE_POINT: i64 = 385_716;

const CONFIG: &str = "kaspi.toml";
const CHAIN: &str = "kbs_chain.pem";
const CERTS: &str = "certs";
const OWN: &str = "sandbox";

/// What [`init`] is asked for.
#[derive(Clone, Debug, Default)]
pub struct Init {
    /// The organisations, each with an identity of its own. None: the two example BINs.
    pub bins: Vec<String>,
    /// The folder of an earlier sandbox, whose authority signs; a new authority where absent.
    pub ca: Option<PathBuf>,
    /// What kind of keys are made.
    pub keys: KeyKind,
}

/// Fills a folder that does not exist yet, or is empty.
///
/// Every BIN gets a certificate, an encrypted private key with a password of its own, a trade point
/// and a device token that works at once.
///
/// # Errors
///
/// A folder that holds something, a BIN that is none or is named twice, an authority that cannot
/// be read, and whatever the system says about files.
pub fn init(folder: &Path, init: &Init) -> Result<(), SandboxError> {
    let organisations = organisations(&init.bins)?;
    refuse_what_is_not_empty(folder)?;
    let authority = match &init.ca {
        Some(earlier) => Authority::load(&earlier.join(OWN))?,
        None => Authority::generate(init.keys)?,
    };

    files::create_folder(folder, Mode::Public)?;
    let own = folder.join(OWN);
    authority.save(&own)?;
    let server = authority.server()?;
    files::write(&own.join("server.crt"), &server.chain_pem(), Mode::Public)?;
    files::write(&own.join("server.key"), &server.key_pem(), Mode::Private)?;

    for ((bin, name), trade_point) in organisations.iter().zip(FIRST_TRADE_POINT..) {
        write_merchant(folder, &authority, bin, name, trade_point)?;
    }
    files::write(&folder.join(CHAIN), &authority.chain_pem(), Mode::Public)?;
    // Last, so that a folder that has it is complete.
    files::write(
        &folder.join(CONFIG),
        &config_text(organisations.first().map_or("", |(bin, _)| bin)),
        Mode::Public,
    )
}

/// Signs a certificate request (PEM) with the authority of a sandbox, as the bank does. Gives the
/// certificate as PEM, declared for these BINs.
///
/// # Errors
///
/// The authority or the request cannot be read, a BIN is none, or there is none at all: such a
/// certificate would be refused for every organisation.
pub fn sign(folder: &Path, request_pem: &str, bins: &[String]) -> Result<String, SandboxError> {
    if bins.is_empty() {
        return Err(SandboxError::Bin { given: String::new() });
    }
    let bins: Vec<&str> = bins.iter().map(String::as_str).collect();
    Authority::load(&folder.join(OWN))?.sign_request(request_pem, &bins)
}

/// Everything about a sandbox that its folder says.
pub(super) fn options(folder: &Path) -> Result<Options, SandboxError> {
    let own = folder.join(OWN);
    let mut options = Options::new(Authority::load(&own)?);
    options.merchants = merchants(folder)?;
    options.folder = Some(folder.to_owned());
    Ok(options)
}

/// The server's chain and key, as `init` left them.
pub(super) fn server_pair(folder: &Path) -> Result<pki::Pair, SandboxError> {
    let own = folder.join(OWN);
    pki::load_pair(&own.join("server.crt"), &own.join("server.key"))
}

/// The organisations in `certs`: every folder whose name is a BIN and that has a `merchant.toml`.
pub(super) fn merchants(folder: &Path) -> Result<Vec<Merchant>, SandboxError> {
    let certs = folder.join(CERTS);
    let mut merchants = Vec::new();
    let entries = fs::read_dir(&certs).map_err(SandboxError::file("read", &certs))?;
    for entry in entries {
        let entry = entry.map_err(SandboxError::file("read", &certs))?;
        let name = entry.file_name();
        let path = entry.path().join("merchant.toml");
        let Some(bin) = name.to_str().filter(|name| is_bin(name)) else {
            continue;
        };
        if path.is_file() {
            merchants.push(read_merchant(bin, &path)?);
        }
    }
    merchants.sort_by(|one, other| one.bin.cmp(&other.bin));
    Ok(merchants)
}

/// Writes the address into `kaspi.toml`, and leaves every other byte as it is.
pub(super) fn write_base_url(folder: &Path, base_url: &str) -> Result<(), SandboxError> {
    let path = folder.join(CONFIG);
    let text = files::read(&path)?;
    let changed = with_base_url(&text, base_url).ok_or_else(|| SandboxError::Content {
        path: path.clone(),
        reason: "has no line `base_url = \"...\"` in its section `[kaspi]`".to_owned(),
    })?;
    if changed == text {
        return Ok(());
    }
    files::replace(&path, &changed)
}

fn organisations(bins: &[String]) -> Result<Vec<(String, String)>, SandboxError> {
    if bins.is_empty() {
        return Ok(EXAMPLES
            .iter()
            .map(|(bin, name)| ((*bin).to_owned(), (*name).to_owned()))
            .collect());
    }
    let mut organisations: Vec<(String, String)> = Vec::with_capacity(bins.len());
    for bin in bins {
        if !is_bin(bin) {
            return Err(SandboxError::Bin { given: bin.clone() });
        }
        if organisations.iter().any(|(known, _)| known == bin) {
            return Err(SandboxError::RepeatedBin { bin: bin.clone() });
        }
        let name = EXAMPLES
            .iter()
            .find(|(example, _)| example == bin)
            .map_or_else(|| format!("Shop {bin}"), |(_, name)| (*name).to_owned());
        organisations.push((bin.clone(), name));
    }
    Ok(organisations)
}

fn refuse_what_is_not_empty(folder: &Path) -> Result<(), SandboxError> {
    let mut entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(SandboxError::file("read", folder)(error)),
    };
    match entries.next() {
        None => Ok(()),
        Some(entry) => Err(SandboxError::NotEmpty {
            path: folder.to_owned(),
            found: entry
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .unwrap_or_default(),
        }),
    }
}

fn write_merchant(
    folder: &Path,
    authority: &Authority,
    bin: &str,
    name: &str,
    trade_point: i64,
) -> Result<(), SandboxError> {
    let own = folder.join(CERTS).join(bin);
    files::create_folder(&own, Mode::Public)?;
    let identity = authority.client(&[bin])?;
    let password = uuid::Uuid::new_v4().simple().to_string();
    let token = uuid::Uuid::new_v4();
    let merchant = format!(
        "name = \"{name}\"\n\
         trade_point_id = {trade_point}\n\
         device_token = \"{token}\"\n"
    );
    files::write(
        &own.join("certificate.cer"),
        &identity.certificate_pem(),
        Mode::Public,
    )?;
    files::write(
        &own.join("private.key"),
        &identity.encrypted_key_pem(&password)?,
        Mode::Private,
    )?;
    files::write(&own.join("password"), &format!("{password}\n"), Mode::Private)?;
    files::write(&own.join("merchant.toml"), &merchant, Mode::Private)
}

fn config_text(default_bin: &str) -> String {
    format!(
        "# Made by `kaspi sandbox init`; `kaspi sandbox run` writes the port into `base_url`.\n\
         default_bin = \"{default_bin}\"\n\
         certs_dir = \"{CERTS}\"\n\
         \n\
         [kaspi]\n\
         base_url = \"https://127.0.0.1:0/r3\"\n\
         extra_ca_file = \"{CHAIN}\"\n\
         only_extra_ca = true\n"
    )
}

fn with_base_url(text: &str, base_url: &str) -> Option<String> {
    let mut changed = String::with_capacity(text.len() + base_url.len());
    let mut in_kaspi = false;
    let mut written = false;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            let header = trimmed.split('#').next().unwrap_or_default().trim();
            in_kaspi = header == "[kaspi]";
        }
        match value_of(line, "base_url") {
            Some((before, after)) if in_kaspi && !written => {
                changed.push_str(before);
                changed.push('"');
                changed.push_str(base_url);
                changed.push('"');
                changed.push_str(after);
                written = true;
            }
            _ => changed.push_str(line),
        }
    }
    written.then_some(changed)
}

/// What stands before and after the quoted value of a key, if the line is that key's.
fn value_of<'a>(line: &'a str, key: &str) -> Option<(&'a str, &'a str)> {
    let rest = line.trim_start().strip_prefix(key)?.trim_start();
    let value = rest.strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let (_, after) = value.strip_prefix(quote)?.split_once(quote)?;
    let before = line.get(..line.len().checked_sub(value.len())?)?;
    Some((before, after))
}

fn read_merchant(bin: &str, path: &Path) -> Result<Merchant, SandboxError> {
    let broken = |reason: String| SandboxError::Content {
        path: path.to_owned(),
        reason,
    };
    let text = files::read(path)?;
    // The parser's own text quotes the line, and the line may hold a token.
    let table: Table = text
        .parse()
        .map_err(|_: toml::de::Error| broken("is not TOML".to_owned()))?;

    let word = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    let name = word("name").unwrap_or_else(|| bin.to_owned());
    let mut merchant = Merchant::new(bin, name.clone());
    merchant.acts_with = word("identity");

    let mut points: Vec<&Table> = Vec::new();
    if table.contains_key("trade_point_id") {
        points.push(&table);
    }
    if let Some(listed) = table.get("trade_point").and_then(Value::as_array) {
        points.extend(listed.iter().filter_map(Value::as_table));
    }
    for point in points {
        let id = point
            .get("id")
            .or_else(|| point.get("trade_point_id"))
            .and_then(Value::as_integer)
            .ok_or_else(|| broken("has a trade point whose number is missing".to_owned()))?;
        let mut trade_point = TradePoint::new(id, name.clone());
        if let Some(token) = device_token(point, path)? {
            trade_point.device_tokens.push(token);
        }
        merchant.trade_points.push(trade_point);
    }
    Ok(merchant)
}

fn device_token(point: &Table, merchant_toml: &Path) -> Result<Option<String>, SandboxError> {
    if let Some(token) = point.get("device_token").and_then(Value::as_str) {
        return Ok(Some(token.to_owned()));
    }
    match point.get("device_token_file").and_then(Value::as_str) {
        Some(file) => {
            let token = files::read(&merchant_toml.with_file_name(file))?;
            Ok(Some(token.trim().to_owned()))
        }
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fast(bins: &[&str]) -> Init {
        Init {
            bins: bins.iter().map(|bin| (*bin).to_owned()).collect(),
            ca: None,
            keys: KeyKind::P256,
        }
    }

    #[test]
    fn without_bins_there_are_two_shops_with_an_identity_each() {
        let folder = tempfile::tempdir().unwrap();
        init(folder.path(), &fast(&[])).unwrap();

        let merchants = merchants(folder.path()).unwrap();
        let known: Vec<_> = merchants
            .iter()
            .map(|merchant| (merchant.bin.as_str(), merchant.name.as_str()))
            .collect();
        assert_eq!(
            known,
            [("210440028324", "Gift shop"), ("891027350515", "Flower shop")]
        );
        let certificate = |bin: &str| {
            fs::read_to_string(folder.path().join("certs").join(bin).join("certificate.cer")).unwrap()
        };
        assert_ne!(certificate("891027350515"), certificate("210440028324"));

        let config: Table = fs::read_to_string(folder.path().join("kaspi.toml"))
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(config["default_bin"].as_str(), Some("891027350515"));
        assert_eq!(config["kaspi"]["only_extra_ca"].as_bool(), Some(true));
        assert!(config.get("gateway").is_none());
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine.txt"), "mine").unwrap();
        let error = init(folder.path(), &fast(&[])).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{}` is not empty: it holds `mine.txt`", folder.path().display())
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn bad_bins_are_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("new");
        for (bins, message) in [
            (
                vec!["89102735051"],
                "a BIN has 12 digits, `89102735051` was given",
            ),
            (
                vec!["891027350515", "891027350515"],
                "BIN `891027350515` was given twice",
            ),
        ] {
            let error = init(&inside, &fast(&bins)).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert!(!inside.exists());
        }
    }

    #[test]
    fn an_earlier_authority_issues_further_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        init(&first, &fast(&[])).unwrap();
        let renewal = Init {
            ca: Some(first.clone()),
            ..fast(&["891027350515"])
        };
        init(&second, &renewal).unwrap();
        let read = |folder: &Path, file: &str| fs::read_to_string(folder.join(file)).unwrap();
        assert_eq!(read(&first, CHAIN), read(&second, CHAIN));
        assert_ne!(
            read(&first, "certs/891027350515/certificate.cer"),
            read(&second, "certs/891027350515/certificate.cer")
        );
    }

    #[test]
    fn only_the_address_changes() {
        let text = "base_url = \"not this\"\r\n[other]\nbase_url = 'nor this'\n\n[kaspi] # here\n\
                    # base_url = \"a remark\"\n  base_url= \"https://127.0.0.1:0/r3\" # at run\nwarm = true\n\
                    [gateway]\nbase_url = \"nor that\"";
        let expected = text.replace("https://127.0.0.1:0/r3", "https://127.0.0.1:4711/r3");
        assert_eq!(
            with_base_url(text, "https://127.0.0.1:4711/r3").as_deref(),
            Some(expected.as_str())
        );
        assert_eq!(with_base_url("[kaspi]\nwarm = true\n", "x"), None);
    }

    #[test]
    fn merchants_are_read_as_operators_write_them() {
        let folder = tempfile::tempdir().unwrap();
        let certs = folder.path().join("certs");
        for (bin, text) in [
            (
                "210440028324",
                "name = \"Gift shop\"\nidentity = \"891027350515\"\n\
                 [[trade_point]]\nid = 7\ndevice_token_file = \"token\"\ndefault = true\n\
                 [[trade_point]]\nid = 8\n",
            ),
            ("891027350515", "trade_point_id = 5\ndevice_token = \"made-up\"\n"),
        ] {
            fs::create_dir_all(certs.join(bin)).unwrap();
            fs::write(certs.join(bin).join("merchant.toml"), text).unwrap();
        }
        fs::write(certs.join("210440028324/token"), "another\n").unwrap();
        fs::create_dir_all(certs.join("notes")).unwrap();

        let merchants = merchants(folder.path()).unwrap();
        assert_eq!(merchants.len(), 2);
        assert_eq!(merchants[0].acts_with.as_deref(), Some("891027350515"));
        assert_eq!(merchants[0].trade_points[0].device_tokens, ["another"]);
        assert_eq!(merchants[0].trade_points[1].id, 8);
        assert!(merchants[0].trade_points[1].device_tokens.is_empty());
        assert_eq!(merchants[1].name, "891027350515");
        assert_eq!(merchants[1].trade_points[0].device_tokens, ["made-up"]);
    }
}
