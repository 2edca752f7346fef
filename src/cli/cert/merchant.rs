//! Whose identity a command works on.

use super::error::CertError;
use crate::base::Bin;
use crate::cli::context::Context;
use crate::config::{Config, IdentitySource, MerchantFolder};

/// The BIN named on the command line; `default_bin` does not count where an identity is changed.
pub(super) fn named(context: &Context<'_>) -> Result<Bin, CertError> {
    context.bin().ok_or(CertError::NoBin)
}

/// The folder of a BIN, if its identity is its own to change.
pub(super) fn owner<'a>(
    bin: Bin,
    config: &Config,
    folders: &'a [MerchantFolder],
) -> Result<&'a MerchantFolder, CertError> {
    let folder = find(bin, config, folders)?;
    if let Some(owner) = borrows_from(folder) {
        return Err(CertError::Borrowed {
            bin,
            owner,
            touched: served_by(owner, folders),
        });
    }
    Ok(folder)
}

/// The folder of a BIN.
pub(super) fn find<'a>(
    bin: Bin,
    config: &Config,
    folders: &'a [MerchantFolder],
) -> Result<&'a MerchantFolder, CertError> {
    let certs_dir = config.certs_dir.clone();
    folders
        .iter()
        .find(|folder| folder.bin == Some(bin))
        .ok_or(match bin.has_valid_control_digit() {
            true => CertError::UnknownBin { bin, certs_dir },
            false => CertError::MistypedBin { bin, certs_dir },
        })
}

/// Every BIN that acts with the identity in one's folder, that one first.
pub(super) fn served_by(owner: Bin, folders: &[MerchantFolder]) -> Vec<Bin> {
    let borrowers = folders
        .iter()
        .filter(|folder| borrows_from(folder) == Some(owner))
        .filter_map(|folder| folder.bin);
    std::iter::once(owner).chain(borrowers).collect()
}

pub(super) fn borrows_from(folder: &MerchantFolder) -> Option<Bin> {
    match folder.merchant.as_ref().ok()?.identity {
        IdentitySource::Own(_) => None,
        IdentitySource::Of(owner) => Some(owner),
    }
}
